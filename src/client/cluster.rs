//! A cluster as its client sees it: the metadata, one connection to each broker, who coordinates which group.
//!
//! All of it is a cache: what turns out stale is asked for again, with waits between, until patience is over.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::wire::messages::metadata_request::MetadataRequestTopic;
use crate::wire::messages::{FindCoordinatorRequest, MetadataRequest, TopicName};
use crate::wire::{ErrorCode, StrBytes};

use super::backoff::Backoff;
use super::{ClientError, Connection, Metadata, Partition, Security, TopicMetadata};

/// `FindCoordinator`'s key type for groups.
const KEY_IS_GROUP: i8 = 0;

/// How to reach a cluster.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// Addresses to begin with, HOST:PORT each; one that answers is enough.
    pub bootstrap: Vec<String>,
    pub security: Security,
    /// How long one thing is tried again while brokers restart and leaders move.
    pub patience: Duration,
}

/// Cheap to clone; all clones share connections and metadata.
#[derive(Clone, Debug)]
pub struct Cluster {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: ClusterOptions,
    /// At most one for each broker and each bootstrap address.
    connections: Mutex<HashMap<String, Connection>>,
    metadata: Mutex<Arc<Metadata>>,
    /// Node ids by group.
    coordinators: Mutex<HashMap<String, i32>>,
}

