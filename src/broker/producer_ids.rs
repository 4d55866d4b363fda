//! Producer ids for idempotent producers: taken from the metadata log in blocks (KIP-730).

use tokio::sync::Mutex;

use super::controller::{Nothing, Verb};
use super::{Broker, BrokerError};
use crate::cluster::{Command, ProducerIdsTaken};

/// Ids taken at a time; those not given out when the node stops are never used.
const BLOCK: i64 = 1000;

/// What is left of this node's block: next, and end (exclusive).
#[derive(Debug, Default)]
pub(super) struct ProducerIds(Mutex<(i64, i64)>);

impl Broker {
    /// A producer id that was never given out, and its first epoch.
    pub async fn init_producer_id(&self) -> Result<(i64, i16), BrokerError> {
        let mut block = self.0.producer_ids.0.lock().await;
        if block.0 == block.1 {
            let first = self.by_controller(Verb::TakeProducerIds(Nothing {})).await?;
            let first = <[u8; 8]>::try_from(first).map(i64::from_be_bytes);
            let first = first.map_err(|bytes| BrokerError::ControllerRefused {
                reason: format!("a block of producer ids of {} bytes", bytes.len()),
            })?;
            *block = (first, first + BLOCK);
        }
        let id = block.0;
        block.0 += 1;
        Ok((id, 0))
    }

    /// The controller's part: the first id of a block that nobody else has.
    pub(super) async fn take_producer_ids(&self) -> Result<i64, BrokerError> {
        let _only_one = self.control().await?;
        let first = self.image().next_producer_id;
        let taken = Command::ProducerIdsTaken(ProducerIdsTaken { next: first + BLOCK });
        self.change_metadata(vec![taken]).await?;
        Ok(first)
    }
}
