//! Records written and read by HTTP, and the same ones seen by Kafka.

use serde_json::json;

use super::node::Node;

#[test]
fn records_go_to_kafka_and_come_from_it() {
    let node = Node::start();
    node.topic("sky", 1);
    let body = r#"{"records":[
        {"key":"sun","value":"hot","headers":[{"name":"h","value":"1"},{"name":"n","value":null}],"timestamp":1700000000000},
        {"key":"moon","value":null},
        {"key":"/w==","value":"AAE=","encoding":"base64"}]}"#;
    let written = node.post("/v1/topics/sky/records", body).ok();
    let at = |offset: u8| json!({ "partition": 0, "offset": offset });
    assert_eq!(written, json!({ "records": [at(0), at(1), at(2)] }));
    assert_eq!(node.post("/v1/topics/sky/records", r#"{"value":"alone"}"#).ok(), at(3));
    let format = ["consume", "sky", "--max", "2", "--format", "%o %k %S %T %h\\n"];
    let seen = node.command(&format, "");
    assert_eq!(seen.lines().next().unwrap(), "0 sun 3 1700000000000 h=1,n=", "{seen}");
    assert!(seen.lines().nth(1).unwrap().starts_with("1 moon -1 "), "{seen}");

    node.command(&["produce", "sky", "--codec", "zstd", "-K:"], "star:far\n");
    let read = node.get("/v1/topics/sky/partitions/0/records?offset=0").ok();
    assert_eq!((&read["high_watermark"], &read["next_offset"]), (&5.into(), &5.into()));
    let records = read["records"].as_array().unwrap();
    let first = json!({"offset": 0, "timestamp": 1_700_000_000_000_u64, "encoding": "utf8", "key": "sun", "value": "hot",
        "headers": [{ "name": "h", "value": "1" }, { "name": "n", "value": null }]});
    assert_eq!(records[0], first);
    assert_eq!((&records[1]["value"], &records[1]["encoding"]), (&json!(null), &"utf8".into()));
    let binary = (&records[2]["key"], &records[2]["value"], &records[2]["encoding"]);
    assert_eq!(binary, (&"/w==".into(), &"AAE=".into(), &"base64".into()));
    assert_eq!((&records[4]["key"], &records[4]["value"]), (&"star".into(), &"far".into()));
}

#[test]
fn reading_begins_where_it_is_asked_to_and_ends_where_there_is_enough() {
    let node = Node::start();
    node.topic("sky", 1);
    let record = |n: u8| json!({ "value": format!("v{n}"), "timestamp": 1000 + u32::from(n) });
    let body = json!({ "records": (0..10).map(record).collect::<Vec<_>>() }).to_string();
    node.post("/v1/topics/sky/records", &body).ok();
    let offsets = |query: &str| {
        let read = node.get(&format!("/v1/topics/sky/partitions/0/records?{query}")).ok();
        let offsets =
            read["records"].as_array().unwrap().iter().map(|record| record["offset"].as_u64().unwrap());
        (offsets.collect::<Vec<_>>(), read["next_offset"].as_u64().unwrap())
    };
    assert_eq!(offsets("offset=4&max=2"), (vec![4, 5], 6));
    assert_eq!(offsets("max=3"), (vec![0, 1, 2], 3));
    assert_eq!(offsets("offset=earliest&max_bytes=4"), (vec![0, 1], 2));
    assert_eq!(offsets("offset=timestamp:1007"), (vec![7, 8, 9], 10));
    assert_eq!(offsets("offset=timestamp:9999"), (vec![], 10));
    assert_eq!(offsets("offset=latest"), (vec![], 10));
    assert_eq!(offsets("offset=10"), (vec![], 10));
    assert_eq!(offsets("offset=0&max=0"), (vec![], 0));
    let read = node.get("/v1/topics/sky/partitions/0/records?encoding=base64&max=1").ok();
    assert_eq!(read["records"][0]["value"], "djA=");

    let ask = |query: &str| node.get(&format!("/v1/topics/sky/partitions/0/records?{query}"));
    let problem = ask("offset=11").problem(416, "offset-out-of-range");
    assert_eq!((&problem["start"], &problem["end"]), (&0.into(), &10.into()));
    for bad in
        ["offset=-1", "offset=soon", "max=10001", "wait_ms=20001", "max_bytes=99999999", "encoding=rot13"]
    {
        ask(bad).problem(422, "invalid-request");
    }
    ask("max=many").problem(400, "unreadable-request");
    ask("offsets=1").problem(400, "unreadable-request");
}

#[test]
fn a_read_that_waits_is_woken_by_what_is_written() {
    let node = Node::start();
    node.topic("sky", 1);
    let waiting = node.request("GET", "/v1/topics/sky/partitions/0/records?offset=0&wait_ms=20000");
    std::thread::scope(|scope| {
        let read = scope.spawn(|| waiting.send().ok());
        // Before or after it waits: the answer is the same.
        node.post("/v1/topics/sky/records", r#"{"value":"now"}"#).ok();
        assert_eq!(read.join().unwrap()["records"][0]["value"], "now");
    });
}

#[test]
fn records_go_where_their_key_does_or_where_they_say() {
    let node = Node::start();
    node.topic("sky", 7);
    let keys: Vec<String> = (0..30).map(|n| format!("key-{n}")).collect();
    let records: Vec<_> = keys.iter().map(|key| json!({ "key": key, "value": "http" })).collect();
    let written = node.post("/v1/topics/sky/records", &json!({ "records": records }).to_string()).ok();
    let lines = keys.iter().map(|key| format!("{key}:kafka\n")).collect::<Vec<_>>().concat();
    node.command(&["produce", "sky", "-K:"], &lines);
    let seen = node.command(&["consume", "sky", "--format", "%k %p %s\\n"], "");
    for (key, written) in keys.iter().zip(written["records"].as_array().unwrap()) {
        for door in ["http", "kafka"] {
            let line = format!("{key} {} {door}", written["partition"]);
            assert!(seen.lines().any(|seen| seen == line), "{line}: {seen}");
        }
    }
    let keyless =
        json!({ "records": [{ "value": "a" }, { "value": "b" }, { "value": "c", "partition": 5 }] });
    let written = node.post("/v1/topics/sky/records", &keyless.to_string()).ok();
    assert_eq!(written["records"][0]["partition"], written["records"][1]["partition"]);
    assert_eq!(written["records"][2]["partition"], 5);
}

#[test]
fn what_cannot_be_written_is_refused_with_the_reason() {
    let node = Node::start();
    node.topic("sky", 2);
    let write = |body: &str| node.post("/v1/topics/sky/records", body);
    node.post("/v1/topics/moon/records", r#"{"value":"v"}"#).problem(404, "unknown-topic");
    write(r#"{"value":"v","partition":2}"#).problem(404, "unknown-partition");
    write(r#"{"records":[]}"#).problem(422, "invalid-request");
    write("{\"value\"").problem(400, "unreadable-request");
    let problem = write(r#"{"records":[{"value":"a"},{"value":"!","encoding":"base64"}]}"#)
        .problem(422, "invalid-request");
    assert!(problem["detail"].as_str().unwrap().contains("/records/1/value"), "{problem}");

    let small = r#"{"name":"small","partitions":1,"configs":{"max.message.bytes":1000}}"#;
    assert_eq!(node.post("/v1/topics", small).status, 201);
    let large = json!({ "value": "x".repeat(2000) });
    let problem = node.post("/v1/topics/small/records", &large.to_string()).problem(413, "record-too-large");
    assert_eq!(problem["kafka_error"], "MESSAGE_TOO_LARGE");
    // Together they are larger than a batch may be; each of them is not.
    let many = json!({ "records": vec![json!({ "value": "x".repeat(300) }); 9] });
    let written = node.post("/v1/topics/small/records", &many.to_string()).ok();
    assert_eq!(written["records"][8]["offset"], 8);
    let some =
        json!({ "records": [{ "value": "fits" }, { "value": "x".repeat(2000) }, { "value": "behind" }] });
    let written = node.post("/v1/topics/small/records", &some.to_string());
    assert_eq!(written.status, 207, "{}", written.body);
    let written = written.json();
    assert_eq!(written["records"][0]["offset"], 9);
    assert_eq!(written["records"][1]["error"]["status"], 413);
    assert_eq!(written["records"][2]["error"]["status"], 413);

    let compacted = r#"{"name":"keyed","partitions":1,"configs":{"cleanup.policy":"compact"}}"#;
    assert_eq!(node.post("/v1/topics", compacted).status, 201);
    node.post("/v1/topics/keyed/records", r#"{"value":"no key"}"#).problem(422, "key-needed");
    let body = format!(r#"{{"value":"{}"}}"#, "x".repeat(3 << 20));
    write(&body).problem(413, "body-too-large");
}
