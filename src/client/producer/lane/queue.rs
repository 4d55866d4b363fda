//! The batches of a lane on their way: filling, full, sealed.

use std::collections::VecDeque;

use bytes::Bytes;
use tokio::time::Instant;

use crate::client::connection::Pending;
use crate::client::{ClientError, Partition};
use crate::model::record::BatchBuilder;
use crate::wire::messages::ProduceRequest;

use super::build_error;

/// A batch that still takes records.
pub(super) struct Filling {
    pub(super) batch: BatchBuilder,
    pub(super) records: usize,
    /// Unpacked, about.
    pub(super) bytes: usize,
    /// Permits of the producer's room that its records hold.
    pub(super) held: usize,
    /// When the first record came.
    pub(super) since: Instant,
    pub(super) dues: Vec<Instant>,
}

/// A batch as it goes out.
pub(super) struct Sealed {
    pub(super) bytes: Bytes,
    pub(super) records: usize,
    pub(super) held: usize,
    pub(super) dues: Vec<Instant>,
    /// None: not sent yet, or to be sent again.
    pub(super) pending: Option<Pending<ProduceRequest>>,
}

#[derive(Default)]
pub(super) struct Queue {
    pub(super) filling: Option<Filling>,
    /// Bounded by the producer's room.
    pub(super) full: VecDeque<Filling>,
    pub(super) next_sequence: i32,
}

impl Queue {
    /// Moves what fills to what is full.
    pub(super) fn close(&mut self) {
        if let Some(filling) = self.filling.take() {
            // Sequences go on at 0 after the largest. Source: Kafka `DefaultRecordBatch.incrementSequence`.
            let count = i32::try_from(filling.records).unwrap_or(i32::MAX);
            self.next_sequence = self.next_sequence.wrapping_add(count) & i32::MAX;
            self.full.push_back(filling);
        }
    }
}

pub(super) fn seal(filling: Filling, partition: &Partition) -> Result<Sealed, ClientError> {
    let Filling { batch, records, held, dues, .. } = filling;
    let bytes = batch.build().map_err(|error| build_error(partition, &error))?;
    Ok(Sealed { bytes: bytes.into(), records, held, dues, pending: None })
}
