//! A cache of sessions as consumers see it, with the time given.

use super::*;
use crate::wire::messages::TopicName;
use crate::wire::messages::fetch_request::ForgottenTopic;

#[derive(Debug)]
struct Bytes(usize);
impl Lent for Bytes {
    fn size(&self) -> usize {
        self.0
    }
}

fn topic(partitions: &[i32]) -> Vec<FetchTopic> {
    let one = |partition: &i32| FetchPartition::default().with_partition(*partition);
    let name = TopicName(StrBytes::from_static_str("t"));
    vec![FetchTopic::default().with_topic(name).with_partitions(partitions.iter().map(one).collect())]
}

fn request(id: i32, epoch: i32, partitions: &[i32]) -> FetchRequest {
    let topics = if partitions.is_empty() { Vec::new() } else { topic(partitions) };
    FetchRequest::default().with_session_id(id).with_session_epoch(epoch).with_topics(topics)
}

fn answer(index: i32, high_watermark: i64, bytes: usize) -> PartitionData<Bytes> {
    let mut data = PartitionData::refused(index, 0);
    data.high_watermark = high_watermark;
    data.log_start_offset = 0;
    data.runs = vec![Bytes(bytes)];
    data
}

fn key() -> TopicKey {
    TopicKey::Name(StrBytes::from_static_str("t"))
}

fn begin(sessions: &FetchSessions, partitions: &[i32]) -> i32 {
    let scoped = sessions.scope(&request(0, 0, partitions), 12, Instant::now()).unwrap();
    assert!(matches!(scoped.scope, Scope::Full));
    let answers: Vec<_> = partitions.iter().map(|index| answer(*index, 5, 0)).collect();
    sessions.begin(scoped.wanted, false, answers.iter(), Instant::now())
}

fn next(
    sessions: &FetchSessions,
    id: i32,
    epoch: i32,
    partitions: &[i32],
) -> (Arc<Mutex<Session>>, Vec<i32>) {
    let scoped = sessions.scope(&request(id, epoch, partitions), 12, Instant::now()).unwrap();
    let order = scoped.wanted.iter().map(|wanted| wanted.partition).collect();
    match scoped.scope {
        Scope::Incremental(session) => (session, order),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_incremental_fetch_hears_only_of_changes() {
    let sessions = FetchSessions::new(10);
    let id = begin(&sessions, &[0, 1]);
    let (session, order) = next(&sessions, id, 1, &[]);
    assert_eq!(order, [0, 1]);
    let mut session = session.lock();
    assert!(!session.is_news(&key(), &answer(0, 5, 0)));
    assert!(session.is_news(&key(), &answer(1, 6, 0)));
    assert!(!session.is_news(&key(), &answer(1, 6, 0)));
    let failed = PartitionData::<Bytes>::refused(0, 3);
    assert!(session.is_news(&key(), &failed) && session.is_news(&key(), &failed));
    assert!(session.is_news(&key(), &answer(0, 5, 0)), "an error is taken back");
}

#[test]
fn a_partition_that_yielded_records_goes_to_the_back() {
    let sessions = FetchSessions::new(10);
    let id = begin(&sessions, &[0, 1, 2]);
    let (session, _) = next(&sessions, id, 1, &[]);
    assert!(session.lock().is_news(&key(), &answer(0, 5, 100)));
    assert_eq!(next(&sessions, id, 2, &[]).1, [1, 2, 0]);
}

#[test]
fn partitions_are_added_changed_and_forgotten() {
    let sessions = FetchSessions::new(10);
    let id = begin(&sessions, &[0, 1]);
    assert_eq!(next(&sessions, id, 1, &[2, 0]).1, [0, 1, 2]);
    let gone = ForgottenTopic::default()
        .with_topic(TopicName(StrBytes::from_static_str("t")))
        .with_partitions(vec![1, 9]);
    let scoped = sessions
        .scope(&request(id, 2, &[]).with_forgotten_topics_data(vec![gone]), 12, Instant::now())
        .unwrap();
    assert_eq!(scoped.wanted.iter().map(|w| w.partition).collect::<Vec<_>>(), [0, 2]);
}

#[test]
fn a_wrong_id_epoch_or_naming_is_refused_as_kafka_refuses_it() {
    let sessions = FetchSessions::new(10);
    let id = begin(&sessions, &[0]);
    let code = |request: &FetchRequest, version| sessions.scope(request, version, Instant::now()).err();
    assert_eq!(code(&request(id ^ 1, 1, &[]), 12), Some(ErrorCode::FetchSessionIdNotFound));
    assert_eq!(code(&request(0, 5, &[0]), 12), Some(ErrorCode::FetchSessionIdNotFound));
    assert_eq!(code(&request(id, 2, &[]), 12), Some(ErrorCode::InvalidFetchSessionEpoch));
    assert_eq!(code(&request(id, 1, &[]), 13), Some(ErrorCode::FetchSessionTopicIdError));
    assert_eq!(code(&request(id, 1, &[]), 12), None);
    assert_eq!(code(&request(id, 1, &[]), 12), Some(ErrorCode::InvalidFetchSessionEpoch));
}

#[test]
fn the_final_epoch_ends_a_session_and_the_initial_one_replaces_it() {
    let sessions = FetchSessions::new(10);
    let first = begin(&sessions, &[0]);
    assert!(sessions.scope(&request(first, -1, &[]), 12, Instant::now()).is_ok());
    assert!(sessions.scope(&request(first, 1, &[]), 12, Instant::now()).is_err());
    let second = begin(&sessions, &[0]);
    assert!(sessions.scope(&request(second, 0, &[0]), 12, Instant::now()).is_ok());
    assert!(sessions.scope(&request(second, 1, &[]), 12, Instant::now()).is_err());
}

#[test]
fn of_a_partition_named_twice_the_last_word_counts() {
    let sessions = FetchSessions::new(10);
    let mut twice = request(0, -1, &[0, 1, 0]);
    twice.topics[0].partitions[2].fetch_offset = 7;
    let wanted = sessions.scope(&twice, 12, Instant::now()).unwrap().wanted;
    assert_eq!(wanted.iter().map(|w| (w.partition, w.offset)).collect::<Vec<_>>(), [(0, 7), (1, 0)]);
}

#[test]
fn a_full_cache_gives_way_to_larger_sessions_once_old_and_to_any_when_stale() {
    let sessions = FetchSessions::new(2);
    let start = Instant::now();
    let half = start + EVICTION_AGE / 2;
    let old = start + EVICTION_AGE + Duration::from_secs(1);
    let begin = |partitions: &[i32], now| {
        let wanted = wanted(&topic(partitions), false);
        let answers: Vec<_> = partitions.iter().map(|index| answer(*index, 5, 0)).collect();
        sessions.begin(wanted, false, answers.iter(), now)
    };
    let small = begin(&[0], start);
    let large = begin(&[0, 1, 2], start);
    assert_eq!(begin(&[0, 1], start), 0, "nothing is old enough");
    assert!(sessions.scope(&request(small, 1, &[]), 12, half).is_ok());
    assert!(sessions.scope(&request(large, 1, &[]), 12, half).is_ok());
    assert_eq!(begin(&[0], old), 0, "not larger than any");
    assert_ne!(begin(&[0, 1], old), 0);
    assert!(sessions.scope(&request(small, 2, &[]), 12, old).is_err());
    assert_ne!(begin(&[0], old + EVICTION_AGE / 2), 0, "the large one is stale");
    assert!(sessions.scope(&request(large, 2, &[]), 12, old).is_err());
}
