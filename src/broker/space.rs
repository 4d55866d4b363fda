//! The disk watermark: appends are refused while the disk is nearly full, so that reads, deletes
//! and the next start still work.

use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicI64, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
};

use super::BrokerError;
use crate::cluster::Clock;
use crate::storage::{Disk, DiskWatermark};

/// How long one look at the disk is believed, in milliseconds.
const LOOK_EVERY_MS: i64 = 500;

/// Bytes that appends leave free.
const RESERVE_BYTES: u64 = 256 << 20;

/// See the module.
#[derive(Debug)]
pub(super) struct Space {
    disk: Arc<dyn Disk>,
    clock: Clock,
    watermark: DiskWatermark,
    looked_ms: AtomicI64,
    is_low: AtomicBool,
}

impl Space {
    pub(super) fn new(disk: Arc<dyn Disk>, clock: Clock) -> Self {
        let watermark = DiskWatermark { reserve_bytes: RESERVE_BYTES };
        Self { disk, clock, watermark, looked_ms: AtomicI64::new(i64::MIN), is_low: AtomicBool::new(false) }
    }

    /// # Errors
    /// [`BrokerError::Storage`] while there is too little space.
    pub(super) fn check(&self) -> Result<(), BrokerError> {
        let (now, looked) = (self.clock.now_ms(), self.looked_ms.load(Acquire));
        let due = looked.saturating_add(LOOK_EVERY_MS) <= now || now < looked;
        if !due && !self.is_low.load(Relaxed) {
            return Ok(());
        }
        if due
            && self.looked_ms.compare_exchange(looked, now, AcqRel, Relaxed).is_err()
            && !self.is_low.load(Relaxed)
        {
            return Ok(());
        }
        let Ok(free) = self.disk.free_bytes() else { return Ok(()) };
        let checked = self.watermark.check(free);
        let was_low = self.is_low.swap(checked.is_err(), Release);
        match &checked {
            Err(error) if !was_low => {
                tracing::error!(%error, "appends are refused until there is space again");
            }
            Ok(()) if was_low => tracing::info!(free, "there is space again; appends go on"),
            _ => {}
        }
        checked.map_err(BrokerError::from)
    }
}
