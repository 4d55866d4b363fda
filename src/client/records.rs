//! The record batches of a Fetch answer, one after the other.

use std::borrow::Cow;

use crate::model::compression::CompressionError;
use crate::model::record::{RecordError, Records};
use crate::model::{BatchError, BatchHeader};

/// As a broker of Bateau's allows at most; others are not meant to exceed it either.
const UNPACKED_MAX: usize = 512 << 20;
/// The header before the records.
const HEADER_LEN: usize = crate::model::batch::HEADER_LEN;

/// Why fetched bytes cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    #[error("the batch at offset {offset}: {source}")]
    Batch { offset: i64, source: BatchError },
    #[error("the batch at offset {offset}: {source}")]
    Packed { offset: i64, source: CompressionError },
    #[error("the batch at offset {offset}: {source}")]
    Record { offset: i64, source: RecordError },
}

/// One whole batch.
#[derive(Clone, Copy, Debug)]
pub struct FetchedBatch<'a> {
    pub header: BatchHeader,
    body: &'a [u8],
}

impl<'a> FetchedBatch<'a> {
    /// Its records as they stand in the batch, unpacked; [`FetchedBatch::records`] reads them.
    ///
    /// # Errors
    /// [`RecordsError::Packed`] if they are damaged, or unpack to more than 512 MiB.
    pub fn unpacked(&self) -> Result<Cow<'a, [u8]>, RecordsError> {
        let offset = self.header.base_offset.0;
        let codec = self.header.compression().map_err(|source| RecordsError::Batch { offset, source })?;
        codec.decompress(self.body, UNPACKED_MAX).map_err(|source| RecordsError::Packed { offset, source })
    }

    /// # Errors
    /// [`RecordsError::Record`] for an impossible count.
    pub fn records<'u>(&self, unpacked: &'u [u8]) -> Result<Records<'u>, RecordsError> {
        let offset = self.header.base_offset.0;
        let records = Records::new(unpacked, self.header.record_count);
        records.map_err(|source| RecordsError::Record { offset, source })
    }
}

/// The whole batches in `bytes`, which may end in the middle of one. Ends after the first error.
pub fn batches(bytes: &[u8]) -> impl Iterator<Item = Result<FetchedBatch<'_>, RecordsError>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.len() < HEADER_LEN {
            return None;
        }
        let header = match BatchHeader::parse(rest) {
            Ok(header) => header,
            Err(source) => {
                rest = &[];
                return Some(Err(RecordsError::Batch { offset: -1, source }));
            }
        };
        let (batch, after) = rest.split_at_checked(header.size as usize)?;
        rest = after;
        let offset = header.base_offset.0;
        if let Err(source) = header.check_crc(batch) {
            rest = &[];
            return Some(Err(RecordsError::Batch { offset, source }));
        }
        Some(Ok(FetchedBatch { header, body: &batch[HEADER_LEN..] }))
    })
}
