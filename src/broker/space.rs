//! The disk watermark: appends are refused while the disk is nearly full, so that reads, deletes
//! and the next start still work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};

use super::BrokerError;
use crate::cluster::Clock;
use crate::storage::{Disk, DiskWatermark};

/// How long one look at the disk is believed, in milliseconds: others write to it, too.
const LOOK_EVERY_MS: i64 = 500;
/// How many bytes may be appended on one look: far less than the reserve.
const LOOK_EVERY_BYTES: u64 = 16 << 20;
/// Bytes that appends leave free, or a twentieth of a smaller disk.
const RESERVE_BYTES: u64 = 256 << 20;

/// See the module.
#[derive(Debug)]
pub(super) struct Space {
    disk: Arc<dyn Disk>,
    clock: Clock,
    watermark: DiskWatermark,
    looked_ms: AtomicI64,
    /// Bytes that may be appended before the next look; negative while the disk is low.
    credit: AtomicI64,
    is_low: AtomicBool,
}

impl Space {
    pub(super) fn new(disk: Arc<dyn Disk>, clock: Clock) -> Self {
        let twentieth = disk.total_bytes().unwrap_or(u64::MAX) / 20;
        let watermark = DiskWatermark { reserve_bytes: RESERVE_BYTES.min(twentieth) };
        let (looked_ms, credit) = (AtomicI64::new(i64::MIN), AtomicI64::new(0));
        Self { disk, clock, watermark, looked_ms, credit, is_low: AtomicBool::new(false) }
    }

    /// Whether `bytes` may be appended.
    ///
    /// # Errors
    /// [`BrokerError::Storage`] while there is too little space.
    pub(super) fn check(&self, bytes: usize) -> Result<(), BrokerError> {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        let (now, looked) = (self.clock.now_ms(), self.looked_ms.load(Relaxed));
        let is_fresh = now >= looked && now < looked.saturating_add(LOOK_EVERY_MS);
        if is_fresh && self.credit.fetch_sub(bytes, Relaxed) >= bytes {
            return Ok(());
        }
        self.look(now)
    }

    fn look(&self, now: i64) -> Result<(), BrokerError> {
        let Ok(free) = self.disk.free_bytes() else { return Ok(()) };
        let above = free.saturating_sub(self.watermark.reserve_bytes).min(LOOK_EVERY_BYTES);
        self.credit.store(i64::try_from(above).unwrap_or(0), Relaxed);
        self.looked_ms.store(now, Relaxed);
        let checked = self.watermark.check(free);
        let was_low = self.is_low.swap(checked.is_err(), Relaxed);
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
