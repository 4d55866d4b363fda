//! The types of configuration values and the rules a value must keep. Text in, canonical text out.
//!
//! Source: Kafka `ConfigDef.parseType` and its validators, tried against a 4.3 broker.

use super::error::KeyError;

/// The type of a key as `DescribeConfigs` v3+ reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigType {
    Boolean = 1,
    String = 2,
    Int = 3,
    Short = 4,
    Long = 5,
    Double = 6,
    List = 7,
    Class = 8,
    Password = 9,
}

impl ConfigType {
    /// The number on the wire.
    pub const fn code(self) -> i8 {
        self as i8
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Boolean => "BOOLEAN",
            Self::String => "STRING",
            Self::Int => "INT",
            Self::Short => "SHORT",
            Self::Long => "LONG",
            Self::Double => "DOUBLE",
            Self::List => "LIST",
            Self::Class => "CLASS",
            Self::Password => "PASSWORD",
        }
    }
}

/// How Bateau treats a key that it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    Honoured,
    /// Stored and reported, but nothing depends on it; why.
    KeptWithoutEffect(&'static str),
    /// A value other than the default is refused; why.
    Refused(&'static str),
}

/// The values a key takes, beyond what its type says. Bounds are inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepts {
    Any,
    AtLeast(i64),
    Between(i64, i64),
    /// A gzip level 1 to 9, or -1 for the library's own choice.
    GzipLevel,
    /// A fraction from 0 to 1.
    Ratio,
    /// A time limit: any negative number means none, zero means nothing and is refused.
    LimitOrNone,
    OneOf(&'static [&'static str]),
    /// Any of these, also none of them.
    AnyOf(&'static [&'static str]),
    /// Exactly these, in any order.
    AllOf(&'static [&'static str]),
    /// At least one element.
    SomeElement,
    /// `*` alone, or `partition:node` elements.
    ThrottledReplicas,
    /// `host:count` elements with commas between them; none is good.
    CountPerHost,
}

/// Type and accepted values of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    pub config_type: ConfigType,
    pub accepts: Accepts,
}

pub(super) const BOOLEAN: Shape = Shape::of(ConfigType::Boolean);
pub(super) const STRING: Shape = Shape::of(ConfigType::String);
pub(super) const INT: Shape = Shape::of(ConfigType::Int);
pub(super) const LONG: Shape = Shape::of(ConfigType::Long);
pub(super) const RATIO: Shape = Shape::of(ConfigType::Double).accepting(Accepts::Ratio);
pub(super) const LIST: Shape = Shape::of(ConfigType::List);

/// What topics and brokers share.
pub(super) const CLEANUP_POLICY: Shape = LIST.accepting(Accepts::AnyOf(&["compact", "delete"]));
pub(super) const COMPRESSION_TYPE: Shape =
    STRING.accepting(Accepts::OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]));
pub(super) const TIMESTAMP_TYPE: Shape = STRING.accepting(Accepts::OneOf(&["CreateTime", "LogAppendTime"]));
pub(super) const GZIP_LEVEL: Shape = INT.accepting(Accepts::GzipLevel);
pub(super) const LZ4_LEVEL: Shape = INT.accepting(Accepts::Between(1, 17));
pub(super) const ZSTD_LEVEL: Shape = INT.accepting(Accepts::Between(-131_072, 22));
/// Kafka 4 refuses segments under 1 MiB (KIP-1030).
pub(super) const SEGMENT_BYTES: Shape = INT.at_least(1 << 20);

/// Reasons for [`Treatment::KeptWithoutEffect`] that a topic key and its broker key share.
pub(super) const UNTIL_COMPACTION: &str = "Bateau does not compact yet, a compacted topic keeps every record";
pub(super) const NO_TIERS: &str = "Bateau has no tiered storage, every segment is local";
pub(super) const UNLINKED_AT_ONCE: &str = "Bateau unlinks a segment when its last reader is gone";
pub(super) const OWN_INDEX_INTERVAL: &str = "Bateau chooses the distance between index entries itself";
pub(super) const ONE_LZ4_LEVEL: &str = "Bateau's lz4 has one level, what producers compressed is not touched";
pub(super) const GROWS: &str = "Bateau lets the file system allocate as the segment grows";

