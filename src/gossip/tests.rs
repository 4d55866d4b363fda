//! Gossip over the real loopback: several nodes in one process.

use std::net::Ipv4Addr;

use memberlist::proto::MaybeResolvedAddress;
use tokio::net::TcpListener;
use tokio::sync::watch as signal;
use uuid::Uuid;

use super::*;

/// For everything that is awaited here; the slowest is a crash, seen after some 5 s on a quiet machine.
const DEADLINE: Duration = Duration::from_secs(20);
const KEY: [u8; 32] = [7; 32];

#[derive(Debug, Clone, PartialEq)]
enum Event {
    Join(String, Tags),
    Leave(String),
}

/// Writes down what it is told.
struct Recorder(signal::Sender<Vec<Event>>);

impl Handler for Recorder {
    fn join(&self, name: &str, tags: &Tags) {
        self.0.send_modify(|events| events.push(Event::Join(name.to_owned(), tags.clone())));
    }

    fn leave(&self, name: &str, _tags: &Tags) {
        self.0.send_modify(|events| events.push(Event::Leave(name.to_owned())));
    }
}

struct Node {
    gossip: Gossip,
    events: signal::Receiver<Vec<Event>>,
}

impl Node {
    async fn start(settings: GossipSettings, tags: Tags) -> Node {
        let (sender, events) = signal::channel(Vec::new());
        let gossip = Gossip::start(settings, tags, Arc::new(Recorder(sender))).await.unwrap();
        Node { gossip, events }
    }

    /// Waits until it was told all of `expected`, in this order and nothing else since event `from`.
    async fn hears(&mut self, from: usize, expected: &[Event]) {
        let heard = self.events.wait_for(|events| events.len() >= from + expected.len());
        assert!(timeout(DEADLINE, heard).await.is_ok(), "not heard: {expected:?}");
        assert_eq!(self.events.borrow()[from..], *expected);
    }

    /// Waits until an event is among those that it was told.
    async fn hears_of(&mut self, expected: Event) {
        let heard = self.events.wait_for(|events| events.contains(&expected));
        assert!(timeout(DEADLINE, heard).await.is_ok(), "not heard: {expected:?}");
    }

    fn knows(&self) -> Vec<String> {
        let mut names: Vec<String> = self.gossip.members().into_iter().map(|(name, _)| name).collect();
        names.sort();
        names
    }

    fn address(&self) -> String {
        self.gossip.local_addr().to_string()
    }
}

fn settings(name: &str, join: &[String]) -> GossipSettings {
    GossipSettings { name: name.to_owned(), start_join_addrs: join.to_vec(), ..GossipSettings::default() }
}

fn tags(node_id: i32) -> Tags {
    Tags {
        node_id: Some(node_id),
        directory_id: Uuid::from_u128(node_id.unsigned_abs().into()),
        cluster_id: Some(Uuid::from_u128(42)),
        rpc_addr: format!("127.0.0.1:{}", 9_000 + node_id),
        version: "0.1.0".to_owned(),
        may_form: false,
    }
}

fn join(name: &str, node_id: i32) -> Event {
    Event::Join(name.to_owned(), tags(node_id))
}

fn leave(name: &str) -> Event {
    Event::Leave(name.to_owned())
}

/// Two nodes that know each other.
async fn pair() -> (Node, Node) {
    let mut a = Node::start(settings("a", &[]), tags(1)).await;
    let mut b = Node::start(settings("b", &[a.address()]), tags(2)).await;
    a.hears(0, &[join("b", 2)]).await;
    b.hears(0, &[join("a", 1)]).await;
    (a, b)
}

#[tokio::test]
async fn three_nodes_find_each_other_through_one() {
    let (mut a, mut b) = pair().await;
    let foreign = Tags { cluster_id: Some(Uuid::from_u128(43)), ..tags(3) };
    let mut c = Node::start(settings("c", &[a.address()]), foreign.clone()).await;
    for node in [&mut a, &mut b] {
        node.hears(1, &[Event::Join("c".to_owned(), foreign.clone())]).await;
    }
    c.hears_of(join("a", 1)).await;
    c.hears_of(join("b", 2)).await;
    assert_eq!(
        (a.knows(), b.knows()),
        (vec!["b".to_owned(), "c".to_owned()], vec!["a".to_owned(), "c".to_owned()])
    );
}

