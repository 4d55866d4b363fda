//! Settings as they are in force on this node: defaults, then what was given at start, then what
//! was changed while running, then a topic's own.
//!
//! Follows the metadata: each agreed change is taken in before whoever proposed it is answered.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::{Mutex, RwLock};

use crate::cluster::{Changes, DistributedLog, LogSettings, MetadataImage, Replicas, TopicImage};
use crate::keys::{BrokerSettings, Layers, TopicSettings};
use crate::model::TopicId;
use crate::storage::LogOptions;

/// See the module.
#[derive(Debug)]
pub(super) struct Settings {
    node: i32,
    statics: BTreeMap<String, String>,
    broker: ArcSwap<BrokerSettings>,
    topics: RwLock<HashMap<TopicId, Arc<TopicSettings>>>,
    replicas: Arc<Replicas>,
    /// Logs whose topic is gone, for whoever deletes them.
    doomed: Mutex<Vec<Arc<DistributedLog>>>,
    has_doomed: tokio::sync::Notify,
}

impl Settings {
    /// `statics` must have been checked.
    pub(super) fn new(node: i32, statics: BTreeMap<String, String>, replicas: Arc<Replicas>) -> Self {
        let none = BTreeMap::new();
        let layers = Layers { static_broker: &statics, dynamic_default: &none, dynamic_broker: &none };
        let broker = ArcSwap::from_pointee(BrokerSettings::resolve(&layers));
        let (topics, doomed, has_doomed) = (RwLock::default(), Mutex::default(), tokio::sync::Notify::new());
        Self { node, statics, broker, topics, replicas, doomed, has_doomed }
    }

    pub(super) fn broker(&self) -> Arc<BrokerSettings> {
        self.broker.load_full()
    }

    pub(super) fn topic(&self, topic: &TopicImage) -> Arc<TopicSettings> {
        if let Some(settings) = self.topics.read().get(&topic.id) {
            return Arc::clone(settings);
        }
        // A topic that was deleted a moment ago: by the brokers' settings.
        let none = BTreeMap::new();
        let layers = Layers { static_broker: &self.statics, dynamic_default: &none, dynamic_broker: &none };
        Arc::new(TopicSettings::resolve(&layers, &topic.overrides))
    }

    /// The layers below a topic's own configuration, as of `image`.
    pub(super) fn with_layers<T>(&self, image: &MetadataImage, use_them: impl FnOnce(&Layers<'_>) -> T) -> T {
        let none = BTreeMap::new();
        let node = image.node_overrides.get(&self.node).unwrap_or(&none);
        use_them(&Layers {
            static_broker: &self.statics,
            dynamic_default: &image.cluster_overrides,
            dynamic_broker: node,
        })
    }

    /// Whether somebody has set a broker key at start.
    pub(super) fn is_given(&self, key: &str) -> bool {
        self.statics.contains_key(key)
    }

    /// Waits until there are logs to be deleted.
    pub(super) async fn doomed(&self) {
        self.has_doomed.notified().await;
    }

    fn doom(&self, logs: Vec<Arc<DistributedLog>>) {
        if !logs.is_empty() {
            self.doomed.lock().extend(logs);
            self.has_doomed.notify_one();
        }
    }

    /// Takes the logs whose topics are gone, or that are placed elsewhere now.
    pub(super) fn take_doomed(&self) -> Vec<Arc<DistributedLog>> {
        std::mem::take(&mut *self.doomed.lock())
    }

    fn take_in(&self, topic: &TopicImage, layers: &Layers<'_>) {
        let settings = Arc::new(TopicSettings::resolve(layers, &topic.overrides));
        let compacted = |s: &TopicSettings| s.cleanup.compact;
        let rewritten = topic.is_internal();
        if compacted(&settings)
            && !rewritten
            && !self.topics.read().get(&topic.id).is_some_and(|old| compacted(old))
        {
            tracing::warn!(topic = %topic.name, "cleanup.policy=compact: all records are kept until compaction exists");
        }
        self.doom(self.replicas.keep(topic, log_settings(&settings)));
        self.topics.write().insert(topic.id, settings);
    }
}

impl Changes for Settings {
    fn changed(&self, before: &MetadataImage, after: &MetadataImage) {
        // First, since a topic that comes may have the name of one that goes.
        for topic in before.topics().filter(|t| after.topic_by_id(t.id).is_none()) {
            self.topics.write().remove(&topic.id);
            self.doom(self.replicas.remove(topic.id));
        }
        let broker_changed = before.cluster_overrides != after.cluster_overrides
            || before.node_overrides.get(&self.node) != after.node_overrides.get(&self.node);
        self.with_layers(after, |layers| {
            if broker_changed {
                self.broker.store(Arc::new(BrokerSettings::resolve(layers)));
            }
            for topic in after.topics() {
                let same = before.topic_by_id(topic.id).is_some_and(|old| Arc::ptr_eq(old, topic));
                if broker_changed || !same {
                    self.take_in(topic, layers);
                }
            }
        });
    }
}

fn log_settings(settings: &TopicSettings) -> LogSettings {
    LogSettings {
        options: LogOptions {
            segment_bytes: settings.segment_bytes,
            segment_index_bytes: settings.segment_index_bytes,
            segment_ms: settings.segment_ms,
            segment_jitter_ms: settings.segment_jitter_ms,
        },
        flush_messages: settings.flush_messages,
        flush_ms: settings.flush_ms.unwrap_or(u64::MAX),
    }
}
