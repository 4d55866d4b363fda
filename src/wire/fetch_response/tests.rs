//! Compares with the encoding of the protocol crate at every version.

use bytes::Bytes;
use kafka_protocol::messages::fetch_response as crates;
use kafka_protocol::messages::{BrokerId, FetchResponse as CrateResponse, ProducerId, TopicName};
use kafka_protocol::protocol::Encodable;

use super::*;

#[derive(Debug)]
struct Slice(Bytes);
impl Lent for Slice {
    fn size(&self) -> usize {
        self.0.len()
    }
}

/// A small generator, so that a failing case can be repeated.
struct Dice(u64);
impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
    fn number(&mut self) -> i64 {
        self.roll(1 << 30).cast_signed() - 1
    }
    fn code(&mut self) -> i16 {
        i16::try_from(self.roll(130)).unwrap() - 1
    }
    fn small(&mut self) -> i32 {
        i32::try_from(self.roll(1000)).unwrap()
    }
}

fn partition(dice: &mut Dice, version: i16) -> PartitionData<Slice> {
    let fill = |dice: &mut Dice, sides| Bytes::from(vec![7u8; usize::try_from(dice.roll(sides)).unwrap()]);
    let runs = (0..dice.roll(4)).map(|_| Slice(fill(dice, 40_000))).collect();
    PartitionData {
        index: dice.small(),
        error_code: dice.code(),
        high_watermark: dice.number(),
        last_stable_offset: dice.number(),
        log_start_offset: if version >= 5 { dice.number() } else { -1 },
        aborted: (dice.roll(3) > 0)
            .then(|| (0..dice.roll(3)).map(|_| (dice.number(), dice.number())).collect()),
        preferred_read_replica: if version >= 11 { dice.small() } else { -1 },
        diverging: (version >= 12 && dice.roll(2) == 0).then(|| (dice.small(), dice.number())),
        current_leader: (version >= 12 && dice.roll(2) == 0).then(|| (dice.small(), dice.small())),
        runs,
    }
}

fn response(dice: &mut Dice, version: i16) -> FetchResponse<Slice> {
    let endpoint = |dice: &mut Dice| NodeEndpoint {
        node_id: dice.small(),
        host: StrBytes::from_static_str("host-é"),
        port: dice.small(),
        rack: (dice.roll(2) == 0).then(|| StrBytes::from_static_str("rack")),
    };
    let topic = |dice: &mut Dice| FetchedTopic {
        name: StrBytes::from_string("t".repeat(1 + usize::try_from(dice.roll(249)).unwrap())),
        id: Uuid::from_u128(u128::from(dice.roll(1 << 31))),
        partitions: (0..dice.roll(4)).map(|_| partition(dice, version)).collect(),
    };
    FetchResponse {
        error_code: if version >= 7 { dice.code() } else { 0 },
        session_id: if version >= 7 { dice.small() } else { 0 },
        topics: (0..dice.roll(4)).map(|_| topic(dice)).collect(),
        node_endpoints: if version >= 16 {
            (0..dice.roll(3)).map(|_| endpoint(dice)).collect()
        } else {
            Vec::new()
        },
    }
}

fn as_the_crate_has_it(ours: &FetchResponse<Slice>, version: i16) -> CrateResponse {
    let partition = |p: &PartitionData<Slice>| {
        let mut out = crates::PartitionData::default()
            .with_partition_index(p.index)
            .with_error_code(p.error_code)
            .with_high_watermark(p.high_watermark)
            .with_last_stable_offset(p.last_stable_offset)
            .with_log_start_offset(p.log_start_offset)
            .with_preferred_read_replica(BrokerId(p.preferred_read_replica))
            .with_records(Some(p.runs.iter().flat_map(|run| run.0.to_vec()).collect::<Vec<_>>().into()))
            .with_aborted_transactions(p.aborted.as_ref().map(|list| {
                let one = |(id, offset): &(i64, i64)| {
                    crates::AbortedTransaction::default()
                        .with_producer_id(ProducerId(*id))
                        .with_first_offset(*offset)
                };
                list.iter().map(one).collect()
            }));
        if let Some((epoch, end)) = p.diverging {
            out.diverging_epoch = crates::EpochEndOffset::default().with_epoch(epoch).with_end_offset(end);
        }
        if let Some((node, epoch)) = p.current_leader {
            out.current_leader =
                crates::LeaderIdAndEpoch::default().with_leader_id(BrokerId(node)).with_leader_epoch(epoch);
        }
        out
    };
    let topic = |t: &FetchedTopic<Slice>| {
        let out = crates::FetchableTopicResponse::default()
            .with_partitions(t.partitions.iter().map(partition).collect());
        if version >= 13 { out.with_topic_id(t.id) } else { out.with_topic(TopicName(t.name.clone())) }
    };
    let endpoint = |n: &NodeEndpoint| {
        crates::NodeEndpoint::default()
            .with_node_id(BrokerId(n.node_id))
            .with_host(n.host.clone())
            .with_port(n.port)
            .with_rack(n.rack.clone())
    };
    CrateResponse::default()
        .with_error_code(ours.error_code)
        .with_session_id(ours.session_id)
        .with_responses(ours.topics.iter().map(topic).collect())
        .with_node_endpoints(ours.node_endpoints.iter().map(endpoint).collect())
}

#[test]
fn every_version_is_encoded_as_the_protocol_crate_encodes_it() {
    let mut dice = Dice(20_260);
    for version in 4..=18 {
        for case in 0..50 {
            let ours = response(&mut dice, version);
            let mut wanted = BytesMut::new();
            as_the_crate_has_it(&ours, version).encode(&mut wanted, version).unwrap();
            let to = ReplyTo { correlation_id: 1, version, header_version: i16::from(version >= 12) };
            let header = if version >= 12 { 9 } else { 8 };
            let (head, tail) = ours.into_frame(to).into_parts();
            let mut bytes = head.to_vec();
            for chunk in tail {
                let (Chunk::Bytes(more) | Chunk::Lent(Slice(more))) = chunk;
                bytes.extend_from_slice(&more);
            }
            let size = u32::try_from(bytes.len() - 4).unwrap().to_be_bytes();
            assert_eq!(bytes[..4], size, "version {version} case {case}");
            assert!(bytes[header..] == wanted[..], "version {version} case {case}");
        }
    }
}

#[test]
fn a_partition_without_records_has_length_zero_and_not_null() {
    let topic = FetchedTopic {
        name: StrBytes::from_static_str("t"),
        id: Uuid::nil(),
        partitions: vec![PartitionData::<Slice>::refused(0, 3)],
    };
    let response =
        FetchResponse { error_code: 0, session_id: 0, topics: vec![topic], node_endpoints: Vec::new() };
    let (head, tail) =
        response.into_frame(ReplyTo { correlation_id: 1, version: 4, header_version: 0 }).into_parts();
    assert!(tail.is_empty());
    assert!(head.ends_with(&[0, 0, 0, 0]));
}
