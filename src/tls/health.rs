//! From when until when a certificate is good, and whether that is worth a warning. Never a refusal: a node with an expired
//! certificate still serves those who do not check, and its doors without TLS.

const DAY: i64 = 86_400;
/// A certificate that lives for long is warned about so early, in seconds.
const WARN_AT_MOST: i64 = 14 * DAY;
/// One that lives for days or hours, when this part of its life is left: who renews by machine does it earlier.
const WARN_AT_LAST_PART: i64 = 5;

/// Seconds since 1970, both inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    pub not_before: i64,
    pub not_after: i64,
}

/// How a certificate of our own stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    Good,
    /// Nobody takes it yet; or a clock is wrong.
    NotYetValid {
        from: i64,
    },
    /// Good, but it should have been renewed by now.
    ExpiresSoon {
        at: i64,
    },
    /// Nobody takes it any more.
    Expired {
        at: i64,
    },
}

impl Validity {
    /// While both are good.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            not_before: self.not_before.max(other.not_before),
            not_after: self.not_after.min(other.not_after),
        }
    }

    /// At `now`, in seconds since 1970.
    pub fn health(self, now: i64) -> Health {
        let life = self.not_after.saturating_sub(self.not_before);
        let warn_before = (life / WARN_AT_LAST_PART).min(WARN_AT_MOST);
        if now > self.not_after {
            Health::Expired { at: self.not_after }
        } else if now < self.not_before {
            Health::NotYetValid { from: self.not_before }
        } else if now > self.not_after.saturating_sub(warn_before) {
            Health::ExpiresSoon { at: self.not_after }
        } else {
            Health::Good
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_comes_two_weeks_before_the_end_or_in_the_last_fifth_of_a_short_life() {
        let year = Validity { not_before: 0, not_after: 365 * DAY };
        assert_eq!(year.health(-1), Health::NotYetValid { from: 0 });
        assert_eq!(year.health(0), Health::Good);
        assert_eq!(year.health(351 * DAY), Health::Good);
        assert_eq!(year.health(351 * DAY + 1), Health::ExpiresSoon { at: 365 * DAY });
        assert_eq!(year.health(365 * DAY), Health::ExpiresSoon { at: 365 * DAY });
        assert_eq!(year.health(365 * DAY + 1), Health::Expired { at: 365 * DAY });
        let hour = Validity { not_before: 0, not_after: 3600 };
        assert_eq!(hour.health(2880), Health::Good);
        assert_eq!(hour.health(2881), Health::ExpiresSoon { at: 3600 });
    }

    #[test]
    fn a_chain_is_good_while_all_of_it_is() {
        let (leaf, issuer) =
            (Validity { not_before: 5, not_after: 50 }, Validity { not_before: 1, not_after: 40 });
        assert_eq!(leaf.and(issuer), Validity { not_before: 5, not_after: 40 });
    }
}
