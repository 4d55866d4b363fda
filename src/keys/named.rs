//! The keys of resources that have a name of their own: groups and subscriptions to client metrics (KIP-714).
//!
//! Kafka 4.3's own sets, defaults, limits and words. Nothing depends on their values yet, and each says so: there are
//! neither groups of the new protocols nor clients' metrics here.

use super::error::KeyError;
use super::kind::{Accepts, BOOLEAN, INT, LIST, STRING, Shape, Treatment, elements};

const NO_CONSUMER_PROTOCOL: &str = "Bateau has no groups of the consumer protocol (KIP-848) yet";
const NO_SHARE_GROUPS: &str = "Bateau has no share groups (KIP-932) yet";
const NO_STREAMS_GROUPS: &str = "Bateau has no streams groups (KIP-1071) yet";
const NO_CLIENT_METRICS: &str = "Bateau collects no metrics of clients (KIP-714) yet";

/// What a client can be recognised by. Source: Kafka `ClientMetricsConfigs`.
const CLIENT_ATTRIBUTES: [&str; 6] = [
    "client_instance_id",
    "client_id",
    "client_software_name",
    "client_software_version",
    "client_source_address",
    "client_source_port",
];
/// Bounds of `interval.ms`, both inclusive.
const INTERVAL_MS: (i64, i64) = (100, 3_600_000);

/// Which kind of resource a name is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NamedResource {
    ClientMetrics,
    Group,
}

