//! The book's two calls, as its curl lines make them.

use super::node::Node;

/// What `curl -d` says of a body.
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

#[test]
fn the_book_s_calls_work_as_they_are_in_the_book() {
    let node = Node::start();
    for (offset, value) in ["TGV0J3MgR28gIzEK", "TGV0J3MgR28gIzIK", "TGV0J3MgR28gIzMK"].iter().enumerate() {
        let body = format!(r#"{{"record": {{"value": "{value}"}}}}"#);
        let answer =
            node.request("POST", "/").header(FORM.0, FORM.1).header("accept", "*/*").body(&body).send();
        assert_eq!(answer.ok(), serde_json::json!({ "offset": offset }));
    }
    let asked =
        node.request("GET", "/").header(FORM.0, FORM.1).header("accept", "*/*").body(r#"{"offset": 1}"#);
    let record = serde_json::json!({ "record": { "value": "TGV0J3MgR28gIzIK", "offset": 1 } });
    assert_eq!(asked.send().ok(), record);
    assert_eq!(node.get("/?offset=1").ok(), record);
    // The same records, seen by Kafka.
    assert_eq!(node.command(&["consume", "log"], ""), "Let's Go #1\n\nLet's Go #2\n\nLet's Go #3\n\n");
}

#[test]
fn what_is_not_there_or_makes_no_sense_is_said() {
    let node = Node::start();
    node.get("/?offset=0").problem(404, "offset-out-of-range");
    assert_eq!(node.post("/", r#"{"record":{"value":"aGk="}}"#).ok()["offset"], 0);
    let problem = node.get("/?offset=1").problem(404, "offset-out-of-range");
    assert_eq!((&problem["start"], &problem["end"]), (&0.into(), &1.into()));
    assert_eq!(problem["kafka_error"], "OFFSET_OUT_OF_RANGE");
    node.get("/?offset=18446744073709551615").problem(404, "offset-out-of-range");
    node.get("/?offset=-1").problem(400, "unreadable-request");
    node.get("/").problem(400, "unreadable-request");
    node.post("/", r#"{"record":{"value":"%%"}}"#).problem(422, "invalid-request");
    node.post("/", r#"{"value":"aGk="}"#).problem(422, "invalid-request");
    let problem = node.post("/", "{\n\"record\": nonsense}").problem(400, "unreadable-request");
    assert!(problem["detail"].as_str().unwrap().contains("line 2"), "{problem}");
    node.request("GET", "/").body(r#"{"offset":-1}"#).send().problem(422, "invalid-request");
}

#[test]
fn a_browser_gets_a_page() {
    let node = Node::start();
    let page = node.request("GET", "/").header("accept", "text/html,*/*;q=0.8").send();
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/plain; charset=utf-8")));
    assert!(page.body.contains("node 1 of cluster"), "{}", page.body);
}