/// `Long.MAX_VALUE`, which Kafka uses for "never".
pub(super) const FOREVER: &str = "9223372036854775807";

impl Shape {
    const fn of(config_type: ConfigType) -> Self {
        Self { config_type, accepts: Accepts::Any }
    }

    pub(super) const fn accepting(self, accepts: Accepts) -> Self {
        Self { accepts, ..self }
    }

    pub(super) const fn at_least(self, least: i64) -> Self {
        self.accepting(Accepts::AtLeast(least))
    }

    /// The canonical text of `value`: blanks around it and around list elements go, numbers lose `+` and leading zeros,
    /// booleans become lower case, a set loses its duplicates.
    pub fn canonical(&self, key: &str, value: &str) -> Result<String, KeyError> {
        let text = value.trim();
        self.parse(key, text).map_err(|problem| match problem {
            Problem::EmptyElement => KeyError::EmptyElement { key: key.to_owned() },
            Problem::Expected(expected) => {
                KeyError::InvalidValue { key: key.to_owned(), value: value.to_owned(), expected }
            }
        })
    }

    fn parse(&self, key: &str, text: &str) -> Result<String, Problem> {
        match self.config_type {
            ConfigType::Boolean => boolean(text),
            ConfigType::Short => self.integer(text, i16::MIN.into(), i16::MAX.into()),
            ConfigType::Int => self.integer(text, i32::MIN.into(), i32::MAX.into()),
            ConfigType::Long => self.integer(text, i64::MIN, i64::MAX),
            ConfigType::Double => self.double(text),
            ConfigType::List => self.list(key, text),
            ConfigType::String | ConfigType::Class | ConfigType::Password => self.string(text),
        }
    }

    fn integer(&self, text: &str, least: i64, most: i64) -> Result<String, Problem> {
        let number = text.parse::<i64>().ok().filter(|number| (least..=most).contains(number));
        let number = number.ok_or_else(|| self.not_a_number())?;
        if let Accepts::AtLeast(least) | Accepts::Between(least, _) = self.accepts
            && number < least
        {
            return Err(expected(format!("Value must be at least {least}")));
        }
        if let Accepts::Between(_, most) = self.accepts
            && number > most
        {
            return Err(expected(format!("Value must be no more than {most}")));
        }
        if self.accepts == Accepts::GzipLevel && number != -1 && !(1..=9).contains(&number) {
            return Err(expected("Value must be between 1 and 9 or equal to -1"));
        }
        if self.accepts == Accepts::LimitOrNone && number == 0 {
            return Err(expected("Value must be unlimited (-1) or at least 1"));
        }
        Ok(number.to_string())
    }

    fn double(&self, text: &str) -> Result<String, Problem> {
        let number =
            text.parse::<f64>().ok().filter(|number| !number.is_nan()).ok_or_else(|| self.not_a_number())?;
        if self.accepts == Accepts::Ratio && number < 0.0 {
            return Err(expected("Value must be at least 0"));
        }
        if self.accepts == Accepts::Ratio && number > 1.0 {
            return Err(expected("Value must be no more than 1"));
        }
        Ok(java_double(number))
    }

    fn string(&self, text: &str) -> Result<String, Problem> {
        if let Accepts::OneOf(allowed) = self.accepts {
            one_of(allowed, text)?;
        }
        if self.accepts == Accepts::CountPerHost {
            counts_per_host(text).map_err(expected)?;
        }
        Ok(text.to_owned())
    }

    fn list(&self, key: &str, text: &str) -> Result<String, Problem> {
        let mut elements = elements(text);
        if elements.iter().any(|element| element.is_empty()) {
            return Err(Problem::EmptyElement);
        }
        if let Accepts::AnyOf(allowed) | Accepts::AllOf(allowed) = self.accepts {
            elements.iter().try_for_each(|element| one_of(allowed, element))?;
            elements = unique(elements);
        }
        if let Accepts::AllOf(all) = self.accepts
            && elements.len() != all.len()
        {
            return Err(expected(format!("List must be: {}", all.join(","))));
        }
        if self.accepts == Accepts::SomeElement && elements.is_empty() {
            return Err(expected("List must not be empty"));
        }
        if self.accepts == Accepts::ThrottledReplicas && !throttled_replicas(&elements) {
            return Err(expected(format!(
                "{key} must be the literal '*' or a list of replicas in the following format: \
                 [partitionId]:[brokerId],[partitionId]:[brokerId],..."
            )));
        }
        Ok(elements.join(","))
    }

