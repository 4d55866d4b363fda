//! Where an effective value comes from: the topic's own override, this node's, the cluster's, the node's file, the default.
//!
//! Source: Kafka `ConfigHelper` and `DynamicBrokerConfig.brokerConfigSynonyms`, tried against a 4.3 broker.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::broker::broker_key;
use super::describe::Synonym;
use super::topic::TopicKey;

/// Values that someone set, by key.
pub type Overrides = BTreeMap<String, String>;

/// Which layer a value stands in, as `DescribeConfigs` numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigSource {
    /// `DYNAMIC_TOPIC_CONFIG`
    Topic = 1,
    /// `DYNAMIC_BROKER_CONFIG`: set for this node while it ran.
    DynamicBroker = 2,
    /// `DYNAMIC_DEFAULT_BROKER_CONFIG`: set for all nodes of the cluster.
    DynamicDefault = 3,
    /// `STATIC_BROKER_CONFIG`: given at the start of this node.
    StaticBroker = 4,
    /// `DEFAULT_CONFIG`
    Default = 5,
    /// `CLIENT_METRICS_CONFIG`
    ClientMetrics = 7,
    /// `GROUP_CONFIG`
    Group = 8,
}

impl ConfigSource {
    /// The number on the wire.
    pub const fn code(self) -> i8 {
        self as i8
    }
}

/// The broker's layers under a topic's overrides, for one node. Keys are broker keys.
#[derive(Debug, Clone, Copy)]
pub struct Layers<'a> {
    pub dynamic_broker: &'a Overrides,
    pub dynamic_default: &'a Overrides,
    pub static_broker: &'a Overrides,
}

/// A key of a chain and how many milliseconds its unit is.
struct Link {
    key: &'static str,
    ms: i64,
}

const MS: i64 = 1;
const MINUTE: i64 = 60 * 1000;
const HOUR: i64 = 60 * MINUTE;

/// Keys that say the same in different units: the first that is set counts.
static CHAINS: [&[Link]; 4] = [
    &[
        Link { key: "log.retention.ms", ms: MS },
        Link { key: "log.retention.minutes", ms: MINUTE },
        Link { key: "log.retention.hours", ms: HOUR },
    ],
    &[Link { key: "log.roll.ms", ms: MS }, Link { key: "log.roll.hours", ms: HOUR }],
    &[Link { key: "log.roll.jitter.ms", ms: MS }, Link { key: "log.roll.jitter.hours", ms: HOUR }],
    &[Link { key: "log.flush.interval.ms", ms: MS }, Link { key: "log.flush.scheduler.interval.ms", ms: MS }],
];

fn chain_of(key: &str) -> Option<&'static [Link]> {
    CHAINS.into_iter().find(|chain| chain.iter().any(|link| link.key == key))
}

impl<'a> Layers<'a> {
    /// The text in force for a broker key on its own, chains aside; `None` when it is null.
    pub fn broker_value(&self, key: &str) -> Option<&'a str> {
        let set = self.set_layers().into_iter().find_map(|(_, layer)| layer.get(key));
        set.map(String::as_str).or_else(|| broker_key(key)?.default)
    }

    /// The value in force for a topic key on a topic with these overrides; canonical where the text allows.
    pub fn topic_value(&self, key: &'static TopicKey, topic: &'a Overrides) -> Cow<'a, str> {
        if let Some(text) = topic.get(key.name) {
            return canonical(key, text);
        }
        match key.broker_key {
            Some(broker_key) => match chain_of(broker_key) {
                Some(chain) => self.chain_value(chain).map_or(Cow::Borrowed(key.default), Cow::Owned),
                None => self
                    .broker_value(broker_key)
                    .map_or(Cow::Borrowed(key.default), |text| canonical(key, text)),
            },
            None => Cow::Borrowed(key.default),
        }
    }

    /// Milliseconds of the first key of `chain` that is set or has a default; any negative time is -1.
    fn chain_value(&self, chain: &[Link]) -> Option<String> {
        let number = |text: &str| text.trim().parse::<i64>().ok();
        chain.iter().find_map(|link| {
            let ms = number(self.broker_value(link.key)?)?.saturating_mul(link.ms);
            Some(ms.max(-1).to_string())
        })
    }

    /// The synonyms of a broker key, nearest layer first, within a layer in the chain's order.
    ///
    /// Kafka leaves out what comes before the key's own first value: with only `log.retention.hours` set,
    /// `log.retention.ms` has no synonyms and counts as a default.
    pub(super) fn synonyms(&self, key: &str) -> Vec<Synonym> {
        let alone = [key];
        let names: Vec<&str> = match chain_of(key) {
            Some(chain) => chain.iter().map(|link| link.key).collect(),
            None => alone.to_vec(),
        };
        let mut synonyms = Vec::new();
        for (source, layer) in self.set_layers() {
            synonyms.extend(names.iter().filter_map(|name| Synonym::of(name, layer.get(*name)?, source)));
        }
        synonyms.extend(
            names
                .iter()
                .filter_map(|name| Synonym::of(name, broker_key(name)?.default?, ConfigSource::Default)),
        );
        let first = synonyms.iter().position(|synonym| synonym.name == key).unwrap_or(synonyms.len());
        synonyms.split_off(first)
    }

    fn set_layers(&self) -> [(ConfigSource, &'a Overrides); 3] {
        [
            (ConfigSource::DynamicBroker, self.dynamic_broker),
            (ConfigSource::DynamicDefault, self.dynamic_default),
            (ConfigSource::StaticBroker, self.static_broker),
        ]
    }
}

