//! Records as a Kafka 4.3.0 wrote them for a librdkafka consumer, and the older versions by their schema.

use super::*;

const GROUP_ID: &str = "g-classic";
const GROUP_RECORD_KEY: &str = "00020009672d636c6173736963";
const OFFSET_RECORD_KEY: &str = "00010009672d636c617373696300056c696e657300000000";
/// Written when the first member asked to join.
const NEW_GROUP: &str = "0003000000000000ffffffff000001a2025c1e6a00000000";
/// Written when the last member had left.
const EMPTY_GROUP: &str = "00030008636f6e73756d657200000004ffffffff000001a2025c707800000000";
const COMMIT: &str = "00040000000000000003ffffffff01000001a2025c225601001053fd0aa010aa482d854526da0cbf1d41";
/// A dynamic member that leads and a static one.
const TWO_MEMBERS: &str = concat!(
    "00030008636f6e73756d657200000002000572616e676500276d652d34316336373361302d383464612d343237312d62",
    "3332392d303936636437326464666636000001a2025c2a890000000200287374312d36376665373434642d643331642d",
    "343831632d623130622d3362316363353336636166300003737431000772646b61666b61000a2f3132372e302e302e31",
    "000493e0000017700000001500010000000100056c696e657300000000000000000000001900000000000100056c696e",
    "657300000001000000010000000000276d652d34316336373361302d383464612d343237312d623332392d3039366364",
    "37326464666636ffff00026d65000a2f3132372e302e302e31000493e0000017700000001500010000000100056c696e",
    "657300000000000000000000001900000000000100056c696e6573000000010000000000000000",
);

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digit).collect()
}

fn decoded(key: &str, value: &str) -> GroupRecord {
    GroupRecord::decode(&bytes(key), Some(&bytes(value))).unwrap().unwrap()
}

fn offset_value(value: &str) -> CommittedOffset {
    match decoded(OFFSET_RECORD_KEY, value) {
        GroupRecord::Offset { value: Some(value), .. } => value,
        other => panic!("{other:?}"),
    }
}

fn group_value(value: &[u8]) -> Result<GroupMetadata, RecordError> {
    match GroupRecord::decode(&bytes(GROUP_RECORD_KEY), Some(value))? {
        Some(GroupRecord::Group { value: Some(value), .. }) => Ok(value),
        other => panic!("{other:?}"),
    }
}

/// One member with small fields, in the layout of `version`.
fn group_of_version(version: i16) -> Vec<u8> {
    let string = |text: &str| match version {
        4 => [&[text.len() as u8 + 1], text.as_bytes()].concat(),
        _ => [&(text.len() as u16).to_be_bytes(), text.as_bytes()].concat(),
    };
    let sized = |text: &str| match version {
        4 => string(text),
        _ => [&(text.len() as u32).to_be_bytes(), text.as_bytes()].concat(),
    };
    let mut out = version.to_be_bytes().to_vec();
    out.extend([string("consumer"), 7_i32.to_be_bytes().to_vec(), string("range"), string("m")].concat());
    if version >= 2 {
        out.extend(99_i64.to_be_bytes());
    }
    out.extend(if version == 4 { vec![2] } else { 1_i32.to_be_bytes().to_vec() });
    out.extend(string("m"));
    if version >= 3 {
        out.extend(string("static"));
    }
    out.extend([string("client"), string("/host")].concat());
    if version >= 1 {
        out.extend(60_i32.to_be_bytes());
    }
    out.extend([10_i32.to_be_bytes().to_vec(), sized("sub"), sized("ass")].concat());
    if version == 4 {
        out.extend([0, 1, 5, 2, 0xff, 0xff]); // none of the member's; of the group's one that nobody knows
    }
    out
}

#[test]
fn what_kafka_wrote_is_read_and_written_again_byte_by_byte() {
    for (key, value) in [
        (GROUP_RECORD_KEY, NEW_GROUP),
        (GROUP_RECORD_KEY, EMPTY_GROUP),
        (GROUP_RECORD_KEY, TWO_MEMBERS),
        (OFFSET_RECORD_KEY, COMMIT),
    ] {
        let (written_key, written) = decoded(key, value).encode();
        assert_eq!((written_key.to_vec(), written.unwrap().to_vec()), (bytes(key), bytes(value)));
    }
}

#[test]
fn a_commit_of_kafka_has_its_offset_time_and_topic_id() {
    let value = CommittedOffset {
        offset: 3,
        leader_epoch: -1,
        metadata: String::new(),
        commit_timestamp_ms: 0x01a2_025c_2256,
        expire_timestamp_ms: None,
        topic_id: Some(Uuid::from_u128(0x53fd_0aa0_10aa_482d_8545_26da_0cbf_1d41)),
    };
    assert_eq!(offset_value(COMMIT), value);
    let (group, topic) = (GROUP_ID.to_owned(), "lines".to_owned());
    let whole = GroupRecord::Offset { group, topic, partition: 0, value: Some(value) };
    assert_eq!(decoded(OFFSET_RECORD_KEY, COMMIT), whole);
    assert_eq!(decoded(&OFFSET_RECORD_KEY.replacen("0001", "0000", 1), COMMIT), whole);
}

#[test]
fn a_group_of_kafka_has_its_members() {
    let group = group_value(&bytes(TWO_MEMBERS)).unwrap();
    assert_eq!((group.generation, group.protocol.as_deref()), (2, Some("range")));
    let [first, second] = &group.members[..] else { panic!("{group:?}") };
    assert_eq!((first.instance_id.as_deref(), &*first.client_id), (Some("st1"), "rdkafka"));
    assert_eq!((second.instance_id.as_deref(), &*second.client_host), (None, "/127.0.0.1"));
    assert_eq!((second.rebalance_timeout_ms, second.session_timeout_ms), (300_000, 6_000));
    assert_eq!(group.leader.as_ref(), Some(&second.member_id));
    let empty = group_value(&bytes(EMPTY_GROUP)).unwrap();
    assert_eq!((empty.protocol, empty.leader, empty.members), (None, None, vec![]));
}

