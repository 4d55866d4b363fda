//! Consumer groups, as Kafka's clients make them.

use super::node::Node;

#[test]
fn a_group_is_listed_described_with_its_lag_and_deleted() {
    let node = Node::start();
    node.get("/v1/groups/g").problem(404, "unknown-group");
    assert_eq!(node.get("/v1/groups").ok()["groups"], serde_json::json!([]));
    node.topic("sky", 1);
    let records = serde_json::json!({ "records": vec![serde_json::json!({ "value": "v" }); 10] });
    node.post("/v1/topics/sky/records", &records.to_string()).ok();
    node.command(&["consume", "sky", "--group", "g", "--max", "4"], "");
    let listed = node.get("/v1/groups").ok();
    assert_eq!(
        (&listed["groups"][0]["group"], &listed["groups"][0]["state"]),
        (&"g".into(), &"Empty".into())
    );
    let described = node.get("/v1/groups/g").ok();
    assert_eq!((&described["lag"], &described["coordinator"]), (&6.into(), &1.into()));
    let offset = &described["offsets"][0];
    assert_eq!((&offset["topic"], &offset["offset"], &offset["end"]), (&"sky".into(), &4.into(), &10.into()));
    assert_eq!(node.delete("/v1/groups/g").status, 204);
    node.delete("/v1/groups/g").problem(404, "unknown-group");
}
