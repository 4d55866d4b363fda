//! How long to wait before the next try, and when to give up.

use std::time::Duration;

use tokio::time::Instant;

use super::ClientError;

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(1);

/// Waits that double from 50 ms to 1 s, until `patience` is over. It begins with the first failure, since the first try
/// may have waited long for good reasons: a join waits for all members.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
    patience: Duration,
    until: Option<Instant>,
}

impl Backoff {
    pub(super) fn new(patience: Duration) -> Self {
        Self { next: FIRST, patience, until: None }
    }

    /// Waits before the next try, or gives `error` back if there shall be none.
    pub(super) async fn after(&mut self, error: ClientError) -> Result<(), ClientError> {
        let until = *self.until.get_or_insert_with(|| Instant::now() + self.patience);
        if !error.is_retriable() || Instant::now() + self.next > until {
            return Err(error);
        }
        tokio::time::sleep(self.next).await;
        self.next = (self.next * 2).min(LONGEST);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ErrorCode;

    #[tokio::test(start_paused = true)]
    async fn it_gives_up_when_patience_is_over_and_at_once_on_what_stays_wrong() {
        let retriable = ClientError::refused("t", ErrorCode::NotLeaderOrFollower, None);
        let (mut backoff, began) = (Backoff::new(Duration::from_secs(5)), Instant::now());
        while backoff.after(retriable.clone()).await.is_ok() {}
        let took = began.elapsed();
        assert!(took > Duration::from_secs(3) && took <= Duration::from_secs(5), "{took:?}");
        let fatal = ClientError::refused("t", ErrorCode::TopicAlreadyExists, None);
        Backoff::new(Duration::from_secs(5)).after(fatal).await.unwrap_err();
    }
}
