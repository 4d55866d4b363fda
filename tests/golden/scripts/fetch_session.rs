//! Incremental fetch sessions. Source: KIP-227; Kafka `FetchSession`, `FetchMetadata`.

use kafka_protocol::messages::FetchRequest;
use kafka_protocol::messages::fetch_request::{FetchTopic, ForgottenTopic};

use super::fetch::{of_topic, partition, request};
use super::produce;
use crate::batch::Batch;
use crate::session::{NOBODY, Session, Topic};

/// The epoch that ends a session, or asks for none.
const FINAL_EPOCH: i32 = -1;
/// An id that a broker hardly gives.
const UNKNOWN_SESSION: i32 = 0x7fff_fff1;

fn within(s: &Session, (id, epoch): (i32, i32), topics: Vec<FetchTopic>) -> FetchRequest {
    request(s, topics).with_session_id(id).with_session_epoch(epoch)
}

fn fill(s: &mut Session, topic: &Topic, index: i32) -> Result<(), String> {
    let records = Batch::of(s.time(0), &["x"]).encode();
    let data = produce::to_topic(s, topic, vec![(index, Some(records))]);
    s.ask(&produce::request(-1, vec![data])).map(drop)
}

fn forget(s: &Session, topic: &Topic, index: i32) -> ForgottenTopic {
    let forgotten = ForgottenTopic::default().with_partitions(vec![index]);
    if s.version >= 13 { forgotten.with_topic_id(topic.id) } else { forgotten.with_topic(topic.name.clone()) }
}

pub(crate) fn sessions(s: &mut Session) -> Result<(), String> {
    let a = s.topic("a", 3, &[])?;
    fill(s, &a, 0)?;
    let both = of_topic(s, &a, vec![partition(0, 0), partition(1, 0)]);
    let id = s.step("new", &within(s, (0, 0), vec![both]))?.session_id;
    let moved = of_topic(s, &a, vec![partition(0, 1)]);
    s.step("the_read_partition_moves_on", &within(s, (id, 1), vec![moved]))?;
    s.step("nothing_new", &within(s, (id, 2), Vec::new()))?;
    fill(s, &a, 1)?;
    s.step("one_changed", &within(s, (id, 3), Vec::new()))?;
    s.step("not_moved_on_so_it_comes_again", &within(s, (id, 4), Vec::new()))?;
    let moved = of_topic(s, &a, vec![partition(1, 1)]);
    s.step("moved_on", &within(s, (id, 5), vec![moved]))?;
    let added = of_topic(s, &a, vec![partition(2, 0)]);
    s.step("a_partition_is_added", &within(s, (id, 6), vec![added]))?;
    let forgotten = vec![forget(s, &a, 1)];
    s.step("one_is_forgotten", &within(s, (id, 7), Vec::new()).with_forgotten_topics_data(forgotten))?;
    fill(s, &a, 1)?;
    fill(s, &a, 2)?;
    s.step("the_forgotten_one_does_not_come", &within(s, (id, 8), Vec::new()))?;
    s.step("wrong_epoch", &within(s, (id, 20), Vec::new()))?;
    s.step("the_right_epoch_still_works", &within(s, (id, 9), Vec::new()))?;
    s.step("an_epoch_again", &within(s, (id, 9), Vec::new()))?;
    let ill = of_topic(s, &a, vec![partition(2, 99)]);
    s.step("error_in_a_session", &within(s, (id, 10), vec![ill]))?;
    s.step("error_in_a_session_again", &within(s, (id, 11), Vec::new()))?;
    unknown(s, &a, id)
}

fn unknown(s: &mut Session, a: &Topic, id: i32) -> Result<(), String> {
    let nobody = Topic { name: s.name("nobody"), id: NOBODY };
    let strange = of_topic(s, &nobody, vec![partition(0, 0)]);
    s.step("unknown_topic_in_a_session", &within(s, (id, 12), vec![strange.clone()]))?;
    s.step("unknown_session", &within(s, (UNKNOWN_SESSION, 1), Vec::new()))?;
    s.step("no_session_but_an_epoch", &within(s, (0, 5), Vec::new()))?;
    let whole = of_topic(s, a, vec![partition(0, 0)]);
    s.step("closed", &within(s, (id, FINAL_EPOCH), vec![whole.clone()]))?;
    s.step("gone", &within(s, (id, 13), Vec::new()))?;
    s.step("without_a_session", &within(s, (0, FINAL_EPOCH), vec![whole.clone()]))?;
    let id = s.step("new_again", &within(s, (0, 0), vec![whole.clone()]))?.session_id;
    let next = s.step("replaced", &within(s, (id, 0), vec![whole]))?.session_id;
    s.step("the_replaced_one_is_gone", &within(s, (id, 1), Vec::new()))?;
    s.step("the_new_one_works", &within(s, (next, 1), Vec::new()))?;
    s.step("the_new_one_is_closed", &within(s, (next, FINAL_EPOCH), Vec::new()))?;
    let next = s.step("new_with_an_unknown_topic", &within(s, (0, 0), vec![strange]))?.session_id;
    s.step("closed_at_the_end", &within(s, (next, FINAL_EPOCH), Vec::new())).map(drop)
}