/// A rule beyond the shape of a value.
#[derive(Debug, Clone, Copy)]
enum Rule {
    None,
    /// Limits that Kafka takes from broker keys; here they are those keys' defaults.
    Limits {
        least: Option<(i64, &'static str)>,
        most: Option<(i64, &'static str)>,
    },
    /// `earliest`, `latest`, or `by_duration:` and an ISO 8601 duration.
    OffsetReset,
    /// The time between two pushes of a client.
    PushInterval,
    /// `attribute=pattern` elements; the patterns are not looked at.
    ClientPatterns,
}

/// One key of such a resource.
#[derive(Debug, Clone, Copy)]
pub struct NamedKey {
    pub name: &'static str,
    pub shape: Shape,
    /// Canonical text.
    pub default: &'static str,
    /// The broker key whose default Kafka reports behind it.
    pub synonym: Option<&'static str>,
    pub treatment: Treatment,
    pub documentation: &'static str,
    rule: Rule,
}

/// Sorted by name.
static CLIENT_METRICS_KEYS: &[NamedKey] = &[
    NamedKey::of("interval.ms", INT, "300000", NO_CLIENT_METRICS)
        .under(Rule::PushInterval)
        .says("Milliseconds between two pushes of a client's metrics."),
    NamedKey::of("match", LIST, "", NO_CLIENT_METRICS)
        .under(Rule::ClientPatterns)
        .says("Which clients are asked, as attribute=pattern elements; none asks all."),
    NamedKey::of("metrics", LIST, "", NO_CLIENT_METRICS)
        .says("Prefixes of the names of metrics that are asked for; * is all of them."),
];

/// Sorted by name.
static GROUP_KEYS: &[NamedKey] = &[
    NamedKey::of("consumer.assignment.interval.ms", INT.at_least(0), "1000", NO_CONSUMER_PROTOCOL)
        .below("group.consumer.assignment.interval.ms")
        .at_most(15_000, "group.consumer.max.assignment.interval.ms")
        .says("Least time between two assignments of a group, in milliseconds."),
    NamedKey::of("consumer.heartbeat.interval.ms", INT.at_least(1), "5000", NO_CONSUMER_PROTOCOL)
        .below("group.consumer.heartbeat.interval.ms")
        .at_least(5_000, "group.consumer.min.heartbeat.interval.ms")
        .at_most(15_000, "group.consumer.max.heartbeat.interval.ms")
        .says("Milliseconds between two heartbeats of a member."),
    NamedKey::of("consumer.session.timeout.ms", INT.at_least(1), "45000", NO_CONSUMER_PROTOCOL)
        .below("group.consumer.session.timeout.ms")
        .at_least(45_000, "group.consumer.min.session.timeout.ms")
        .at_most(60_000, "group.consumer.max.session.timeout.ms")
        .says("Milliseconds without a heartbeat after which a member counts as gone."),
    NamedKey::of("share.assignment.interval.ms", INT.at_least(0), "1000", NO_SHARE_GROUPS)
        .below("group.share.assignment.interval.ms")
        .at_most(15_000, "group.share.max.assignment.interval.ms")
        .says("Least time between two assignments of a share group, in milliseconds."),
    NamedKey::of("share.auto.offset.reset", STRING, "latest", NO_SHARE_GROUPS)
        .below("share.auto.offset.reset")
        .under(Rule::OffsetReset)
        .says("Where a share group begins: earliest, latest, or by_duration: and an ISO 8601 duration back."),
    NamedKey::of("share.delivery.count.limit", INT.at_least(2), "5", NO_SHARE_GROUPS)
        .below("group.share.delivery.count.limit")
        .at_most(10, "group.share.max.delivery.count.limit")
        .says("How often a record is delivered to a share group at most."),
    NamedKey::of("share.heartbeat.interval.ms", INT.at_least(1), "5000", NO_SHARE_GROUPS)
        .below("group.share.heartbeat.interval.ms")
        .at_least(5_000, "group.share.min.heartbeat.interval.ms")
        .at_most(15_000, "group.share.max.heartbeat.interval.ms")
        .says("Milliseconds between two heartbeats of a share group's member."),
    NamedKey::of("share.isolation.level", ISOLATION_LEVEL, "read_uncommitted", NO_SHARE_GROUPS)
        .below("share.isolation.level")
        .says("Whether a share group sees records of transactions that are not committed."),
    NamedKey::of("share.partition.max.record.locks", INT.at_least(100), "2000", NO_SHARE_GROUPS)
        .below("group.share.partition.max.record.locks")
        .at_most(4_000, "group.share.max.partition.max.record.locks")
        .says("Records of a partition that a share group may hold at once."),
    NamedKey::of("share.record.lock.duration.ms", INT.at_least(1_000), "30000", NO_SHARE_GROUPS)
        .below("group.share.record.lock.duration.ms")
        .at_least(15_000, "group.share.min.record.lock.duration.ms")
        .at_most(60_000, "group.share.max.record.lock.duration.ms")
        .says("Milliseconds that a record is held for the member that got it."),
    NamedKey::of("share.renew.acknowledge.enable", BOOLEAN, "true", NO_SHARE_GROUPS)
        .below("share.renew.acknowledge.enable")
        .says("Whether members may renew their hold of a record."),
    NamedKey::of("share.session.timeout.ms", INT.at_least(1), "45000", NO_SHARE_GROUPS)
        .below("group.share.session.timeout.ms")
        .at_least(45_000, "group.share.min.session.timeout.ms")
        .at_most(60_000, "group.share.max.session.timeout.ms")
        .says("Milliseconds without a heartbeat after which a share group's member counts as gone."),
    NamedKey::of("streams.assignment.interval.ms", INT.at_least(0), "1000", NO_STREAMS_GROUPS)
        .below("group.streams.assignment.interval.ms")
        .at_most(15_000, "group.streams.max.assignment.interval.ms")
        .says("Least time between two assignments of a streams group, in milliseconds."),
    NamedKey::of("streams.heartbeat.interval.ms", INT.at_least(1), "5000", NO_STREAMS_GROUPS)
        .below("group.streams.heartbeat.interval.ms")
        .at_least(5_000, "group.streams.min.heartbeat.interval.ms")
        .at_most(15_000, "group.streams.max.heartbeat.interval.ms")
        .says("Milliseconds between two heartbeats of a streams group's member."),
    NamedKey::of("streams.initial.rebalance.delay.ms", INT.at_least(0), "3000", NO_STREAMS_GROUPS)
        .below("group.streams.initial.rebalance.delay.ms")
        .says("How long a new streams group waits for more members, in milliseconds."),
    NamedKey::of("streams.num.standby.replicas", INT.at_least(0), "0", NO_STREAMS_GROUPS)
        .below("group.streams.num.standby.replicas")
        .at_most(2, "group.streams.max.standby.replicas")
        .says("Standby copies of each task of a streams group."),
    NamedKey::of("streams.session.timeout.ms", INT.at_least(1), "45000", NO_STREAMS_GROUPS)
        .below("group.streams.session.timeout.ms")
        .at_least(45_000, "group.streams.min.session.timeout.ms")
        .at_most(60_000, "group.streams.max.session.timeout.ms")
        .says("Milliseconds without a heartbeat after which a streams group's member counts as gone."),
];

const ISOLATION_LEVEL: Shape = STRING.accepting(Accepts::OneOf(&["read_committed", "read_uncommitted"]));

impl NamedResource {
    /// All keys that such a resource has, sorted by name.
    pub fn keys(self) -> &'static [NamedKey] {
        match self {
            Self::ClientMetrics => CLIENT_METRICS_KEYS,
            Self::Group => GROUP_KEYS,
        }
    }

    /// # Errors
    /// If there is no such key, in the words that fit the kind.
    pub(super) fn key(self, name: &str) -> Result<&'static NamedKey, KeyError> {
        let found = self.keys().binary_search_by(|key| key.name.cmp(name));
        found.map(|at| &self.keys()[at]).map_err(|_| match self {
            Self::ClientMetrics => KeyError::UnknownClientMetricsKey { key: name.to_owned() },
            Self::Group => KeyError::UnknownGroupKey { key: name.to_owned() },
        })
    }
}

