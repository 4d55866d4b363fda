//! What was measured, for people and as JSON.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::cli::error::CliError;
use crate::cli::number::{grouped, per_second, real};
use crate::cli::output::Output;

const PERCENTILES: [(&str, f64); 6] =
    [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p99_9", 99.9), ("p99_99", 99.99), ("max", 100.0)];

/// The longest latency that is told apart from longer ones, in microseconds: an hour.
const LONGEST: u64 = 3_600_000_000;

/// Latencies in microseconds, to three digits.
#[derive(Clone, Debug)]
pub(super) struct Latencies {
    histogram: Histogram<u64>,
}

impl Latencies {
    /// # Errors
    /// [`CliError::Failed`]; the bounds are fine, so never.
    pub(super) fn new() -> Result<Self, CliError> {
        let histogram =
            Histogram::new_with_bounds(1, LONGEST, 3).map_err(|error| CliError::Failed(error.to_string()))?;
        Ok(Self { histogram })
    }

    pub(super) fn record(&mut self, latency: Duration) {
        self.histogram.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
    }

    pub(super) fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// In milliseconds.
    pub(super) fn percentile(&self, percentile: f64) -> f64 {
        real(self.histogram.value_at_percentile(percentile)) / 1000.0
    }

    fn as_json(&self) -> Value {
        let mut object = json!({ "count": self.count(), "mean": self.histogram.mean() / 1000.0 });
        for (name, percentile) in PERCENTILES {
            object[name] = self.percentile(percentile).into();
        }
        object
    }

    fn text(&self) -> String {
        let one = |(name, percentile): (&str, f64)| {
            format!("{} {:.2}", name.replace('_', "."), self.percentile(percentile))
        };
        PERCENTILES.map(one).join("  ")
    }
}

#[derive(Debug)]
pub(super) struct Report {
    pub(super) what: &'static str,
    pub(super) topic: String,
    pub(super) partitions: usize,
    /// How it was done, for the reader of the numbers.
    pub(super) how: Vec<(&'static str, Value)>,
    pub(super) took: Duration,
    pub(super) records: u64,
    /// Of keys and values, unpacked.
    pub(super) payload_bytes: u64,
    /// As batches went over the wire.
    pub(super) wire_bytes: u64,
    /// Of what, and counted from when.
    pub(super) latencies: Vec<(&'static str, Latencies)>,
    /// Seconds of the broker's.
    pub(super) cpu: Option<f64>,
}

impl Report {
    pub(super) fn print(&self, out: &mut Output) -> Result<(), CliError> {
        if out.is_json { out.json(&self.as_json()) } else { self.text(out) }
    }

    fn per_second(&self, count: u64) -> f64 {
        per_second(count, self.took)
    }

    /// None without payload, too.
    fn cpu_per_gb(&self) -> Option<f64> {
        let payload = Some(self.payload_bytes).filter(|bytes| *bytes > 0)?;
        Some(self.cpu? * 1e9 / real(payload))
    }

    fn cpu_cores(&self) -> Option<f64> {
        Some(self.cpu? / self.took.as_secs_f64().max(1e-6))
    }

    fn as_json(&self) -> Value {
        let mut object = json!({
            "bench": self.what, "topic": self.topic, "partitions": self.partitions,
            "seconds": self.took.as_secs_f64(), "records": self.records, "payload_bytes": self.payload_bytes,
            "wire_bytes": self.wire_bytes, "records_per_second": self.per_second(self.records),
            "payload_bytes_per_second": self.per_second(self.payload_bytes),
        });
        for (name, value) in &self.how {
            object[*name] = value.clone();
        }
        for (name, latencies) in &self.latencies {
            object[format!("{}_ms", name.replace([' ', '-'], "_"))] = latencies.as_json();
        }
        if let Some(cpu) = self.cpu {
            object["cpu_seconds"] = cpu.into();
            object["cpu_cores"] = self.cpu_cores().into();
            object["cpu_seconds_per_gb"] = self.cpu_per_gb().into();
        }
        object
    }

    fn text(&self, out: &mut Output) -> Result<(), CliError> {
        let given = self.how.iter().filter(|(_, value)| !value.is_null());
        let how: Vec<_> = given.map(|(name, value)| format!("{name} {}", plain(value))).collect();
        out.line(&format!(
            "{} {}, {} partitions, {}",
            self.what,
            self.topic,
            self.partitions,
            how.join(", ")
        ))?;
        let (payload, wire) = (real(self.payload_bytes) / 1e6, real(self.wire_bytes) / 1e6);
        let seconds = self.took.as_secs_f64();
        let (records, rate) = (grouped(self.records), self.per_second(self.records));
        out.line(&format!("  records   {records} in {seconds:.2} s, {rate:.0} a second"))?;
        let rate = self.per_second(self.payload_bytes) / 1e6;
        out.line(&format!("  bytes     {payload:.1} MB, {rate:.1} MB a second; {wire:.1} MB on the wire"))?;
        for (name, latencies) in &self.latencies {
            out.line(&format!("  {name}, ms: {}", latencies.text()))?;
        }
        if let (Some(cpu), Some(cores), Some(per_gb)) = (self.cpu, self.cpu_cores(), self.cpu_per_gb()) {
            out.line(&format!("  CPU       {cpu:.2} s, {cores:.2} cores, {per_gb:.2} s per GB of payload"))?;
        }
        Ok(())
    }
}

fn plain(value: &Value) -> String {
    match (value.as_str(), value.as_f64()) {
        (Some(text), _) => text.to_owned(),
        // Without the .0 of JSON.
        (None, Some(number)) => number.to_string(),
        (None, None) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_all_that_was_recorded() {
        let mut latencies = Latencies::new().unwrap();
        for millis in 1..=1000 {
            latencies.record(Duration::from_millis(millis));
        }
        assert_eq!(latencies.count(), 1000);
        for (percentile, wanted) in [(50.0, 500.0), (99.0, 990.0), (100.0, 1000.0)] {
            let found = latencies.percentile(percentile);
            assert!((found - wanted).abs() <= wanted / 500.0, "{percentile}: {found}");
        }
    }
}
