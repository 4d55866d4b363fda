//! The wall clock, for the timestamps of records and times like -1h. Durations are the runtime's to measure.

/// Milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "the one place of the command line that reads the wall clock")]
pub(super) fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
