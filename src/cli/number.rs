//! Counts as rates and as text for people.

use std::time::Duration;

/// A count as a number to calculate with.
#[expect(
    clippy::cast_precision_loss,
    reason = "what is counted here is only shown, and stays far below 2^52"
)]
pub(super) fn real(count: u64) -> f64 {
    count as f64
}

pub(super) fn per_second(count: u64, took: Duration) -> f64 {
    /// Nothing that is measured takes less.
    const SHORTEST: f64 = 1e-6;
    real(count) / took.as_secs_f64().max(SHORTEST)
}

/// 1,234,567.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_have_commas() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