/// A stored text that is no longer good (another version wrote it) is shown as it stands.
fn canonical<'a>(key: &TopicKey, text: &'a str) -> Cow<'a, str> {
    key.shape.canonical(key.name, text).map_or(Cow::Borrowed(text), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::super::topic_key;
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> Overrides {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    /// The value of a topic key with nothing set but static settings.
    fn value(key: &str, settings: &[(&str, &str)]) -> String {
        let (none, settings) = (Overrides::new(), map(settings));
        let layers = Layers { dynamic_broker: &none, dynamic_default: &none, static_broker: &settings };
        layers.topic_value(topic_key(key).unwrap(), &none).into_owned()
    }

    #[test]
    fn retention_is_taken_from_the_finest_unit_that_is_set() {
        assert_eq!(value("retention.ms", &[]), "604800000");
        assert_eq!(value("retention.ms", &[("log.retention.hours", "100")]), "360000000");
        assert_eq!(
            value("retention.ms", &[("log.retention.hours", "100"), ("log.retention.minutes", "100")]),
            "6000000"
        );
        assert_eq!(
            value("retention.ms", &[("log.retention.minutes", "100"), ("log.retention.ms", "7")]),
            "7"
        );
    }

    #[test]
    fn any_negative_retention_is_forever() {
        assert_eq!(value("retention.ms", &[("log.retention.hours", "-1")]), "-1");
        assert_eq!(value("retention.ms", &[("log.retention.ms", "-2")]), "-1");
    }

    #[test]
    fn rolling_jitter_and_flushing_have_chains_too() {
        assert_eq!(value("segment.ms", &[("log.roll.hours", "50")]), "180000000");
        assert_eq!(value("segment.jitter.ms", &[("log.roll.jitter.hours", "1")]), "3600000");
        assert_eq!(value("flush.ms", &[("log.flush.scheduler.interval.ms", "9")]), "9");
        assert_eq!(value("flush.ms", &[]), "9223372036854775807");
    }

    #[test]
    fn the_nearest_layer_counts() {
        let topic = map(&[("segment.bytes", "0002097152")]);
        let (node, cluster) =
            (map(&[("log.segment.bytes", "3000000")]), map(&[("log.segment.bytes", "2000000")]));
        let file = map(&[("log.segment.bytes", "4000000")]);
        let none = Overrides::new();
        let key = topic_key("segment.bytes").unwrap();
        let mut layers = Layers { dynamic_broker: &node, dynamic_default: &cluster, static_broker: &file };
        assert_eq!(layers.topic_value(key, &topic), "2097152");
        assert_eq!(layers.topic_value(key, &none), "3000000");
        layers.dynamic_broker = &none;
        assert_eq!(layers.topic_value(key, &none), "2000000");
        layers.dynamic_default = &none;
        assert_eq!(layers.topic_value(key, &none), "4000000");
        layers.static_broker = &none;
        assert_eq!(layers.topic_value(key, &none), "1073741824");
    }

    #[test]
    fn the_default_of_a_topic_key_is_what_the_brokers_defaults_come_to() {
        for key in super::super::TOPIC_KEYS {
            assert_eq!(value(key.name, &[]), key.default, "{}", key.name);
        }
    }

    #[test]
    fn a_stored_value_that_is_no_longer_good_is_shown_as_it_stands() {
        assert_eq!(value("segment.bytes", &[("log.segment.bytes", "5")]), "5");
    }
}
