//! When a call has to be over: the client's `grpc-timeout`.
//!
//! The server ends calls of one answer by it; streams have to look themselves.

use std::time::Duration;

use tokio::time::Instant;
use tonic::metadata::MetadataMap;

/// Stands for none; also more than this is none.
const FOR_EVER: Duration = Duration::from_hours(24 * 365);
/// Digits that a timeout has at most. Source: gRPC over HTTP/2.
const DIGITS_MAX: usize = 8;

/// The deadline; far away if the client gave none, or one that cannot be read.
pub(super) fn of(metadata: &MetadataMap) -> Instant {
    let given = metadata.get("grpc-timeout").and_then(|value| value.to_str().ok()).and_then(timeout);
    Instant::now() + given.unwrap_or(FOR_EVER).min(FOR_EVER)
}

fn timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > DIGITS_MAX || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_has_digits_and_a_unit() {
        assert_eq!(timeout("250m"), Some(Duration::from_millis(250)));
        assert_eq!(timeout("99999999H"), Some(Duration::from_hours(99_999_999)));
        for wrong in ["", "S", "+1S", "123456789n", "1x", "1é", "é"] {
            assert_eq!(timeout(wrong), None, "{wrong}");
        }
    }
}
