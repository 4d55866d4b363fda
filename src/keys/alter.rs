//! Changing overrides: `IncrementalAlterConfigs` on a copy of them, and the checks of `CreateTopics` and of a node's start.
//!
//! Not here: storing the result, and applying it to what runs.
//! Source: Kafka `ConfigurationControlManager.incrementalAlterConfigResource` (KIP-339), tried against a 4.3 broker.

use std::collections::BTreeSet;

use super::broker::{BrokerKey, broker_key};
use super::error::KeyError;
use super::kind::elements;
use super::layers::Overrides;
use super::named::{NamedKey, NamedResource};
use super::topic::{TopicKey, topic_key};
use super::unsupported::is_unsupported;

/// What to do with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    Set,
    /// Back to the layer below.
    Delete,
    /// Add elements to a list.
    Append,
    /// Take elements from a list.
    Subtract,
}

/// One change of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alteration<'a> {
    pub op: Op,
    pub key: &'a str,
    /// Not looked at for [`Op::Delete`].
    pub value: Option<&'a str>,
}

/// Whose overrides are changed. The rules for one node and for the cluster's default are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Topic,
    Broker,
    Named(NamedResource),
}

/// The overrides after all of `alterations`, in canonical text; `current` stays as it is.
///
/// Deleting a key that is not set, or that does not exist, does nothing. A list that is not set is appended to from its
/// default, not from the layer below. Unlike Kafka, Bateau takes no broker keys that it does not know.
///
/// # Errors
/// The first thing that is wrong; then nothing is to be changed.
pub fn apply_incremental(
    current: &Overrides,
    alterations: &[Alteration],
    scope: Scope,
) -> Result<Overrides, KeyError> {
    let mut seen = BTreeSet::new();
    if let Some(twice) = alterations.iter().find(|alteration| !seen.insert(alteration.key)) {
        return Err(KeyError::DuplicateKey { key: twice.key.to_owned() });
    }
    let mut altered = current.clone();
    for alteration in alterations {
        apply(&mut altered, alteration, scope)?;
    }
    match scope {
        Scope::Topic => validate_topic(&altered)?,
        Scope::Broker => {
            lags_agree(&altered, ["log.cleaner.min.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms"])?;
        }
        Scope::Named(_) => {}
    }
    Ok(altered)
}

/// Whether a topic may have these overrides.
///
/// # Errors
/// The first that it may not, or two that do not go together.
pub fn validate_topic(overrides: &Overrides) -> Result<(), KeyError> {
    for (key, value) in overrides {
        KnownKey::find(key, Scope::Topic)?.canonical(value)?;
    }
    lags_agree(overrides, ["min.compaction.lag.ms", "max.compaction.lag.ms"])
}

