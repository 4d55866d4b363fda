//! `DescribeConfigs` over the tables: every key with its value, its source and its synonyms.
//!
//! Not here: authorisation, and leaving out what a request did not ask for (synonyms, documentation).

use std::borrow::Cow;

use super::broker::{BrokerKey, broker_key, broker_keys};
use super::kind::{ConfigType, Treatment};
use super::layers::{ConfigSource, Layers, Overrides};
use super::named::{NamedKey, NamedResource};
use super::topic::{TOPIC_KEYS, TopicKey};

/// One line of a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigEntry {
    pub name: &'static str,
    /// `None` is null: nothing set and no default.
    pub value: Option<String>,
    pub read_only: bool,
    pub is_default: bool,
    pub source: ConfigSource,
    /// Always false: no key of Bateau holds a secret. A key that does must have its value left out here.
    pub sensitive: bool,
    /// Nearest layer first.
    pub synonyms: Vec<Synonym>,
    pub config_type: ConfigType,
    pub documentation: Cow<'static, str>,
}

/// A value that stands or stood behind the one in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synonym {
    pub name: &'static str,
    pub value: String,
    pub source: ConfigSource,
}

impl Synonym {
    /// `None` if Bateau has no such broker key.
    pub(super) fn of(name: &str, value: &str, source: ConfigSource) -> Option<Self> {
        Some(Self { name: broker_key(name)?.name, value: value.to_owned(), source })
    }
}

/// Every topic key, in the table's order, for a topic with these overrides.
///
/// `filter` keeps the keys it names, each once; none or an empty one keeps all, as in Kafka.
pub fn describe_topic(layers: &Layers, topic: &Overrides, filter: Option<&[String]>) -> Vec<ConfigEntry> {
    let keys = TOPIC_KEYS.iter().filter(|key| asked_for(filter, key.name));
    keys.map(|key| topic_entry(layers, topic, key)).collect()
}

/// Every broker key as it stands on one node.
pub fn describe_broker(layers: &Layers, filter: Option<&[String]>) -> Vec<ConfigEntry> {
    let keys = broker_keys().filter(|key| asked_for(filter, key.name));
    keys.map(|key| {
        let value = layers.broker_value(key.name);
        let value = value.map(|text| key.shape.canonical(key.name, text).unwrap_or_else(|_| text.to_owned()));
        broker_entry(key, value, layers.synonyms(key.name))
    })
    .collect()
}

/// The resource with the empty name: only what is set for the whole cluster.
pub fn describe_cluster_default(dynamic_default: &Overrides, filter: Option<&[String]>) -> Vec<ConfigEntry> {
    let set = dynamic_default.iter().filter(|(name, _)| asked_for(filter, name));
    set.filter_map(|(name, value)| {
        let synonym = Synonym::of(name, value, ConfigSource::DynamicDefault)?;
        Some(broker_entry(broker_key(name)?, Some(value.clone()), vec![synonym]))
    })
    .collect()
}

/// Every key of a group or of a subscription to client metrics with these overrides.
pub fn describe_named(
    resource: NamedResource,
    overrides: &Overrides,
    filter: Option<&[String]>,
) -> Vec<ConfigEntry> {
    let source = match resource {
        NamedResource::ClientMetrics => ConfigSource::ClientMetrics,
        NamedResource::Group => ConfigSource::Group,
    };
    let keys = resource.keys().iter().filter(|key| asked_for(filter, key.name));
    keys.map(|key| named_entry(key, overrides.get(key.name), source)).collect()
}

fn named_entry(key: &'static NamedKey, set: Option<&String>, source: ConfigSource) -> ConfigEntry {
    let of_set = set.map(|value| Synonym { name: key.name, value: value.clone(), source });
    let of_default = key.synonym.map(|name| Synonym {
        name,
        value: key.default.to_owned(),
        source: ConfigSource::Default,
    });
    let synonyms: Vec<Synonym> = of_set.into_iter().chain(of_default).collect();
    let source = source_of(&synonyms);
    ConfigEntry {
        name: key.name,
        value: Some(set.map_or(key.default, String::as_str).to_owned()),
        read_only: false,
        is_default: source == ConfigSource::Default,
        source,
        sensitive: false,
        synonyms,
        config_type: key.shape.config_type,
        documentation: document(key.documentation, key.treatment),
    }
}

fn asked_for(filter: Option<&[String]>, name: &str) -> bool {
    filter.is_none_or(|names| names.is_empty() || names.iter().any(|asked| asked == name))
}

fn topic_entry(layers: &Layers, topic: &Overrides, key: &'static TopicKey) -> ConfigEntry {
    let value = layers.topic_value(key, topic).into_owned();
    let mut synonyms = Vec::new();
    if topic.contains_key(key.name) {
        synonyms.push(Synonym { name: key.name, value: value.clone(), source: ConfigSource::Topic });
    }
    synonyms.extend(key.broker_key.into_iter().flat_map(|broker_key| layers.synonyms(broker_key)));
    let source = source_of(&synonyms);
    ConfigEntry {
        name: key.name,
        value: Some(value),
        read_only: false,
        is_default: source == ConfigSource::Default,
        source,
        sensitive: false,
        synonyms,
        config_type: key.shape.config_type,
        documentation: document(key.documentation, key.treatment),
    }
}