    fn not_a_number(&self) -> Problem {
        expected(format!("Not a number of type {}", self.config_type.name()))
    }
}

/// What is wrong with a value, before its key is known.
enum Problem {
    EmptyElement,
    Expected(String),
}

fn expected(what: impl Into<String>) -> Problem {
    Problem::Expected(what.into())
}

/// The elements of a list; the empty text is the empty list.
pub(super) fn elements(text: &str) -> Vec<&str> {
    if text.trim().is_empty() { Vec::new() } else { text.split(',').map(str::trim).collect() }
}

/// `host:count` elements as pairs; the last of two for one host counts. A host may hold colons (IPv6).
pub(super) fn counts_per_host(text: &str) -> Result<Vec<(&str, u32)>, String> {
    let mut counts = Vec::new();
    for element in elements(text) {
        let pair = element.rsplit_once(':').filter(|(host, _)| !host.is_empty());
        let (host, count) = pair.ok_or_else(|| format!("'{element}' is not host:count"))?;
        let count = count.trim().parse().map_err(|_| format!("'{count}' is not a number of connections"))?;
        counts.push((host.trim(), count));
    }
    Ok(counts)
}

fn boolean(text: &str) -> Result<String, Problem> {
    let lower = text.to_ascii_lowercase();
    if lower == "true" || lower == "false" {
        return Ok(lower);
    }
    Err(expected("Expected value to be either true or false"))
}

fn one_of(allowed: &[&str], text: &str) -> Result<(), Problem> {
    if allowed.contains(&text) {
        return Ok(());
    }
    Err(expected(format!("String must be one of: {}", allowed.join(", "))))
}

fn unique(elements: Vec<&str>) -> Vec<&str> {
    let mut seen = Vec::with_capacity(elements.len());
    for element in elements {
        if !seen.contains(&element) {
            seen.push(element);
        }
    }
    seen
}

fn throttled_replicas(elements: &[&str]) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let replica =
        |element: &&str| element.split_once(':').is_some_and(|(left, right)| digits(left) && digits(right));
    elements == ["*"] || elements.iter().all(replica)
}