#[tokio::test]
async fn an_address_that_is_not_up_yet_is_tried_again() {
    let somebody_else = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let late = somebody_else.local_addr().unwrap();
    let nowhere = "no port".to_owned();
    // By its host name; our own address is among them, as in a list that all nodes share.
    let asked = [nowhere, format!("localhost:{}", late.port()), late.to_string()];
    let mut a = Node::start(settings("a", &asked), tags(1)).await;
    drop(somebody_else.accept().await.unwrap());
    drop(somebody_else);
    let mut b =
        Node::start(GossipSettings { bind: late, ..settings("b", &[late.to_string()]) }, tags(2)).await;
    a.hears(0, &[join("b", 2)]).await;
    b.hears(0, &[join("a", 1)]).await;
}

#[tokio::test]
async fn a_change_of_tags_is_seen_as_a_join() {
    let (mut a, b) = pair().await;
    b.gossip.set_tags(tags(2)).await.unwrap();
    b.gossip.set_tags(tags(5)).await.unwrap();
    a.hears(1, &[join("b", 5)]).await;
    let long = Tags { rpc_addr: "h".repeat(600), ..tags(5) };
    let refused = b.gossip.set_tags(long.clone()).await.unwrap_err();
    assert!(matches!(refused, GossipError::TagsTooLong { .. }), "{refused}");
    let (sender, _events) = signal::channel(Vec::new());
    let refused = Gossip::start(settings("c", &[]), long, Arc::new(Recorder(sender))).await.unwrap_err();
    assert!(matches!(refused, GossipError::TagsTooLong { .. }), "{refused}");
    assert_eq!(a.gossip.members(), [("b".to_owned(), tags(5))]);
}

#[tokio::test]
async fn a_leave_is_seen_and_a_return_at_the_same_address_too() {
    let (mut a, b) = pair().await;
    let address = b.gossip.local_addr();
    b.gossip.leave(DEADLINE).await;
    a.hears(1, &[leave("b")]).await;
    assert_eq!(a.gossip.members(), []);
    let again = GossipSettings { bind: address, ..settings("b", &[a.address()]) };
    let _b = Node::start(again, tags(3)).await;
    a.hears(2, &[join("b", 3)]).await;
}

#[tokio::test]
async fn a_crash_is_seen_as_a_leave() {
    let (mut a, mut b) = pair().await;
    let mut c = Node::start(settings("c", &[a.address()]), tags(3)).await;
    a.hears(1, &[join("c", 3)]).await;
    b.hears(1, &[join("c", 3)]).await;
    c.hears_of(join("b", 2)).await;
    let start = tokio::time::Instant::now();
    c.gossip.shutdown().await;
    a.hears(2, &[leave("c")]).await;
    b.hears(2, &[leave("c")]).await;
    println!("crash seen after {:?}", start.elapsed());
}

#[tokio::test]
async fn a_node_that_comes_back_with_another_port_is_a_join_before_its_crash_is_seen() {
    let (mut a, b) = pair().await;
    b.gossip.shutdown().await;
    let start = tokio::time::Instant::now();
    let mut b = Node::start(settings("b", &[a.address()]), tags(2)).await;
    a.hears(1, &[join("b", 2)]).await;
    println!("return seen after {:?}", start.elapsed());
    b.hears(0, &[join("a", 1)]).await;
    // Its earlier start is found dead meanwhile, of which nobody hears.
    let mut c = Node::start(settings("c", &[a.address()]), tags(3)).await;
    c.hears_of(join("b", 2)).await;
    c.gossip.shutdown().await;
    a.hears(2, &[join("c", 3), leave("c")]).await;
    assert_eq!(a.knows(), ["b"]);
}

