//! Places in a partition as people name them: beginning, end, an offset, the last so many, a time, so long ago.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use crate::client::{ClientError, Cluster, OffsetSpec, Partition};

use super::duration::parse_duration;
use super::time::parse_rfc3339;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Position {
    Beginning,
    End,
    Offset(i64),
    /// So many before the end.
    Last(i64),
    /// Milliseconds since 1970.
    Time(i64),
    Ago(Duration),
}

impl FromStr for Position {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "'{text}' is none of beginning, end, an offset, -N (the last N), a time such as \
                 2026-11-22T08:30:00Z, @MILLISECONDS, or -TIME such as -1h"
            )
        };
        let whole = |text: &str| text.parse().ok().filter(|number: &i64| *number >= 0);
        match text {
            "beginning" | "earliest" | "start" => return Ok(Self::Beginning),
            "end" | "latest" => return Ok(Self::End),
            _ => {}
        }
        if let Some(millis) = text.strip_prefix('@') {
            return whole(millis).map(Self::Time).ok_or_else(wrong);
        }
        if let Some(back) = text.strip_prefix('-') {
            let last = whole(back).map(Self::Last);
            return last.or_else(|| parse_duration(back).ok().map(Self::Ago)).ok_or_else(wrong);
        }
        whole(text).map(Self::Offset).or_else(|| parse_rfc3339(text).map(Self::Time)).ok_or_else(wrong)
    }
}

impl Position {
    /// Where that is in each of `partitions`, never outside of what they hold.
    ///
    /// # Errors
    /// [`ClientError`] if a partition cannot be told.
    pub(super) async fn resolve(
        self,
        cluster: &Cluster,
        partitions: &[Partition],
        now_ms: i64,
    ) -> Result<BTreeMap<Partition, i64>, ClientError> {
        let time = match self {
            Self::Beginning => return cluster.offsets_of(partitions, OffsetSpec::Earliest).await,
            Self::End => return cluster.offsets_of(partitions, OffsetSpec::Latest).await,
            Self::Offset(_) | Self::Last(_) => None,
            Self::Time(time) => Some(time),
            Self::Ago(ago) => Some(now_ms - i64::try_from(ago.as_millis()).unwrap_or(i64::MAX)),
        };
        let first = cluster.offsets_of(partitions, OffsetSpec::Earliest).await?;
        let end = cluster.offsets_of(partitions, OffsetSpec::Latest).await?;
        let at_time = match time {
            Some(time) => {
                let spec = OffsetSpec::AtTime(time.max(0));
                cluster
                    .list_offsets(&partitions.iter().map(|p| (p.clone(), spec)).collect::<Vec<_>>())
                    .await?
            }
            None => BTreeMap::new(),
        };
        let resolved = partitions.iter().map(|partition| {
            let first = first.get(partition).copied().unwrap_or(0);
            let end = end.get(partition).copied().unwrap_or(first);
            let offset = match self {
                Self::Offset(offset) => offset,
                Self::Last(count) => end.saturating_sub(count),
                // No record is as late: behind all of them.
                _ => at_time.get(partition).and_then(|found| found.offset).unwrap_or(end),
            };
            (partition.clone(), offset.max(first).min(end))
        });
        Ok(resolved.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_apart_by_how_they_are_written() {
        let cases = [
            ("beginning", Position::Beginning),
            ("end", Position::End),
            ("42", Position::Offset(42)),
            ("-42", Position::Last(42)),
            ("@42", Position::Time(42)),
            ("-1h", Position::Ago(Duration::from_hours(1))),
            ("1970-01-01T00:00:01Z", Position::Time(1000)),
        ];
        for (text, position) in cases {
            assert_eq!(text.parse(), Ok(position), "{text}");
        }
        for bad in ["", "-", "@", "tomorrow", "1h", "--1", "@-1"] {
            assert!(bad.parse::<Position>().is_err(), "{bad}");
        }
    }
}
