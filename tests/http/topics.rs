//! Topics: made, listed, described, deleted; and what each path allows.

use super::node::Node;

#[test]
fn a_topic_is_made_listed_described_and_deleted() {
    let node = Node::start();
    let body = r#"{"name":"sky","partitions":3,"replication_factor":1,"configs":{"retention.ms":1000,"preallocate":false}}"#;
    let made = node.post("/v1/topics", body);
    assert_eq!((made.status, made.header("location")), (201, Some("/v1/topics/sky")), "{}", made.body);
    let listed = node.get("/v1/topics").ok();
    assert_eq!(listed["topics"][0], made.json());
    assert_eq!(
        (&listed["topics"][0]["partitions"], &listed["topics"][0]["replication"]),
        (&3.into(), &1.into())
    );
    let described = node.get("/v1/topics/sky").ok();
    assert_eq!(described["id"], made.json()["id"]);
    assert_eq!(described["configs"]["retention.ms"], "1000");
    assert_eq!(described["partitions"][2]["replicas"], serde_json::json!([1]));
    let partition = node.get("/v1/topics/sky/partitions/2").ok();
    assert_eq!((&partition["leader"], &partition["isr"]), (&1.into(), &serde_json::json!([1])));
    assert_eq!((&partition["log_start_offset"], &partition["high_watermark"]), (&0.into(), &0.into()));
    assert!(node.command(&["topic", "describe", "sky"], "").contains("retention.ms=1000"));
    assert_eq!(node.delete("/v1/topics/sky").status, 204);
    assert_eq!(node.get("/v1/topics").ok()["topics"], serde_json::json!([]));
}

#[test]
fn topics_that_cannot_be_are_refused_with_the_reason() {
    let node = Node::start();
    node.topic("sky", 1);
    let create = |body: &str| node.post("/v1/topics", body);
    assert_eq!(
        create(r#"{"name":"sky"}"#).problem(409, "topic-exists")["kafka_error"],
        "TOPIC_ALREADY_EXISTS"
    );
    create(r#"{"name":"a b"}"#).problem(422, "invalid-request");
    create(r#"{"name":"t","partitions":0}"#).problem(422, "invalid-request");
    create(r#"{"name":"t","replication_factor":2}"#).problem(422, "invalid-replication-factor");
    create(r#"{"name":"t","configs":{"retention.ms":"soon"}}"#).problem(422, "invalid-request");
    create(r#"{"name":"t","configs":{"retention.ms":[]}}"#).problem(422, "invalid-request");
    create(r#"{"name":"t","colour":"blue"}"#).problem(422, "invalid-request");
    create(r#"{"partitions":1}"#).problem(422, "invalid-request");
    create("").problem(400, "unreadable-request");
    node.get("/v1/topics/moon").problem(404, "unknown-topic");
    node.delete("/v1/topics/moon").problem(404, "unknown-topic");
    node.get("/v1/topics/sky/partitions/1").problem(404, "unknown-partition");
    node.get("/v1/topics/sky/partitions/-1").problem(404, "unknown-partition");
    node.get("/v1/topics/sky/partitions/first").problem(404, "not-found");
    node.get("/v1/topics/%ff").problem(400, "unreadable-request");
    node.get("/v2").problem(404, "not-found");
}

#[test]
fn every_path_of_the_document_answers_what_it_says_it_does() {
    let node = Node::start();
    let document = node.get("/openapi.json").ok();
    for (path, operations) in document["paths"].as_object().unwrap() {
        let path = path.replace("{topic}", "t").replace("{partition}", "0").replace("{group}", "g");
        let allowed = node.request("OPTIONS", &path).send();
        assert_eq!(allowed.status, 204, "{path}");
        let allow = allowed.header("allow").unwrap().to_owned();
        assert_eq!(allowed.header("access-control-allow-origin"), None);
        for method in ["GET", "HEAD", "POST", "DELETE", "PUT", "PATCH"] {
            let asked = if method == "HEAD" { "get" } else { &method.to_lowercase() };
            let is_there = operations.get(asked).is_some();
            assert_eq!(allow.split(", ").any(|one| one == method), is_there, "{method} {path}: {allow}");
            let answer = node.request(method, &path).send();
            assert_eq!(answer.status == 405, !is_there, "{method} {path}: {}", answer.status);
            if answer.status == 405 && method != "HEAD" {
                assert_eq!(answer.header("allow"), Some(allow.as_str()), "{method} {path}");
                answer.problem(405, "method-not-allowed");
            }
        }
    }
}

#[test]
fn pages_of_other_sites_may_not_write() {
    let node = Node::start();
    let post = |origin: &str| {
        node.request("POST", "/").header("origin", origin).body(r#"{"record":{"value":"aGk="}}"#).send()
    };
    for origin in ["https://elsewhere.example", "null", "http://127.0.0.1:1"] {
        post(origin).problem(403, "foreign-origin");
    }
    assert_eq!(post(&format!("http://{}", node.http.unwrap())).status, 200);
}

#[test]
fn head_is_get_without_the_body() {
    let node = Node::start();
    let (get, head) = (node.get("/v1/topics"), node.request("HEAD", "/v1/topics").send());
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), get.header("content-length"));
}

#[test]
fn types_are_agreed_on() {
    let node = Node::start();
    let accepting = |accept: &str| node.request("GET", "/v1/topics").header("accept", accept).send();
    accepting("text/html").problem(406, "not-acceptable");
    assert_eq!(accepting("text/html, */*;q=0.1").status, 200);
    let sent = node.request("POST", "/v1/topics").header("content-type", "text/plain").body("{}").send();
    sent.problem(415, "unsupported-media-type");
}
