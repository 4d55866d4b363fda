//! The CPU time that a process of this machine has used. Linux only, by /proc.

use crate::cli::error::CliError;
use crate::cli::number::real;

/// A process, and what it had used before.
#[derive(Clone, Copy, Debug)]
pub(super) struct CpuMeter {
    pid: u32,
    before: f64,
}

impl CpuMeter {
    /// # Errors
    /// [`CliError::Failed`] if there is no such process.
    pub(super) fn start(pid: Option<u32>) -> Result<Option<Self>, CliError> {
        let Some(pid) = pid else { return Ok(None) };
        match seconds(pid) {
            Some(before) => Ok(Some(Self { pid, before })),
            None => Err(CliError::Failed(format!(
                "process {pid}: its CPU time cannot be read; does it run here?"
            ))),
        }
    }

    /// Seconds of CPU time since the start; None if the process has ended.
    pub(super) fn used(&self) -> Option<f64> {
        Some(seconds(self.pid)? - self.before)
    }
}

/// User and system time of all its threads.
fn seconds(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let ticks = ticks(&stat)?;
    Some(real(ticks) / real(rustix::param::clock_ticks_per_second()))
}

/// Fields 14 and 15, counted from 1. The second is the name in parentheses, which may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let (user, system) = (fields.next()?.parse::<u64>().ok()?, fields.next()?.parse::<u64>().ok()?);
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::ticks;

    #[test]
    fn times_are_found_whatever_the_name_is() {
        let stat = "7 (a ) 1 2) S 1 7 7 0 -1 4194304 120 0 0 0 250 50 0 0 20 0 4 0 99";
        assert_eq!(ticks(stat), Some(300));
        assert_eq!(ticks("7 (x) S"), None);
    }
}
