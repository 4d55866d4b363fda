//! Topics that would rather go on with losses than wait (`unclean.leader.election.enable`): the controller gives up a
//! majority of replicas that has been silent for long, as a person would by `bateau partition recover`.
//!
//! Not here: how that is done, and that nothing is given up while a majority answers (`recovery`).

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::{Broker, BrokerError};
use crate::cluster::{PartitionImage, PartitionKey};

/// How long a majority has to be silent: a restart of its machines should take less.
const SILENT_FOR: Duration = Duration::from_secs(30);
/// Between two looks.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(5);

impl Broker {
    /// Runs until `closing` says so.
    pub(super) async fn keep_unclean(&self, mut closing: watch::Receiver<bool>) {
        let mut since: HashMap<PartitionKey, Instant> = HashMap::new();
        while !super::maintenance::wait(&mut closing, LOOKED_AT_EVERY).await {
            if !self.is_controller() {
                since.clear();
                continue;
            }
            let bereft = self.bereft();
            since.retain(|key, _| bereft.contains(key));
            for key in bereft {
                let silent_for = since.entry(key).or_insert_with(Instant::now).elapsed();
                if silent_for >= SILENT_FOR {
                    self.give_up_majority(key).await;
                }
            }
        }
    }

    /// Partitions of such topics with a living replica, and no majority of them.
    fn bereft(&self) -> Vec<PartitionKey> {
        let image = self.image();
        let unclean = image.topics().filter(|topic| self.topic_settings(topic).unclean_leader_election);
        let partitions =
            unclean.flat_map(|topic| (0..).map(|index| (topic.id, index)).zip(&topic.partitions));
        partitions.filter(|(_, placed)| self.is_bereft(placed)).map(|(key, _)| key).collect()
    }

    fn is_bereft(&self, placed: &PartitionImage) -> bool {
        let nodes = placed.nodes();
        let living = nodes.iter().filter(|node| self.is_alive(**node)).count();
        living > 0 && living * 2 <= nodes.len()
    }

    async fn give_up_majority(&self, (topic, partition): PartitionKey) {
        match self.recover((topic, partition)).await {
            Ok(()) => tracing::warn!(
                %topic, partition,
                "most replicas were silent for {} s: one goes on alone, since the topic's \
                 unclean.leader.election.enable is true; records that it lacks are lost",
                SILENT_FOR.as_secs()
            ),
            Err(BrokerError::ElectionNotNeeded { .. }) => {}
            Err(error) => tracing::warn!(%topic, partition, %error, "an unclean election has to wait"),
        }
    }
}