impl NamedKey {
    const fn of(name: &'static str, shape: Shape, default: &'static str, reason: &'static str) -> Self {
        let treatment = Treatment::KeptWithoutEffect(reason);
        Self { name, shape, default, synonym: None, treatment, documentation: "", rule: Rule::None }
    }

    const fn below(self, synonym: &'static str) -> Self {
        Self { synonym: Some(synonym), ..self }
    }

    const fn under(self, rule: Rule) -> Self {
        Self { rule, ..self }
    }

    const fn at_least(self, least: i64, key: &'static str) -> Self {
        self.under(Rule::Limits { least: Some((least, key)), most: None })
    }

    /// After [`Self::at_least`], if that is called.
    const fn at_most(self, most: i64, key: &'static str) -> Self {
        let least = match self.rule {
            Rule::Limits { least, .. } => least,
            Rule::None | Rule::OffsetReset | Rule::PushInterval | Rule::ClientPatterns => None,
        };
        self.under(Rule::Limits { least, most: Some((most, key)) })
    }

    const fn says(self, documentation: &'static str) -> Self {
        Self { documentation, ..self }
    }

    /// The canonical text of `value`.
    ///
    /// # Errors
    /// What Kafka would refuse, patterns of clients aside: nothing is matched with them here.
    pub fn canonical(&self, value: &str) -> Result<String, KeyError> {
        let text = self.shape.canonical(self.name, value)?;
        match self.rule {
            Rule::None => {}
            Rule::Limits { least, most } => self.check_limits(&text, least, most)?,
            Rule::OffsetReset if is_offset_reset(&text) => {}
            Rule::OffsetReset => {
                let expected = "The value must be either 'earliest', 'latest' or of the format \
                                'by_duration:<PnDTnHnMn.nS>'.";
                return Err(KeyError::InvalidValue {
                    key: self.name.to_owned(),
                    value: text,
                    expected: expected.to_owned(),
                });
            }
            Rule::PushInterval => {
                let (least, most) = INTERVAL_MS;
                if !text.parse().is_ok_and(|ms: i64| (least..=most).contains(&ms)) {
                    return Err(KeyError::PushInterval { value: text, least, most });
                }
            }
            Rule::ClientPatterns => {
                if let Some(bad) = elements(&text).into_iter().find(|element| !is_client_pattern(element)) {
                    return Err(KeyError::ClientPattern { pattern: bad.to_owned() });
                }
            }
        }
        Ok(text)
    }

