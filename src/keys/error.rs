//! What can be wrong with a key or its value. The texts are Kafka's where Kafka has one, since tools and people match on them.

/// A key, or a value for it, that cannot be taken.
///
/// Kafka answers a topic's errors with `INVALID_CONFIG`, a broker's bad values and read-only keys with `INVALID_REQUEST`;
/// [`KeyError::NullValue`] and [`KeyError::DuplicateKey`] are `INVALID_REQUEST` for both.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("Unknown topic config name: {key}")]
    UnknownTopicKey { key: String },
    #[error("unknown key {key}")]
    UnknownBrokerKey { key: String },
    #[error("Unknown group config name: {key}")]
    UnknownGroupKey { key: String },
    #[error("Unknown client metrics configuration: {key}")]
    UnknownClientMetricsKey { key: String },
    /// Kafka has this broker key, Bateau does not.
    #[error("{key} is not supported by Bateau")]
    NotSupported { key: String },
    /// `expected` says what the value should have been.
    #[error("Invalid value {value} for configuration {key}: {expected}")]
    InvalidValue { key: String, value: String, expected: String },
    /// Kafka would take the value; Bateau cannot do what it asks.
    #[error("Invalid value {value} for configuration {key}: {reason}")]
    Refused { key: String, value: String, reason: &'static str },
    #[error("Configuration '{key}' values must not be empty")]
    EmptyElement { key: String },
    #[error("Null value not supported for : {key}")]
    NullValue { key: String },
    #[error("Can't {op} to key {key} because its type is not LIST")]
    NotAList { key: String, op: &'static str },
    #[error("Error due to duplicate config keys: {key}")]
    DuplicateKey { key: String },
    #[error("Cannot update these configs dynamically: [{key}]")]
    ReadOnly { key: String },
    /// Each value is good, the two together are not. `relation` stands between them and is what must not be.
    #[error("conflict config setting {key} ({value}) {relation} {other} ({other_value})")]
    Conflict {
        key: &'static str,
        value: String,
        relation: &'static str,
        other: &'static str,
        other_value: String,
    },
    /// A group's value beyond what the broker key `limit` allows; `relation` is "greater" or "less".
    #[error("{key} must be {relation} than or equal to {limit}")]
    Limit { key: String, relation: &'static str, limit: &'static str },
    #[error("Invalid value {value} for interval.ms, interval must be between {least} and {most} (1 hour)")]
    PushInterval { value: String, least: i64, most: i64 },
    #[error("Illegal client matching pattern: {pattern}")]
    ClientPattern { pattern: String },
}
