//! When a disk counts as full: before it is.

use super::error::StorageError;

/// Bytes that appends leave free, so that votes, snapshots and deletions always find room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskWatermark {
    pub reserve_bytes: u64,
}

impl DiskWatermark {
    /// Whether appends may go on with `free` bytes left, as the caller sampled them.
    ///
    /// # Errors
    /// [`StorageError::DiskLow`] below the reserve.
    pub fn check(&self, free: u64) -> Result<(), StorageError> {
        if free < self.reserve_bytes {
            return Err(StorageError::DiskLow { free, reserve: self.reserve_bytes });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_low_one_byte_below_its_reserve() {
        let mark = DiskWatermark { reserve_bytes: 100 };
        assert!(mark.check(100).is_ok());
        assert!(matches!(mark.check(99), Err(StorageError::DiskLow { free: 99, reserve: 100 })));
    }
}