#[tokio::test]
async fn only_those_with_the_same_key_are_met() {
    let with_key = |name, key: Option<&[u8]>, join: &[String]| GossipSettings {
        key: key.map(<[u8]>::to_vec),
        ..settings(name, join)
    };
    let mut a = Node::start(with_key("a", Some(&KEY), &[]), tags(1)).await;
    let wrong = Node::start(with_key("wrong", Some(&[8; 32]), &[a.address()]), tags(8)).await;
    let none = Node::start(with_key("none", None, &[a.address()]), tags(9)).await;
    for refused in [&wrong, &none] {
        let there = MaybeResolvedAddress::Resolved(a.gossip.local_addr());
        let error = refused.gossip.list.join(there).await.unwrap_err();
        println!("refused: {error}");
    }
    let mut right = Node::start(with_key("right", Some(&KEY), &[a.address(), none.address()]), tags(2)).await;
    a.hears(0, &[join("right", 2)]).await;
    right.hears(0, &[join("a", 1)]).await;
    // The one with the key asks the one without, in vain too.
    let there = MaybeResolvedAddress::Resolved(none.gossip.local_addr());
    assert!(right.gossip.list.join(there).await.is_err());
    assert_eq!((wrong.knows(), none.knows()), (vec![], vec![]));
    assert_eq!((a.knows(), right.knows()), (vec!["right".to_owned()], vec!["a".to_owned()]));
}

#[tokio::test]
async fn settings_that_cannot_work_are_errors() {
    async fn refusal(settings: GossipSettings) -> String {
        let (sender, _events) = signal::channel(Vec::new());
        Gossip::start(settings, tags(1), Arc::new(Recorder(sender))).await.unwrap_err().to_string()
    }
    let good = || settings("a", &[]);
    let wildcard = GossipSettings { bind: "0.0.0.0:0".parse().unwrap(), ..good() };
    assert!(refusal(wildcard.clone()).await.ends_with("give the address to advertise"));
    let still_wildcard = GossipSettings { advertise: Some("0.0.0.0:7".to_owned()), ..wildcard.clone() };
    assert!(refusal(still_wildcard).await.ends_with("is a wildcard"));
    let no_port = GossipSettings { advertise: Some("localhost".to_owned()), ..wildcard.clone() };
    assert!(refusal(no_port).await.ends_with("cannot be resolved"));
    assert!(refusal(settings("", &[])).await.contains("1 to 200"));
    assert!(refusal(settings(&"n".repeat(201), &[])).await.contains("201 bytes"));
    assert!(refusal(GossipSettings { key: Some(vec![0; 31]), ..good() }).await.ends_with("not 31"));
    assert!(refusal(settings("a", &vec!["h:1".to_owned(); 65])).await.starts_with("65 addresses"));
    let taken = Node::start(good(), tags(1)).await;
    let refused = refusal(GossipSettings { bind: taken.gossip.local_addr(), ..good() }).await;
    assert!(refused.contains(&taken.address()), "{refused}");
}

#[test]
fn settings_do_not_show_their_key() {
    let shown =
        format!("{:?}", GossipSettings { key: Some(b"a secret of 16 b".to_vec()), ..settings("a", &[]) });
    assert!(shown.ends_with("key Some(\"set\"))"), "{shown}");
}

#[tokio::test]
async fn a_wildcard_bind_is_met_at_the_advertised_address() {
    let wildcard = GossipSettings {
        bind: "0.0.0.0:0".parse().unwrap(),
        advertise: Some("localhost:0".to_owned()),
        ..settings("a", &[])
    };
    let mut a = Node::start(wildcard, tags(1)).await;
    assert!(a.gossip.advertised_addr().ip().is_loopback());
    let mut b = Node::start(settings("b", &[a.gossip.advertised_addr().to_string()]), tags(2)).await;
    a.hears(0, &[join("b", 2)]).await;
    b.hears(0, &[join("a", 1)]).await;
}