/// As Java's `Double.toString` writes it: always a fraction, an exponent below a thousandth or from ten million.
fn java_double(number: f64) -> String {
    let size = number.abs();
    if size == 0.0 || (1e-3..1e7).contains(&size) {
        return format!("{number:?}");
    }
    let text = format!("{number:E}");
    match text.split_once('E') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good(shape: Shape, value: &str) -> String {
        shape.canonical("k", value).unwrap()
    }

    fn bad(shape: Shape, value: &str) -> String {
        shape.canonical("k", value).unwrap_err().to_string()
    }

    #[test]
    fn a_number_loses_its_blanks_its_plus_and_its_leading_zeros() {
        assert_eq!(good(LONG, " +0500 "), "500");
    }

    #[test]
    fn a_number_too_great_for_its_type_is_not_a_number_of_that_type() {
        assert_eq!(
            bad(INT, "99999999999"),
            "Invalid value 99999999999 for configuration k: Not a number of type INT"
        );
        assert_eq!(good(LONG, "99999999999"), "99999999999");
        assert_eq!(
            bad(LONG, "9223372036854775808"),
            "Invalid value 9223372036854775808 for configuration k: Not a number of type LONG"
        );
        assert_eq!(bad(LONG, ""), "Invalid value  for configuration k: Not a number of type LONG");
    }

    #[test]
    fn bounds_are_inclusive_and_named_in_the_message() {
        assert_eq!(good(LONG.at_least(-1), "-1"), "-1");
        assert_eq!(
            bad(LONG.at_least(-1), "-2"),
            "Invalid value -2 for configuration k: Value must be at least -1"
        );
        assert_eq!(good(ZSTD_LEVEL, "22"), "22");
        assert_eq!(
            bad(ZSTD_LEVEL, "23"),
            "Invalid value 23 for configuration k: Value must be no more than 22"
        );
        assert_eq!(bad(LZ4_LEVEL, "0"), "Invalid value 0 for configuration k: Value must be at least 1");
    }

    #[test]
    fn a_gzip_level_is_1_to_9_or_minus_1() {
        assert_eq!(good(GZIP_LEVEL, "-1"), "-1");
        assert_eq!(good(GZIP_LEVEL, "9"), "9");
        for level in ["0", "10", "-2"] {
            assert!(bad(GZIP_LEVEL, level).ends_with("Value must be between 1 and 9 or equal to -1"));
        }
    }

    #[test]
    fn a_time_limit_may_be_negative_but_not_zero() {
        let limit = LONG.accepting(Accepts::LimitOrNone);
        assert_eq!(good(limit, "-2"), "-2");
        assert!(bad(limit, "0").contains("unlimited (-1)"));
    }

    #[test]
    fn a_boolean_is_true_or_false_in_any_case_and_nothing_else() {
        assert_eq!(good(BOOLEAN, "TRUE"), "true");
        assert_eq!(
            bad(BOOLEAN, "1"),
            "Invalid value 1 for configuration k: Expected value to be either true or false"
        );
    }

    #[test]
    fn a_ratio_is_written_as_java_writes_it_and_stays_from_0_to_1() {
        assert_eq!(good(RATIO, "1e-1"), "0.1");
        assert_eq!(good(RATIO, "1"), "1.0");
        assert_eq!(good(RATIO, "0.00001"), "1.0E-5");
        assert_eq!(bad(RATIO, "1.1"), "Invalid value 1.1 for configuration k: Value must be no more than 1");
        assert!(bad(RATIO, "-0.1").ends_with("Value must be at least 0"));
        assert!(bad(RATIO, "NaN").ends_with("Not a number of type DOUBLE"));
    }

    #[test]
    fn a_string_of_a_set_is_matched_with_its_case() {
        assert_eq!(good(COMPRESSION_TYPE, " zstd "), "zstd");
        assert_eq!(
            bad(COMPRESSION_TYPE, "GZIP"),
            "Invalid value GZIP for configuration k: String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer"
        );
    }

    #[test]
    fn a_set_keeps_the_order_given_without_duplicates_and_may_be_empty() {
        assert_eq!(good(CLEANUP_POLICY, " compact , delete,compact"), "compact,delete");
        assert_eq!(good(CLEANUP_POLICY, ""), "");
        assert!(bad(CLEANUP_POLICY, "Delete").ends_with("String must be one of: compact, delete"));
        assert_eq!(bad(CLEANUP_POLICY, "delete,"), "Configuration 'k' values must not be empty");
    }

    #[test]
    fn throttled_replicas_are_a_star_alone_or_pairs_of_numbers() {
        let throttled = LIST.accepting(Accepts::ThrottledReplicas);
        for value in ["*", "", "0:1,1:2", "0:1,0:1"] {
            assert_eq!(good(throttled, value), value);
        }
        for value in ["0:1,*", "x", "0:1:2", "0:", "+1:2"] {
            assert!(bad(throttled, value).contains("must be the literal '*'"), "{value}");
        }
    }

    #[test]
    fn a_list_that_must_be_whole_or_not_empty_says_so() {
        assert!(bad(LIST.accepting(Accepts::SomeElement), " ").ends_with("List must not be empty"));
        let roles = LIST.accepting(Accepts::AllOf(&["broker", "controller"]));
        assert_eq!(good(roles, "controller, broker"), "controller,broker");
        assert!(bad(roles, "broker").ends_with("List must be: broker,controller"));
    }

    #[test]
    fn connection_counts_are_given_per_host() {
        let counts = STRING.accepting(Accepts::CountPerHost);
        assert_eq!(good(counts, "127.0.0.1:5,::1:7"), "127.0.0.1:5,::1:7");
        assert_eq!(counts_per_host("::1:7").unwrap(), [("::1", 7)]);
        for value in ["garbage", "a:b", "a:-1", ":5"] {
            bad(counts, value);
        }
    }
}
