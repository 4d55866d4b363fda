//! Three nodes: whoever is asked answers for all.

use serde_json::{Value, json};

use super::node::{Node, until};

#[test]
fn any_node_writes_reads_follows_and_describes_what_another_leads() {
    let nodes = Node::three();
    let body = r#"{"name":"sky","partitions":6,"replication_factor":1}"#;
    // By turns: two of the three are not the controller.
    assert_eq!(nodes[0].post("/v1/topics", body).status, 201);
    for (node, name) in nodes.iter().zip(["a", "b", "c"]) {
        node.topic(name, 1);
    }
    until("all know the topics", || {
        nodes
            .iter()
            .all(|node| node.get("/v1/topics/c").status == 200 && node.get("/v1/topics/sky").status == 200)
    });
    for (at, node) in nodes.iter().enumerate() {
        for partition in 0..6 {
            let record = json!({ "value": format!("{at}-{partition}"), "partition": partition }).to_string();
            assert_eq!(node.post("/v1/topics/sky/records", &record).ok()["offset"], at);
        }
    }
    let leaders: std::collections::BTreeSet<i64> = (0..6)
        .filter_map(|p| nodes[0].get(&format!("/v1/topics/sky/partitions/{p}")).ok()["leader"].as_i64())
        .collect();
    assert_eq!(leaders.len(), 3, "the partitions are spread");
    for node in &nodes {
        for partition in 0..6 {
            let path = format!("/v1/topics/sky/partitions/{partition}");
            let read = node.get(&format!("{path}/records")).ok();
            let values: Vec<&Value> =
                read["records"].as_array().unwrap().iter().map(|r| &r["value"]).collect();
            let expected: Vec<Value> = (0..3).map(|at| format!("{at}-{partition}").into()).collect();
            assert_eq!(values, expected.iter().collect::<Vec<_>>());
            let problem = node.get(&format!("{path}/records?offset=4")).problem(416, "offset-out-of-range");
            assert_eq!(problem["end"], 3);
            assert_eq!(node.get(&path).ok()["high_watermark"], 3);
        }
    }
    let mut events = nodes[1].request("GET", "/v1/topics/sky/events").events();
    nodes[2].post("/v1/topics/sky/records", r#"{"value":"new","partition":4}"#).ok();
    assert_eq!(events.record().1, "new");
    let large = json!({ "value": "x".repeat(1 << 20), "partition": 0 }).to_string();
    for node in &nodes {
        node.post("/v1/topics/sky/records", &large).problem(413, "record-too-large");
    }
}

#[test]
fn what_one_node_has_written_every_node_reads_at_once() {
    let nodes = Node::three();
    for offset in 0..20 {
        let node = &nodes[offset % 3];
        assert_eq!(node.post("/", r#"{"record":{"value":"aGk="}}"#).ok()["offset"], offset);
        let reader = &nodes[(offset + 1) % 3];
        assert_eq!(reader.get(&format!("/?offset={offset}")).ok()["record"]["offset"], offset);
    }
    assert_eq!(nodes[0].get("/v1/topics/log/partitions/0").ok()["replicas"].as_array().unwrap().len(), 3);
}

#[test]
fn whoever_is_left_writes_and_reads_when_a_leader_dies() {
    let mut nodes = Vec::from(Node::three());
    let made = nodes[0].post("/v1/topics", r#"{"name":"sky","partitions":1,"replication_factor":3}"#);
    assert_eq!(made.status, 201, "{}", made.body);
    nodes[0].post("/v1/topics/sky/records", r#"{"value":"before"}"#).ok();
    let leader = nodes[0].get("/v1/topics/sky/partitions/0").ok()["leader"].as_u64().unwrap();
    let mut dead = nodes.remove(usize::try_from(leader).unwrap() - 1);
    dead.process.kill().unwrap();
    for node in &nodes {
        until("another leads", || node.post("/v1/topics/sky/records", r#"{"value":"after"}"#).status == 200);
        // A follower shows what it knows to be agreed on, which may be a little less.
        until("it is read", || {
            let read = node.get("/v1/topics/sky/partitions/0/records").ok();
            let records = read["records"].as_array().unwrap();
            records[0]["value"] == "before" && records.last().unwrap()["value"] == "after"
        });
    }
}

#[test]
fn groups_and_nodes_are_the_same_wherever_one_asks() {
    let nodes = Node::three();
    nodes[0].topic("sky", 1);
    nodes[0].post("/v1/topics/sky/records", r#"{"value":"v"}"#).ok();
    for group in ["g", "h", "i"] {
        nodes[1].command(&["consume", "sky", "--group", group], "");
    }
    for node in &nodes {
        let cluster = node.get("/v1/cluster").ok();
        assert_eq!(cluster["nodes"].as_array().unwrap().len(), 3, "{cluster}");
        let listed = node.get("/v1/groups").ok();
        let names: Vec<&Value> = listed["groups"].as_array().unwrap().iter().map(|g| &g["group"]).collect();
        assert_eq!(names, ["g", "h", "i"], "{listed}");
        assert_eq!(node.get("/v1/groups/h").ok()["lag"], 0);
        node.get("/v1/groups/nobody").problem(404, "unknown-group");
    }
    for (node, group) in nodes.iter().zip(["g", "h", "i"]) {
        assert_eq!(node.delete(&format!("/v1/groups/{group}")).status, 204);
    }
    assert_eq!(nodes[2].delete("/v1/topics/sky").status, 204);
}