#[test]
fn a_key_without_a_value_is_a_tombstone() {
    for key in [GROUP_RECORD_KEY, OFFSET_RECORD_KEY] {
        let record = GroupRecord::decode(&bytes(key), None).unwrap().unwrap();
        let (written, value) = record.encode();
        assert_eq!((written.to_vec(), value), (bytes(key), None));
    }
}

#[test]
fn offsets_of_every_version_are_read() {
    for (version, value) in [
        (0, "0000000000000000002a00046d6574610000000000000009".to_owned()),
        (1, "0001000000000000002a00046d65746100000000000000090000000000000064".to_owned()),
        (2, "0002000000000000002a00046d6574610000000000000009".to_owned()),
        (3, "0003000000000000002a0000000500046d6574610000000000000009".to_owned()),
        (4, "0004000000000000002a00000005056d657461000000000000000900".to_owned()),
    ] {
        let read = offset_value(&value);
        assert_eq!((read.offset, &*read.metadata, read.commit_timestamp_ms), (42, "meta", 9), "{version}");
        assert_eq!(read.leader_epoch, if version >= 3 { 5 } else { -1 }, "{version}");
        assert_eq!(read.expire_timestamp_ms, (version == 1).then_some(100), "{version}");
        assert_eq!(read.topic_id, None);
    }
}

#[test]
fn an_offset_that_expires_is_written_in_the_version_that_says_so() {
    let mut value = offset_value(COMMIT);
    (value.expire_timestamp_ms, value.metadata) = (Some(5), "why".into());
    let (group, topic) = ("g".to_owned(), "t".to_owned());
    let record = GroupRecord::Offset { group, topic, partition: 1, value: Some(value.clone()) };
    let (key, written) = record.encode();
    let written = written.unwrap();
    assert_eq!(written[..2], [0, 1]);
    value.topic_id = None;
    match GroupRecord::decode(&key, Some(&written)).unwrap() {
        Some(GroupRecord::Offset { value: Some(read), .. }) => assert_eq!(read, value),
        other => panic!("{other:?}"),
    }
}

#[test]
fn groups_of_every_version_are_read() {
    for version in 0..=4 {
        let group = group_value(&group_of_version(version)).unwrap();
        assert_eq!((&*group.protocol_type, group.generation), ("consumer", 7), "{version}");
        assert_eq!(group.state_timestamp_ms, if version >= 2 { 99 } else { -1 }, "{version}");
        let member = &group.members[0];
        assert_eq!(member.instance_id.as_deref(), (version >= 3).then_some("static"), "{version}");
        assert_eq!(member.rebalance_timeout_ms, if version >= 1 { 60 } else { 10 }, "{version}");
        assert_eq!((&member.subscription[..], &member.assignment[..]), (&b"sub"[..], &b"ass"[..]));
    }
}

#[test]
fn keys_of_other_kinds_of_groups_are_skipped() {
    for kind in [3_i16, 8, 14, 100, -1] {
        assert_eq!(GroupRecord::decode(&kind.to_be_bytes(), Some(b"anything")), Ok(None));
    }
}

#[test]
fn a_version_of_tomorrow_is_an_error_that_names_it() {
    let wrong = GroupRecord::decode(&bytes(GROUP_RECORD_KEY), Some(&[0, 5, 0, 0]));
    assert_eq!(wrong, Err(RecordError::Version { what: "GroupMetadataValue", version: 5 }));
    let wrong = GroupRecord::decode(&bytes(OFFSET_RECORD_KEY), Some(&[0xff, 0xff]));
    assert_eq!(wrong, Err(RecordError::Version { what: "OffsetCommitValue", version: -1 }));
}

#[test]
fn a_record_that_is_cut_anywhere_is_an_error() {
    let key = bytes(OFFSET_RECORD_KEY);
    for end in 0..key.len() {
        assert!(GroupRecord::decode(&key[..end], None).is_err(), "key of {end}");
    }
    let commit = bytes(COMMIT);
    for end in 0..commit.len() {
        assert!(GroupRecord::decode(&key, Some(&commit[..end])).is_err(), "offset of {end}");
    }
    for version in 0..=4 {
        let group = group_of_version(version);
        for end in 0..group.len() {
            assert!(group_value(&group[..end]).is_err(), "group {version} of {end}");
        }
    }
}

#[test]
fn counts_and_lengths_beyond_the_bytes_are_refused_before_memory_is_taken() {
    let mut group = bytes(NEW_GROUP);
    let count = group.len() - 4;
    group[count..].copy_from_slice(&i32::MAX.to_be_bytes());
    let left = RecordError::Length { field: "members", length: i64::from(i32::MAX), left: 0 };
    assert_eq!(group_value(&group), Err(left));
    group[count..].copy_from_slice(&(-1_i32).to_be_bytes());
    assert!(matches!(group_value(&group), Err(RecordError::Length { length: -1, .. })));
    // Tagged fields: more than are there, and one longer than what is left.
    let commit = bytes(COMMIT);
    for tail in [&[0xff, 0xff, 0xff, 0xff, 0x0f][..], &[0xff, 0xff, 0xff, 0xff, 0x1f], &[1, 0, 0x7f, 0]] {
        let value = [&commit[..commit.len() - 19], tail].concat();
        let read = GroupRecord::decode(&bytes(OFFSET_RECORD_KEY), Some(&value));
        assert!(matches!(read, Err(RecordError::Length { field: "tagged field", .. })), "{read:?}");
    }
}
