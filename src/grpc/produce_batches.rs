//! `ProduceBatches`: many records in few messages, and one answer.

use std::collections::BTreeMap;

use tokio::sync::watch;
use tonic::{Status, Streaming};

use super::appends::{Appended, InFlight, Round, Settled, Wish};
use super::error::Refusal;
use super::log::LogService;
use super::permit::Permit;
use super::server::stopped;
use super::{produce, target};
use crate::broker::Acks;
use crate::model::{PartitionId, TopicId};
use crate::proto::log::{OffsetRange, ProduceBatchesRequest, ProduceBatchesResponse};

/// What was acknowledged so far.
#[derive(Debug, Default)]
struct Tally {
    ranges: BTreeMap<(TopicId, PartitionId), OffsetRange>,
    records: u64,
}

pub(super) async fn produce_batches(
    service: &LogService,
    permit: &Permit,
    mut requests: Streaming<ProduceBatchesRequest>,
) -> Result<ProduceBatchesResponse, Status> {
    let mut stopping: watch::Receiver<bool> = service.stopping.clone();
    let mut in_flight = InFlight::default();
    let mut tally = Tally::default();
    let mut is_read = false;
    while !is_read || !in_flight.is_empty() {
        let may_read = !is_read && in_flight.has_room();
        let went = tokio::select! {
            settled = in_flight.next() => tally.add(&settled),
            request = requests.message(), if may_read => {
                let request = request?;
                is_read = request.is_none();
                match request {
                    Some(request) => begin(service, permit, &mut in_flight, request).await,
                    None => Ok(()),
                }
            }
            () = stopped(&mut stopping) => Err(Refusal::closing()),
        };
        went.map_err(|refusal| refusal.with("acknowledged", &tally.records))?;
    }
    let mut ranges: Vec<OffsetRange> = tally.ranges.into_values().collect();
    ranges.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
    Ok(ProduceBatchesResponse { ranges, records: tally.records })
}

/// Sends the records of a message on their way.
async fn begin(
    service: &LogService,
    permit: &Permit,
    in_flight: &mut InFlight,
    request: ProduceBatchesRequest,
) -> Result<(), Refusal> {
    let LogService { broker, turns, .. } = service;
    let topic = target::topic_to_write(broker, permit, &request.topic).await?;
    let acks = match produce::acks(request.acks)? {
        Acks::None | Acks::Leader => Acks::Leader,
        Acks::All => Acks::All,
    };
    let wish =
        Wish { topic: &topic, is_named: !request.topic.is_empty(), partition: request.partition, acks };
    let mut round = Round::default();
    for record in &request.records {
        round.add(broker, turns, wish, record)?;
        if round.is_full() {
            in_flight.push(std::mem::take(&mut round).begin(broker).await);
        }
    }
    if !round.is_empty() {
        in_flight.push(round.begin(broker).await);
    }
    Ok(())
}

impl Tally {
    /// # Errors
    /// The first failure; what was acknowledged beside it counts.
    fn add(&mut self, settled: &Settled) -> Result<(), Refusal> {
        settled.batches.iter().flatten().for_each(|batch| self.add_batch(batch));
        match settled.batches.iter().find_map(|batch| batch.as_ref().err()) {
            Some(refusal) => Err(refusal.clone()),
            None => Ok(()),
        }
    }

    fn add_batch(&mut self, batch: &Appended) {
        let records = u64::from(batch.records);
        let first = batch.base.and_then(|base| u64::try_from(base.0).ok()).unwrap_or(0);
        let last = first + records.saturating_sub(1);
        self.records += records;
        let key = (batch.topic.id, batch.partition);
        let range = self.ranges.entry(key).or_insert_with(|| OffsetRange {
            topic: batch.topic.name.to_string(),
            partition: batch.partition,
            first_offset: first,
            last_offset: last,
            records: 0,
        });
        range.first_offset = range.first_offset.min(first);
        range.last_offset = range.last_offset.max(last);
        range.records += records;
    }
}
