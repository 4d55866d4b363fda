//! `Produce`: one record, one answer.

use super::appends::{Appended, Round, Wish};
use super::error::Refusal;
use super::permit::Permit;
use super::target::{self, Turns};
use crate::broker::{Acks, Broker};
use crate::proto::log::{Acks as WantedAcks, ProduceRequest, ProduceResponse, Record};

pub(super) async fn produce(
    broker: &Broker,
    permit: &Permit,
    turns: &Turns,
    request: ProduceRequest,
) -> Result<ProduceResponse, Refusal> {
    let mut round = Round::default();
    take(broker, permit, turns, (&mut round, &request)).await?;
    let settled = round.begin(broker).await.settled().await;
    match settled.records().next() {
        Some((Ok(appended), index)) => Ok(answer(appended, index, !request.topic.is_empty())),
        Some((Err(refusal), _)) => Err(refusal.clone()),
        None => unreachable!("a round without the record that it took"),
    }
}

/// Adds the record of a request to a round.
pub(super) async fn take(
    broker: &Broker,
    permit: &Permit,
    turns: &Turns,
    (round, request): (&mut Round, &ProduceRequest),
) -> Result<(), Refusal> {
    let record = record(request)?;
    let topic = target::topic_to_write(broker, permit, &request.topic).await?;
    let wish = Wish {
        topic: &topic,
        is_named: !request.topic.is_empty(),
        partition: request.partition,
        acks: acks(request.acks)?,
    };
    round.add(broker, turns, wish, record)
}

fn record(request: &ProduceRequest) -> Result<&Record, Refusal> {
    request.record.as_ref().ok_or_else(|| Refusal::invalid("the request has no record"))
}

pub(super) fn acks(wanted: i32) -> Result<Acks, Refusal> {
    match WantedAcks::try_from(wanted) {
        Ok(WantedAcks::All) => Ok(Acks::All),
        Ok(WantedAcks::Leader) => Ok(Acks::Leader),
        Ok(WantedAcks::None) => Ok(Acks::None),
        Err(_) => Err(Refusal::invalid(format!("acks {wanted} are none of those that there are"))),
    }
}

/// The answer to the `index`th record of a batch.
pub(super) fn answer(batch: &Appended, index: u32, is_named: bool) -> ProduceResponse {
    let offset = batch.base.map(|base| base.plus(i64::from(index)).0);
    ProduceResponse {
        offset: offset.and_then(|offset| u64::try_from(offset).ok()).unwrap_or(0),
        topic: if is_named { batch.topic.name.to_string() } else { String::new() },
        partition: batch.partition,
        log_append_time: batch.log_append_time,
        unacknowledged: batch.base.is_none(),
    }
}
