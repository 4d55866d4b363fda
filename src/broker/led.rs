//! What keeps this node's part of the cluster going: leaders are announced, elected, relieved.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::watch;

use super::Broker;
use super::controller::{LostReplica, OfPartition, Verb};
use crate::cluster::{DistributedLog, Group, News, Upkeep, UpkeepSettings, keep_led};

/// Leaderships that are handed over at the same time.
const HANDED_OVER_AT_ONCE: usize = 32;

impl Broker {
    /// Runs until `closing` says so.
    pub async fn keep_cluster(&self, closing: watch::Receiver<bool>) {
        let (exchange, replicas) = (&self.0.exchange, &self.0.replicas);
        let metadata = Arc::clone(self.0.metadata.log());
        let announced = exchange.announce(closing.clone());
        let led =
            keep_led(Arc::clone(exchange), Arc::clone(replicas), Arc::clone(&metadata), closing.clone());
        let broker = self.clone();
        let tell = move |news: News| -> futures_util::future::BoxFuture<'static, ()> {
            let broker = broker.clone();
            let verb = match &news {
                News::Placed(key, replicas) => Verb::Placed(OfPartition::placed(*key, replicas)),
                News::Lost(key, replica) => Verb::Lost(LostReplica::new(*key, *replica)),
            };
            Box::pin(async move {
                if let Err(error) = broker.by_controller(verb).await {
                    tracing::debug!(?news, %error, "the controller was not told");
                }
            })
        };
        let upkeep = Upkeep::new(Arc::clone(exchange), Arc::clone(replicas), metadata, Arc::new(tell));
        let broker = self.clone();
        let settings = move || {
            let settings = broker.settings();
            UpkeepSettings {
                lag_max: Duration::from_millis(settings.replica_lag_max_ms),
                hand_back: settings.auto_leader_rebalance,
            }
        };
        let kept = upkeep.run(settings, closing.clone());
        let image = self.0.metadata.maintain(closing);
        futures_util::future::join4(announced, led, kept, image).await;
    }

    /// Hands every leadership that another node can take to it; returns when all are tried.
    pub async fn hand_over_all(&self) {
        self.0.exchange.leave();
        let mut logs: Vec<Arc<DistributedLog>> = self.0.replicas.all();
        logs.push(Arc::clone(self.0.metadata.log()));
        let led = logs.iter().filter_map(|log| log.running()).filter(|group| group.leads().is_some());
        let handed_over = led.map(|group| async move { self.hand_over(&group).await });
        futures_util::stream::iter(handed_over)
            .buffer_unordered(HANDED_OVER_AT_ONCE)
            .collect::<Vec<_>>()
            .await;
    }

    /// To whoever has most of what this leader has.
    async fn hand_over(&self, group: &Group) {
        let voters: Vec<u64> = group.voters().into_iter().flatten().collect();
        let mut others = group.followers();
        others.retain(|f| voters.contains(&f.replica) && self.0.exchange.is_alive_replica(group, f.replica));
        others.sort_by_key(|f| std::cmp::Reverse(f.matched));
        for other in others {
            if group.hand_over(other.replica).await {
                return;
            }
        }
    }
}