/// The static layer of a node out of settings in order, canonical; the last value of a key counts.
///
/// # Errors
/// Everything that is wrong, not only the first.
pub fn static_layer<'a>(
    pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Overrides, Vec<KeyError>> {
    let mut layer = Overrides::new();
    let mut errors = Vec::new();
    for (key, value) in pairs {
        match KnownKey::find(key, Scope::Broker).and_then(|known| known.canonical(value)) {
            Ok(value) => {
                layer.insert(key.to_owned(), value);
            }
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(layer) } else { Err(errors) }
}

/// A key of any table.
#[derive(Clone, Copy)]
enum KnownKey {
    Topic(&'static TopicKey),
    Broker(&'static BrokerKey),
    Named(&'static NamedKey),
}

impl KnownKey {
    fn find(key: &str, scope: Scope) -> Result<Self, KeyError> {
        let found = match scope {
            Scope::Topic => topic_key(key).map(Self::Topic),
            Scope::Broker => broker_key(key).map(Self::Broker),
            Scope::Named(resource) => return resource.key(key).map(Self::Named),
        };
        found.ok_or_else(|| match scope {
            Scope::Topic => KeyError::UnknownTopicKey { key: key.to_owned() },
            Scope::Broker if is_unsupported(key) => KeyError::NotSupported { key: key.to_owned() },
            Scope::Broker | Scope::Named(_) => KeyError::UnknownBrokerKey { key: key.to_owned() },
        })
    }

    /// As `find`, and the key may change while the node runs.
    fn find_dynamic(key: &str, scope: Scope) -> Result<Self, KeyError> {
        match Self::find(key, scope)? {
            Self::Broker(broker_key) if broker_key.read_only => {
                Err(KeyError::ReadOnly { key: key.to_owned() })
            }
            known => Ok(known),
        }
    }

    fn canonical(self, value: &str) -> Result<String, KeyError> {
        match self {
            Self::Topic(key) => key.canonical(value),
            Self::Broker(key) => key.shape.canonical(key.name, value),
            Self::Named(key) => key.canonical(value),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Topic(key) => key.name,
            Self::Broker(key) => key.name,
            Self::Named(key) => key.name,
        }
    }

    /// Whether elements can be added and taken. Kafka can do so for topics and brokers alone.
    fn is_list(self) -> bool {
        let shape = match self {
            Self::Topic(key) => key.shape,
            Self::Broker(key) => key.shape,
            Self::Named(_) => return false,
        };
        shape.config_type == super::ConfigType::List
    }

    fn default(self) -> &'static str {
        match self {
            Self::Topic(key) => key.default,
            Self::Broker(key) => key.default.unwrap_or_default(),
            Self::Named(key) => key.default,
        }
    }
}

fn apply(altered: &mut Overrides, alteration: &Alteration, scope: Scope) -> Result<(), KeyError> {
    let key = alteration.key;
    if alteration.op == Op::Delete {
        altered.remove(key);
        return Ok(());
    }
    let value = alteration.value.ok_or_else(|| KeyError::NullValue { key: key.to_owned() })?;
    let known = KnownKey::find_dynamic(key, scope)?;
    let whole = match alteration.op {
        Op::Append => with_elements(known, altered.get(key), value)?,
        Op::Subtract => without_elements(known, altered.get(key), value)?,
        Op::Set | Op::Delete => value.to_owned(),
    };
    altered.insert(key.to_owned(), known.canonical(&whole)?);
    Ok(())
}

fn with_elements(known: KnownKey, current: Option<&String>, added: &str) -> Result<String, KeyError> {
    let mut list = list_of(known, current, "APPEND")?;
    // An empty text is one empty element here, which the key then refuses, as in Kafka.
    for element in added.split(',').map(str::trim) {
        if !list.contains(&element) {
            list.push(element);
        }
    }
    Ok(list.join(","))
}

fn without_elements(known: KnownKey, current: Option<&String>, taken: &str) -> Result<String, KeyError> {
    let taken = elements(taken);
    let mut list = list_of(known, current, "SUBTRACT")?;
    list.retain(|element| !taken.contains(element));
    Ok(list.join(","))
}

fn list_of<'a>(
    known: KnownKey,
    current: Option<&'a String>,
    op: &'static str,
) -> Result<Vec<&'a str>, KeyError> {
    if !known.is_list() {
        return Err(KeyError::NotAList { key: known.name().to_owned(), op });
    }
    Ok(elements(current.map_or(known.default(), String::as_str)))
}

/// The least time before compaction is not above the greatest. The defaults, 0 and forever, agree with anything.
fn lags_agree(overrides: &Overrides, [least, most]: [&'static str; 2]) -> Result<(), KeyError> {
    let lag = |key: &str| overrides.get(key).and_then(|text| text.trim().parse::<i64>().ok());
    match (lag(least), lag(most)) {
        (Some(min), Some(max)) if min > max => Err(KeyError::Conflict {
            key: least,
            value: min.to_string(),
            relation: ">",
            other: most,
            other_value: max.to_string(),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> Overrides {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn alter<'a>(op: Op, key: &'a str, value: &'a str) -> Alteration<'a> {
        Alteration { op, key, value: Some(value) }
    }

    fn topic(current: &[(&str, &str)], alterations: &[Alteration]) -> Result<Overrides, String> {
        apply_incremental(&map(current), alterations, Scope::Topic).map_err(|error| error.to_string())
    }

    fn broker(alterations: &[Alteration]) -> Result<Overrides, String> {
        apply_incremental(&Overrides::new(), alterations, Scope::Broker).map_err(|error| error.to_string())
    }

    #[test]
    fn a_value_set_is_kept_in_canonical_form_and_others_stay() {
        let after =
            topic(&[("flush.ms", "5")], &[alter(Op::Set, "cleanup.policy", " compact , delete,compact")]);
        assert_eq!(after.unwrap(), map(&[("flush.ms", "5"), ("cleanup.policy", "compact,delete")]));
    }

    #[test]
    fn deleting_goes_back_to_the_layer_below_and_may_name_anything() {
        let delete = |key| Alteration { op: Op::Delete, key, value: None };
        assert_eq!(topic(&[("flush.ms", "5")], &[delete("flush.ms"), delete("nonsense")]).unwrap(), map(&[]));
        assert_eq!(broker(&[delete("log.dirs")]).unwrap(), map(&[]));
    }

    #[test]
    fn appending_to_a_list_that_is_not_set_starts_from_its_default() {
        let append = [alter(Op::Append, "cleanup.policy", "compact")];
        assert_eq!(topic(&[], &append).unwrap(), map(&[("cleanup.policy", "delete,compact")]));
        assert_eq!(topic(&[("cleanup.policy", "")], &append).unwrap(), map(&[("cleanup.policy", "compact")]));
        let same = [alter(Op::Append, "cleanup.policy", "delete")];
        assert_eq!(topic(&[], &same).unwrap(), map(&[("cleanup.policy", "delete")]));
    }

    #[test]
    fn subtracting_takes_what_is_there_and_may_leave_nothing() {
        let key = "leader.replication.throttled.replicas";
        let after = topic(&[(key, "0:1,1:1,2:1")], &[alter(Op::Subtract, key, "1:1,9:9")]).unwrap();
        assert_eq!(after, map(&[(key, "0:1,2:1")]));
        let after = topic(&[], &[alter(Op::Subtract, "cleanup.policy", "delete")]).unwrap();
        assert_eq!(after, map(&[("cleanup.policy", "")]));
    }

    #[test]
    fn only_a_list_is_appended_to_or_subtracted_from() {
        let append = topic(&[], &[alter(Op::Append, "retention.ms", "3")]);
        assert_eq!(append.unwrap_err(), "Can't APPEND to key retention.ms because its type is not LIST");
        let subtract = broker(&[alter(Op::Subtract, "log.retention.ms", "3")]);
        assert_eq!(
            subtract.unwrap_err(),
            "Can't SUBTRACT to key log.retention.ms because its type is not LIST"
        );
    }

    #[test]
    fn the_elements_appended_must_be_good_and_not_empty() {
        let bad = topic(&[], &[alter(Op::Append, "cleanup.policy", "foo")]).unwrap_err();
        assert!(bad.ends_with("String must be one of: compact, delete"));
        let empty = topic(&[], &[alter(Op::Append, "cleanup.policy", "")]).unwrap_err();
        assert_eq!(empty, "Configuration 'cleanup.policy' values must not be empty");
    }

    #[test]
    fn a_key_named_twice_in_one_request_is_an_error_whatever_is_done_with_it() {
        let delete = Alteration { op: Op::Delete, key: "retention.ms", value: None };
        let error =
            apply_incremental(&map(&[]), &[alter(Op::Set, "retention.ms", "1"), delete], Scope::Topic);
        assert_eq!(error, Err(KeyError::DuplicateKey { key: "retention.ms".to_owned() }));
    }

    #[test]
    fn a_null_value_is_for_deleting_only() {
        let set = Alteration { op: Op::Set, key: "retention.ms", value: None };
        assert_eq!(topic(&[], &[set]).unwrap_err(), "Null value not supported for : retention.ms");
    }

    #[test]
    fn a_topic_takes_no_broker_key_and_no_unknown_one() {
        let error = topic(&[], &[alter(Op::Set, "log.retention.ms", "1")]).unwrap_err();
        assert_eq!(error, "Unknown topic config name: log.retention.ms");
        assert!(topic(&[], &[alter(Op::Set, "", "1")]).is_err());
    }

    #[test]
    fn lags_that_do_not_agree_are_a_conflict_also_with_what_was_set_before() {
        let error =
            topic(&[("min.compaction.lag.ms", "10")], &[alter(Op::Set, "max.compaction.lag.ms", "5")]);
        assert_eq!(
            error.unwrap_err(),
            "conflict config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (5)"
        );
        assert!(
            topic(&[("min.compaction.lag.ms", "5")], &[alter(Op::Set, "max.compaction.lag.ms", "5")]).is_ok()
        );
    }

    #[test]
    fn a_broker_key_that_is_read_only_unsupported_or_unknown_is_refused_each_in_its_words() {
        let message = |key| broker(&[alter(Op::Set, key, "5")]).unwrap_err();
        assert_eq!(
            message("log.retention.hours"),
            "Cannot update these configs dynamically: [log.retention.hours]"
        );
        assert_eq!(message("listeners"), "Cannot update these configs dynamically: [listeners]");
        assert_eq!(message("background.threads"), "background.threads is not supported by Bateau");
        assert_eq!(message("nonsense"), "unknown key nonsense");
    }

    #[test]
    fn a_dynamic_broker_key_is_set_and_its_list_appended_to() {
        let after = broker(&[
            alter(Op::Set, "log.retention.ms", "-1"),
            alter(Op::Append, "log.cleanup.policy", "compact"),
        ]);
        assert_eq!(
            after.unwrap(),
            map(&[("log.retention.ms", "-1"), ("log.cleanup.policy", "delete,compact")])
        );
        assert!(broker(&[alter(Op::Set, "log.retention.ms", "0")]).is_err());
    }

    #[test]
    fn a_refused_topic_value_is_refused_on_creation_too() {
        assert!(matches!(
            validate_topic(&map(&[("remote.storage.enable", "true")])),
            Err(KeyError::Refused { .. })
        ));
        assert_eq!(
            validate_topic(&map(&[("remote.storage.enable", "false"), ("retention.ms", "1")])),
            Ok(())
        );
    }
}
