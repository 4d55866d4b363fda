//! `bateau certs show`: what is in a PEM file, and whether it is good today.

use std::path::Path;

use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::tls::{Certificate, Health, inspect};

use super::super::error::CliError;
use super::super::output::Output;

const DAY: i64 = 86_400;

/// `now` in seconds since 1970.
pub(super) fn show(out: &mut Output, path: &Path, now: i64) -> Result<(), CliError> {
    let found = inspect(path).map_err(|error| CliError::Failed(error.to_string()))?;
    if out.is_json {
        let certificates: Vec<Value> =
            found.certificates.iter().map(|facts| facts_json(facts, now)).collect();
        return out.json(&json!({ "certificates": certificates, "key": found.key }));
    }
    for (number, facts) in found.certificates.iter().enumerate() {
        if number > 0 {
            out.line("")?;
        }
        let names = facts.alternative_names.join(", ");
        for (what, value) in [
            ("Subject", facts.subject.as_str()),
            ("Issuer", facts.issuer.as_str()),
            ("Names", if names.is_empty() { "-" } else { &names }),
            ("Valid from", &utc(facts.validity.not_before)),
            ("Valid until", &utc(facts.validity.not_after)),
            ("State", &state(facts, now)),
            ("Key", &facts.key_kind),
            ("CA", if facts.is_ca { "yes" } else { "no" }),
        ] {
            out.line(&format!("{what:<12} {value}"))?;
        }
    }
    match found.key {
        Some(kind) => out.line(&format!("{:<12} {kind}", "Private key")),
        None => Ok(()),
    }
}

fn facts_json(facts: &Certificate, now: i64) -> Value {
    json!({
        "subject": facts.subject,
        "issuer": facts.issuer,
        "common_name": facts.common_name,
        "names": facts.alternative_names,
        "not_before": utc(facts.validity.not_before),
        "not_after": utc(facts.validity.not_after),
        "state": match facts.validity.health(now) {
            Health::Good => "good",
            Health::NotYetValid { .. } => "not yet valid",
            Health::ExpiresSoon { .. } => "expires soon",
            Health::Expired { .. } => "expired",
        },
        "key": facts.key_kind,
        "ca": facts.is_ca,
    })
}

fn state(facts: &Certificate, now: i64) -> String {
    match facts.validity.health(now) {
        Health::Good => format!("good for {} days", (facts.validity.not_after - now) / DAY),
        Health::NotYetValid { .. } => "not yet valid".into(),
        Health::ExpiresSoon { at } => match (at - now) / DAY {
            0 => "expires within a day".into(),
            days => format!("expires soon, in {days} days"),
        },
        Health::Expired { at } => format!("expired {} days ago", (now - at) / DAY),
    }
}

/// As people and machines read it; the bare number for years that no calendar has.
pub(super) fn utc(seconds: i64) -> String {
    let Ok(time) = OffsetDateTime::from_unix_timestamp(seconds) else { return seconds.to_string() };
    let (year, month, day) = (time.year(), u8::from(time.month()), time.day());
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", time.hour(), time.minute(), time.second())
}
