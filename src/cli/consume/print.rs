//! Fetched batches to standard output, record by record.

use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::client::{Fetched, FetchedBatch, RecordsError, batches};
use crate::model::record::RecordRef;

use super::format::Format;

/// A record with what its batch says about it.
#[derive(Debug)]
pub(super) struct Record<'a> {
    pub(super) topic: &'a str,
    pub(super) partition: i32,
    pub(super) offset: i64,
    /// Milliseconds since 1970.
    pub(super) timestamp: i64,
    pub(super) is_log_append_time: bool,
    pub(super) content: RecordRef<'a>,
}

#[derive(Debug)]
pub(super) struct Printer {
    out: Output,
    format: Format,
    null: Vec<u8>,
    /// Records that may still be printed.
    left: u64,
}

impl Printer {
    pub(super) fn new(out: Output, format: Format, null: Vec<u8>, max: Option<u64>) -> Self {
        Self { out, format, null, left: max.unwrap_or(u64::MAX) }
    }

    /// Whether as many records are printed as shall be.
    pub(super) fn is_full(&self) -> bool {
        self.left == 0
    }

    pub(super) fn flush(&mut self) -> Result<(), CliError> {
        self.out.flush()
    }

    /// Prints what of `fetched` lies before `until`. Returns the offset after what is done with, printed or passed over.
    ///
    /// # Errors
    /// [`CliError`] if a batch is damaged, or nobody reads any more.
    pub(super) fn print(&mut self, fetched: &Fetched, until: i64) -> Result<Option<i64>, CliError> {
        let damaged = |source| CliError::Records { subject: fetched.partition.to_string(), source };
        let mut next = None;
        for batch in batches(&fetched.bytes) {
            let batch = batch.map_err(damaged)?;
            if self.is_full() || batch.header.base_offset.0 >= until {
                break;
            }
            let printed = self.print_batch(fetched, &batch, until)?;
            next = Some(printed.map_err(damaged)?);
        }
        // What follows is printed as it comes, not when a buffer is full.
        self.out.flush()?;
        Ok(next)
    }

    /// Errors of the output outside, of the batch inside.
    fn print_batch(
        &mut self,
        fetched: &Fetched,
        batch: &FetchedBatch<'_>,
        until: i64,
    ) -> Result<Result<i64, RecordsError>, CliError> {
        let header = &batch.header;
        // What a control batch says is for brokers and transactional readers.
        if header.is_control() {
            return Ok(Ok(header.next_offset().0));
        }
        let unpacked = match batch.unpacked() {
            Ok(unpacked) => unpacked,
            Err(error) => return Ok(Err(error)),
        };
        let records = match batch.records(&unpacked) {
            Ok(records) => records,
            Err(error) => return Ok(Err(error)),
        };
        for record in records {
            let record = match record {
                Ok(record) => record,
                Err(source) => {
                    return Ok(Err(RecordsError::Record { offset: header.base_offset.0, source }));
                }
            };
            let offset = header.base_offset.0 + i64::from(record.offset_delta);
            if offset < fetched.from {
                continue;
            }
            if offset >= until || self.is_full() {
                return Ok(Ok(offset));
            }
            let is_log_append_time = header.is_log_append_time();
            let own = header.base_timestamp.wrapping_add(record.timestamp_delta);
            let record = Record {
                topic: &fetched.partition.topic,
                partition: fetched.partition.index,
                offset,
                timestamp: if is_log_append_time { header.max_timestamp } else { own },
                is_log_append_time,
                content: record,
            };
            self.format.print(&record, &self.null, &mut self.out)?;
            self.left -= 1;
        }
        Ok(Ok(header.next_offset().0))
    }
}