impl Cluster {
    /// Nothing is connected yet.
    pub fn new(options: ClusterOptions) -> Self {
        let inner = Inner {
            options,
            connections: Mutex::default(),
            metadata: Mutex::default(),
            coordinators: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    pub(super) fn backoff(&self) -> Backoff {
        Backoff::new(self.inner.options.patience)
    }

    pub fn patience(&self) -> Duration {
        self.inner.options.patience
    }

    /// Does `once`, again and again until it is done, patience is over, or a later try will not do better either. What is
    /// known of the cluster is asked for anew between tries.
    ///
    /// # Errors
    /// That of the last try.
    pub(super) async fn patiently<T>(
        &self,
        once: impl AsyncFn() -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let mut backoff = self.backoff();
        loop {
            match once().await {
                Ok(done) => return Ok(done),
                // To the clients of a topic that is only just being made this says "later"; here it is the answer.
                Err(error) if error.code() == Some(ErrorCode::UnknownTopicOrPartition) => return Err(error),
                Err(error) => backoff.after(error).await?,
            }
            // If this does not help, the next try says why.
            _ = self.refresh(Some(&[])).await;
        }
    }

    /// As [`Cluster::patiently`], for what `group`'s coordinator is asked: who that is is found anew, too.
    ///
    /// # Errors
    /// That of the last try.
    pub(super) async fn patiently_in<T>(
        &self,
        group: &str,
        once: impl AsyncFn() -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let forgetting = async || {
            let done = once().await;
            if done.is_err() {
                self.forget_coordinator(group);
            }
            done
        };
        self.patiently(forgetting).await
    }

    /// What was learnt so far.
    pub fn metadata(&self) -> Arc<Metadata> {
        Arc::clone(&self.inner.metadata.lock())
    }

    /// Asks for `topics` and adds the answer to what is known, or for all of them, which replaces it.
    ///
    /// # Errors
    /// [`ClientError`] if no broker answers. A topic's own error is in its metadata.
    pub async fn refresh(&self, topics: Option<&[&str]>) -> Result<Arc<Metadata>, ClientError> {
        let connection = self.any().await?;
        let wanted = topics.map(|names| {
            let named =
                names.iter().map(|name| MetadataRequestTopic::default().with_name(Some(topic_name(name))));
            named.collect()
        });
        let request = MetadataRequest::default().with_topics(wanted).with_allow_auto_topic_creation(false);
        let version = connection.version::<MetadataRequest>()?;
        let response = connection.call(&request, version).await?;
        let mut metadata = self.inner.metadata.lock();
        // Who asks for all learns which are gone, too.
        let known = if topics.is_some() { Metadata::clone(&metadata) } else { Metadata::default() };
        *metadata = Arc::new(known.with(response));
        Ok(Arc::clone(&metadata))
    }

    /// A topic that exists and has a leader for each partition; asks until that is so.
    ///
    /// # Errors
    /// [`ClientError::Refused`] if there is no such topic.
    pub async fn topic(&self, name: &str) -> Result<TopicMetadata, ClientError> {
        let mut backoff = self.backoff();
        loop {
            let error = match self.refresh(Some(&[name])).await {
                Ok(metadata) => match metadata.topics.get(name) {
                    None => ClientError::Missing { subject: format!("topic {name}") },
                    Some(topic) => match topic.error {
                        // Nothing is gained by waiting: the answer is the same for whoever made the topic.
                        Some(code @ ErrorCode::UnknownTopicOrPartition) => {
                            return Err(ClientError::refused(format!("topic {name}"), code, None));
                        }
                        Some(code) => ClientError::refused(format!("topic {name}"), code, None),
                        None if topic.partitions.iter().any(|partition| partition.leader.is_none()) => {
                            ClientError::NoLeader { subject: format!("topic {name}") }
                        }
                        None => return Ok(topic.clone()),
                    },
                },
                Err(error) => error,
            };
            backoff.after(error).await?;
        }
    }

    /// The connection to the node that leads `partition`, by what is known, asking once if nothing is.
    ///
    /// # Errors
    /// [`ClientError`]; [`ClientError::NoLeader`] is worth a later try.
    pub async fn leader(&self, partition: &Partition) -> Result<Connection, ClientError> {
        let known = |metadata: &Metadata| metadata.partition(&partition.topic, partition.index)?.leader;
        let mut leader = known(&self.metadata());
        if leader.is_none() {
            leader = known(&*self.refresh(Some(&[&partition.topic])).await?);
        }
        match leader {
            Some(node) => self.node(node).await,
            None => Err(ClientError::NoLeader { subject: partition.to_string() }),
        }
    }

    /// The connection to a node of the metadata.
    ///
    /// # Errors
    /// [`ClientError`] if it is not known or does not answer.
    pub async fn node(&self, id: i32) -> Result<Connection, ClientError> {
        let address = self.metadata().brokers.get(&id).map(super::BrokerNode::address);
        match address {
            Some(address) => self.connection(&address).await,
            None => Err(ClientError::NoLeader { subject: format!("node {id}") }),
        }
    }

    /// A connection to any broker: one that is open, else of the metadata, else of the bootstrap addresses.
    ///
    /// # Errors
    /// [`ClientError::NoBroker`] with what the last one said.
    pub async fn any(&self) -> Result<Connection, ClientError> {
        let open = self.inner.connections.lock().values().find(|connection| !connection.is_broken()).cloned();
        if let Some(connection) = open {
            return Ok(connection);
        }
        let mut addresses = self.inner.options.bootstrap.clone();
        addresses.extend(self.metadata().brokers.values().map(super::BrokerNode::address));
        addresses.dedup();
        let mut last = None;
        for address in &addresses {
            match self.connection(address).await {
                Ok(connection) => return Ok(connection),
                // It answered, so the address is right and something else is wrong.
                Err(error) if !error.is_network() => return Err(error),
                Err(error) => last = Some(error),
            }
        }
        let bootstrap = self.inner.options.bootstrap.join(",");
        let is_news = !self.inner.connections.lock().is_empty();
        Err(match last {
            Some(error) => ClientError::NoBroker { bootstrap, is_news, source: Box::new(error) },
            None => ClientError::Protocol { subject: bootstrap, what: "no address to begin with".into() },
        })
    }

    /// The connection to the controller, or to whoever passes on what is for it.
    ///
    /// # Errors
    /// [`ClientError`] if no broker answers.
    pub async fn controller(&self) -> Result<Connection, ClientError> {
        let metadata = match self.metadata() {
            known if known.controller.is_some() => known,
            _ => self.refresh(Some(&[])).await?,
        };
        match metadata.controller {
            Some(node) => self.node(node).await,
            None => self.any().await,
        }
    }

    async fn connection(&self, address: &str) -> Result<Connection, ClientError> {
        let known = self.inner.connections.lock().get(address).cloned();
        if let Some(connection) = known.filter(|connection| !connection.is_broken()) {
            return Ok(connection);
        }
        let connection = self.open(address).await?;
        self.inner.connections.lock().insert(address.to_owned(), connection.clone());
        Ok(connection)
    }

    async fn open(&self, address: &str) -> Result<Connection, ClientError> {
        let is_first = self.metadata().brokers.is_empty();
        Connection::open(address, &self.inner.options.security, is_first).await
    }

    /// A connection of one's own to the node that leads `partition`: what waits there holds up nobody else.
    ///
    /// # Errors
    /// As [`Cluster::leader`].
    pub(super) async fn own_connection(&self, node: i32) -> Result<Connection, ClientError> {
        let address = self.metadata().brokers.get(&node).map(super::BrokerNode::address);
        match address {
            Some(address) => self.open(&address).await,
            None => Err(ClientError::NoLeader { subject: format!("node {node}") }),
        }
    }

    /// The connection to the coordinator of `group`, asking who that is if it is not known.
    ///
    /// # Errors
    /// [`ClientError`]; many of them are worth a later try.
    pub async fn coordinator(&self, group: &str) -> Result<Connection, ClientError> {
        let known = self.inner.coordinators.lock().get(group).copied();
        let node = match known {
            Some(node) => node,
            None => self.find_coordinator(group).await?,
        };
        self.node(node).await
    }

    /// To be asked anew at the next use.
    pub fn forget_coordinator(&self, group: &str) {
        self.inner.coordinators.lock().remove(group);
    }

    async fn find_coordinator(&self, group: &str) -> Result<i32, ClientError> {
        let connection = self.any().await?;
        let version = connection.version::<FindCoordinatorRequest>()?;
        let key = StrBytes::from_string(group.to_owned());
        let mut request = FindCoordinatorRequest::default().with_key_type(KEY_IS_GROUP);
        if version >= 4 {
            request.coordinator_keys = vec![key];
        } else {
            request.key = key;
        }
        let response = connection.call(&request, version).await?;
        let subject = format!("coordinator of group {group}");
        let (code, message, node) = if version >= 4 {
            let Some(found) = response.coordinators.into_iter().next() else {
                return Err(ClientError::Missing { subject });
            };
            (found.error_code, found.error_message, found.node_id.0)
        } else {
            (response.error_code, response.error_message, response.node_id.0)
        };
        ClientError::check(code, subject, message.as_deref())?;
        if !self.metadata().brokers.contains_key(&node) {
            self.refresh(Some(&[])).await?;
        }
        self.inner.coordinators.lock().insert(group.to_owned(), node);
        Ok(node)
    }
}

pub(super) fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}
