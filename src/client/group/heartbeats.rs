//! The heartbeats of a member, in a task of their own, until they bring news.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::client::{ClientError, Cluster};
use crate::wire::ErrorCode;
use crate::wire::messages::HeartbeatRequest;

use super::Identity;

/// The first version that carries a group instance id (KIP-345).
const HEARTBEAT_WITH_INSTANCE: i16 = 3;

/// What the heartbeats brought last.
#[derive(Clone, Debug)]
pub(super) enum News {
    Alive,
    /// The group rebalances, or the coordinator does not know this member any more.
    Rejoin,
    Failed(ClientError),
}

#[derive(Debug)]
pub(super) struct Heartbeats {
    pub(super) task: JoinHandle<()>,
    pub(super) news: watch::Receiver<News>,
}

impl Drop for Heartbeats {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What the heartbeats' task needs.
pub(super) struct Beating {
    pub(super) cluster: Cluster,
    pub(super) identity: Identity,
    pub(super) interval: Duration,
    pub(super) session_timeout: Duration,
}

impl Beating {
    pub(super) async fn until_news(self) -> News {
        let mut last_heard = tokio::time::Instant::now();
        loop {
            tokio::time::sleep(self.interval).await;
            let error = match self.beat().await {
                Ok(()) => {
                    last_heard = tokio::time::Instant::now();
                    continue;
                }
                Err(error) => error,
            };
            match error.code() {
                Some(
                    ErrorCode::RebalanceInProgress
                    | ErrorCode::IllegalGeneration
                    | ErrorCode::UnknownMemberId,
                ) => {
                    return News::Rejoin;
                }
                _ if error.is_retriable() => self.cluster.forget_coordinator(&self.identity.group),
                _ => return News::Failed(error),
            }
            // The coordinator has given this member up; joining again says how it stands, or that nothing answers.
            if last_heard.elapsed() > self.session_timeout {
                return News::Rejoin;
            }
        }
    }

    async fn beat(&self) -> Result<(), ClientError> {
        let connection = self.cluster.coordinator(&self.identity.group).await?;
        let version = connection.version::<HeartbeatRequest>()?;
        let instance = self.identity.instance_id.clone().filter(|_| version >= HEARTBEAT_WITH_INSTANCE);
        let request = HeartbeatRequest::default()
            .with_group_id(self.identity.group_id())
            .with_generation_id(self.identity.generation)
            .with_member_id(self.identity.member_id.clone())
            .with_group_instance_id(instance);
        let response = connection.call(&request, version).await?;
        ClientError::check(response.error_code, format!("group {}", self.identity.group), None)
    }
}
