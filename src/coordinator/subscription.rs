//! The one thing that the coordinator reads of what members bring: which topics a consumer subscribes to.
//!
//! Needed to know which offsets of a living group are still wanted. Source: Kafka `ConsumerProtocolSubscription.json`.

use std::collections::BTreeSet;

/// The protocol type of consumers. Members of all others are opaque.
pub(super) const CONSUMER: &str = "consumer";

/// The topics of a consumer's subscription, of any version; `None` if these bytes are not one.
pub(super) fn topics(mut bytes: &[u8]) -> Option<BTreeSet<String>> {
    let version = i16::from_be_bytes(take(&mut bytes, 2)?.try_into().ok()?);
    if version < 0 {
        return None;
    }
    let count = i32::from_be_bytes(take(&mut bytes, 4)?.try_into().ok()?);
    let mut topics = BTreeSet::new();
    for _ in 0..count {
        let length = i16::from_be_bytes(take(&mut bytes, 2)?.try_into().ok()?);
        let name = take(&mut bytes, usize::try_from(length).ok()?)?;
        topics.insert(std::str::from_utf8(name).ok()?.to_owned());
    }
    Some(topics)
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_of_a_subscription_are_found_and_the_rest_is_ignored() {
        let bytes = [0, 1, 0, 0, 0, 2, 0, 1, b'a', 0, 2, b'b', b'c', 0xff, 0xff];
        assert_eq!(topics(&bytes).unwrap().into_iter().collect::<Vec<_>>(), ["a", "bc"]);
    }

    #[test]
    fn what_is_no_subscription_has_no_topics() {
        for bytes in [
            &[][..],
            &[0, 0, 0, 0],
            &[0, 0, 0x7f, 0xff, 0xff, 0xff],
            &[0, 0, 0, 0, 0, 1, 0xff, 0xff],
            b"whatever",
        ] {
            assert_eq!(topics(bytes), None, "{bytes:?}");
        }
    }
}