    fn check_limits(
        &self,
        text: &str,
        least: Option<(i64, &'static str)>,
        most: Option<(i64, &'static str)>,
    ) -> Result<(), KeyError> {
        let number: Option<i64> = text.parse().ok();
        let beyond = |relation, limit| KeyError::Limit { key: self.name.to_owned(), relation, limit };
        match (least, most) {
            (Some((least, limit)), _) if number < Some(least) => Err(beyond("greater", limit)),
            (_, Some((most, limit))) if number > Some(most) => Err(beyond("less", limit)),
            _ => Ok(()),
        }
    }
}

fn is_client_pattern(element: &str) -> bool {
    element.split_once('=').is_some_and(|(attribute, _)| CLIENT_ATTRIBUTES.contains(&attribute.trim()))
}

fn is_offset_reset(text: &str) -> bool {
    match text.split_once(':') {
        None => matches!(text, "earliest" | "latest"),
        Some(("by_duration", duration)) => is_duration(duration),
        Some(_) => false,
    }
}

/// `PnDTnHnMn.nS`: some of the parts, in this order, none negative.
fn is_duration(text: &str) -> bool {
    let Some(parts) = text.strip_prefix('P') else { return false };
    let (days, time) = match parts.split_once('T') {
        None => (parts, None),
        Some((days, time)) => (days, Some(time)),
    };
    are_parts(days, "D")
        && time.is_none_or(|time| !time.is_empty() && are_parts(time, "HMS"))
        && !parts.is_empty()
}

/// Numbers, each with one of `units` behind it, in their order; a fraction for seconds alone.
fn are_parts(mut text: &str, units: &str) -> bool {
    let mut left = units;
    while !text.is_empty() {
        let Some(at) = text.find(|c: char| c.is_ascii_alphabetic()) else { return false };
        let (number, unit) = (&text[..at], &text[at..=at]);
        let Some(place) = left.find(unit) else { return false };
        let digits = |n: &str| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit());
        let is_good = match number.split_once('.') {
            Some((whole, fraction)) => unit == "S" && digits(whole) && digits(fraction),
            None => digits(number),
        };
        if !is_good {
            return false;
        }
        left = &left[place + 1..];
        text = &text[at + 1..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(resource: NamedResource, key: &str, value: &str) -> String {
        resource.key(key).and_then(|key| key.canonical(value)).unwrap_err().to_string()
    }

    #[test]
    fn both_tables_are_sorted_documented_and_take_their_own_defaults() {
        for resource in [NamedResource::ClientMetrics, NamedResource::Group] {
            let keys = resource.keys();
            assert!(keys.is_sorted_by(|left, right| left.name < right.name));
            for key in keys {
                assert_eq!(key.canonical(key.default).unwrap(), key.default, "{}", key.name);
                assert!(key.documentation.ends_with('.'), "{}", key.name);
                assert!(matches!(key.treatment, Treatment::KeptWithoutEffect(_)), "{}", key.name);
            }
        }
    }

    #[test]
    fn a_group_s_values_stay_within_the_brokers_limits_in_kafka_s_words() {
        let group = |key, value| refusal(NamedResource::Group, key, value);
        let session = "consumer.session.timeout.ms";
        let too_short = "consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms";
        assert_eq!(group(session, "44999"), too_short);
        let too_long =
            "consumer.session.timeout.ms must be less than or equal to group.consumer.max.session.timeout.ms";
        assert_eq!(group(session, "60001"), too_long);
        assert_eq!(
            group(session, "0"),
            "Invalid value 0 for configuration consumer.session.timeout.ms: Value must be at least 1"
        );
        assert_eq!(group("no.such", "0"), "Unknown group config name: no.such");
        assert_eq!(NamedResource::Group.key(session).unwrap().canonical(" 050000 ").unwrap(), "50000");
    }

    #[test]
    fn an_offset_reset_is_earliest_latest_or_a_duration_that_is_not_negative() {
        let key = NamedResource::Group.key("share.auto.offset.reset").unwrap();
        for good in ["earliest", "latest", "by_duration:PT1H", "by_duration:P1DT2H3M4.5S", "by_duration:P2D"]
        {
            assert!(key.canonical(good).is_ok(), "{good}");
        }
        for bad in ["", "none", "by_duration:", "by_duration:P", "by_duration:PT", "by_duration:-PT1H"] {
            assert!(key.canonical(bad).is_err(), "{bad}");
        }
        for bad in ["by_duration:PT1M1H", "by_duration:1H", "by_duration:PT1.5H", "by_duration:PTS"] {
            assert!(key.canonical(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_subscription_s_values_are_refused_in_kafka_s_words() {
        let metrics = |key, value| refusal(NamedResource::ClientMetrics, key, value);
        assert_eq!(
            metrics("interval.ms", "99"),
            "Invalid value 99 for interval.ms, interval must be between 100 and 3600000 (1 hour)"
        );
        assert_eq!(metrics("match", "client_id=a,foo=1"), "Illegal client matching pattern: foo=1");
        assert_eq!(metrics("no.such", "1"), "Unknown client metrics configuration: no.such");
        assert!(NamedResource::ClientMetrics.key("metrics").unwrap().canonical("a.b, c").is_ok());
    }
}