fn broker_entry(key: &'static BrokerKey, value: Option<String>, synonyms: Vec<Synonym>) -> ConfigEntry {
    let source = source_of(&synonyms);
    ConfigEntry {
        name: key.name,
        value,
        read_only: key.read_only,
        is_default: source == ConfigSource::Default,
        source,
        sensitive: false,
        synonyms,
        config_type: key.shape.config_type,
        documentation: document(key.documentation, key.treatment),
    }
}

/// Kafka takes the source of the first synonym, even where the value came from a synonym that it left out.
fn source_of(synonyms: &[Synonym]) -> ConfigSource {
    synonyms.first().map_or(ConfigSource::Default, |synonym| synonym.source)
}

fn document(documentation: &'static str, treatment: Treatment) -> Cow<'static, str> {
    match treatment {
        Treatment::Honoured => Cow::Borrowed(documentation),
        Treatment::KeptWithoutEffect(reason) => {
            Cow::Owned(format!("{documentation} Kept without effect: {reason}."))
        }
        Treatment::Refused(reason) => {
            Cow::Owned(format!("{documentation} Only the default is taken: {reason}."))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> Overrides {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    /// What a real Kafka 4.3 was given before its answers were written down in the tests below.
    struct World {
        node: Overrides,
        cluster: Overrides,
        file: Overrides,
    }

    impl World {
        fn new() -> Self {
            Self {
                node: map(&[
                    ("log.retention.ms", "2000"),
                    ("log.roll.ms", "100000"),
                    ("log.cleanup.policy", "delete"),
                ]),
                cluster: map(&[
                    ("log.retention.ms", "1000"),
                    ("log.cleanup.policy", "compact,delete"),
                    ("log.roll.jitter.ms", "17"),
                    ("log.flush.interval.ms", "7"),
                ]),
                file: map(&[
                    ("log.retention.hours", "100"),
                    ("log.roll.hours", "50"),
                    ("node.id", "1"),
                    ("broker.id", "1"),
                ]),
            }
        }

        fn layers(&self) -> Layers<'_> {
            Layers { dynamic_broker: &self.node, dynamic_default: &self.cluster, static_broker: &self.file }
        }
    }

    /// `value source: name=value(source) ...` with sources as numbers.
    fn line(entries: &[ConfigEntry], name: &str) -> String {
        let entry = entries.iter().find(|entry| entry.name == name).unwrap();
        let synonyms =
            entry.synonyms.iter().map(|it| format!(" {}={}({})", it.name, it.value, it.source.code()));
        let value = entry.value.as_deref().unwrap_or("null");
        format!("{value} {}:{}", entry.source.code(), synonyms.collect::<String>())
    }

    #[test]
    fn an_untouched_topic_is_described_as_kafka_describes_it() {
        let none = Overrides::new();
        let layers = Layers { dynamic_broker: &none, dynamic_default: &none, static_broker: &none };
        let entries = describe_topic(&layers, &none, None);
        let mut seen = 0;
        for kafka in include_str!("testdata/topic-keys.tsv").lines().skip(1) {
            let fields: Vec<_> = kafka.split('\t').collect();
            let [_, name, default, source, mutability, sensitive, synonym, config_type] = fields[..] else {
                panic!("{kafka}")
            };
            let entry = entries.iter().find(|entry| entry.name == name).unwrap_or_else(|| panic!("{name}"));
            seen += 1;
            // The one difference: what Bateau acknowledges has been synced.
            let default = if name == "flush.messages" { "1" } else { default };
            assert_eq!(entry.value.as_deref(), Some(default), "{name}");
            assert_eq!(format!("{:?}", entry.config_type).to_uppercase(), config_type, "{name}");
            assert_eq!((source, mutability, sensitive), ("DEFAULT_CONFIG", "dynamic", ""), "{name}");
            assert!(entry.is_default && !entry.read_only && !entry.sensitive, "{name}");
            assert_eq!(entry.source, ConfigSource::Default, "{name}");
            let names: Vec<_> = entry.synonyms.iter().map(|synonym| synonym.name).collect();
            assert_eq!(names.join(","), synonym, "{name}");
            assert!(entry.synonyms.iter().all(|synonym| synonym.value == default), "{name}");
        }
        assert_eq!(seen, entries.len());
    }

    #[test]
    fn the_synonyms_of_a_topic_key_run_from_the_topic_down_to_the_default() {
        let world = World::new();
        let topic = map(&[("retention.ms", " 500 "), ("cleanup.policy", "delete,compact")]);
        let entries = describe_topic(&world.layers(), &topic, None);
        assert_eq!(
            line(&entries, "retention.ms"),
            "500 1: retention.ms=500(1) log.retention.ms=2000(2) log.retention.ms=1000(3) log.retention.hours=100(4) \
             log.retention.hours=168(5)"
        );
        assert_eq!(
            line(&entries, "cleanup.policy"),
            "delete,compact 1: cleanup.policy=delete,compact(1) log.cleanup.policy=delete(2) \
             log.cleanup.policy=compact,delete(3) log.cleanup.policy=delete(5)"
        );
    }

    #[test]
    fn a_topic_without_an_override_has_the_source_of_its_brokers_value() {
        let world = World::new();
        let entries = describe_topic(&world.layers(), &Overrides::new(), None);
        assert_eq!(
            line(&entries, "segment.ms"),
            "100000 2: log.roll.ms=100000(2) log.roll.hours=50(4) log.roll.hours=168(5)"
        );
        assert_eq!(
            line(&entries, "segment.jitter.ms"),
            "17 3: log.roll.jitter.ms=17(3) log.roll.jitter.hours=0(5)"
        );
        assert_eq!(
            line(&entries, "flush.ms"),
            "7 3: log.flush.interval.ms=7(3) log.flush.scheduler.interval.ms=9223372036854775807(5)"
        );
        assert_eq!(line(&entries, "remote.storage.enable"), "false 5:");
    }

    #[test]
    fn a_retention_in_hours_alone_counts_but_is_reported_as_a_default_without_synonyms() {
        let (none, file) = (Overrides::new(), map(&[("log.retention.hours", "100")]));
        let layers = Layers { dynamic_broker: &none, dynamic_default: &none, static_broker: &file };
        assert_eq!(line(&describe_topic(&layers, &none, None), "retention.ms"), "360000000 5:");
    }

    #[test]
    fn a_named_broker_is_described_whole_with_nulls_for_what_is_not_set() {
        let world = World::new();
        let entries = describe_broker(&world.layers(), None);
        assert_eq!(entries.len(), broker_keys().count());
        assert_eq!(line(&entries, "broker.rack"), "null 5:");
        assert_eq!(line(&entries, "node.id"), "1 4: node.id=1(4)");
        assert_eq!(line(&entries, "broker.id"), "1 4: broker.id=1(4) broker.id=-1(5)");
        assert_eq!(line(&entries, "log.retention.minutes"), "null 5:");
        assert_eq!(
            line(&entries, "log.retention.hours"),
            "100 4: log.retention.hours=100(4) log.retention.hours=168(5)"
        );
        let read_only = |name: &str| entries.iter().any(|entry| entry.name == name && entry.read_only);
        assert!(read_only("log.retention.hours") && !read_only("log.retention.ms"));
    }

    #[test]
    fn the_cluster_default_shows_only_what_is_set_for_the_cluster() {
        let world = World::new();
        let entries = describe_cluster_default(&world.cluster, None);
        assert_eq!(entries.len(), world.cluster.len());
        assert_eq!(line(&entries, "log.retention.ms"), "1000 3: log.retention.ms=1000(3)");
        assert_eq!(describe_cluster_default(&world.cluster, Some(&["node.id".to_owned()])), []);
    }

    #[test]
    fn a_group_s_key_shows_its_own_value_before_the_brokers_default() {
        let set = map(&[("share.record.lock.duration.ms", "20000")]);
        let entries = describe_named(NamedResource::Group, &set, None);
        assert_eq!(entries.len(), 17);
        assert_eq!(
            line(&entries, "share.record.lock.duration.ms"),
            "20000 8: share.record.lock.duration.ms=20000(8) group.share.record.lock.duration.ms=30000(5)"
        );
        assert_eq!(
            line(&entries, "consumer.session.timeout.ms"),
            "45000 5: group.consumer.session.timeout.ms=45000(5)"
        );
        let metrics = describe_named(NamedResource::ClientMetrics, &map(&[("interval.ms", "1000")]), None);
        assert_eq!(line(&metrics, "interval.ms"), "1000 7: interval.ms=1000(7)");
        assert_eq!(line(&metrics, "match"), " 5:");
    }

    #[test]
    fn a_filter_keeps_what_it_names_once_and_an_empty_one_keeps_all() {
        let world = World::new();
        let named = ["retention.ms".to_owned(), "nonsense".to_owned(), "retention.ms".to_owned()];
        let entries = describe_topic(&world.layers(), &Overrides::new(), Some(&named));
        assert_eq!(entries.iter().map(|entry| entry.name).collect::<Vec<_>>(), ["retention.ms"]);
        assert_eq!(describe_topic(&world.layers(), &Overrides::new(), Some(&[])).len(), TOPIC_KEYS.len());
    }

    #[test]
    fn the_documentation_says_what_has_no_effect_and_why() {
        let world = World::new();
        let entries = describe_topic(&world.layers(), &Overrides::new(), Some(&["preallocate".to_owned()]));
        assert!(entries[0].documentation.contains("Kept without effect: Bateau lets the file system"));
    }
}
