//! `GetServers`: which nodes there are, where, and who leads; what a client's Resolver asks, and its Picker goes by.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::error::Refusal;
use super::permit::Permit;
use super::target;
use crate::access::{Operation, Resource};
use crate::broker::{Broker, BrokerError};
use crate::cluster::{NodeImage, TopicImage};
use crate::proto::log::{GetServersRequest, GetServersResponse, LedPartitions, Listener, Server};

pub(super) async fn get_servers(
    broker: &Broker,
    permit: &Permit,
    request: GetServersRequest,
) -> Result<GetServersResponse, Refusal> {
    let topic = target::topic_to(Operation::Describe, broker, permit, &request.topic).await?;
    let partition = request.partition;
    if topic.partition(partition).is_none() {
        return Err(BrokerError::UnknownPartition { topic: topic.name.to_string(), partition }.into());
    }
    let leader = broker.leader(&topic, partition).node;
    let image = broker.image();
    let mut led: BTreeMap<i32, Vec<LedPartitions>> = BTreeMap::new();
    if request.all_topics {
        let shown = |topic: &&Arc<TopicImage>| {
            permit.shows(Operation::Describe, Resource::topic(topic.name.as_str()))
        };
        image.topics().filter(shown).for_each(|topic| gather(broker, topic, &mut led));
    } else {
        gather(broker, &topic, &mut led);
    }
    let server = |node: NodeImage| Server {
        id: node.id.to_string(),
        is_leader: node.id == leader,
        kafka_addr: kafka_addr(&node),
        listeners: listeners(&node),
        leads: led.remove(&node.id).unwrap_or_default(),
        rpc_addr: node.rpc_addr,
        rack: node.rack.unwrap_or_default(),
    };
    Ok(GetServersResponse { servers: broker.living_nodes(&image).into_iter().map(server).collect() })
}

/// Adds to each node what it leads of `topic`.
fn gather(broker: &Broker, topic: &TopicImage, led: &mut BTreeMap<i32, Vec<LedPartitions>>) {
    let mut by_node: BTreeMap<i32, BTreeSet<i32>> = BTreeMap::new();
    for (partition, _) in (0..).zip(&topic.partitions) {
        by_node.entry(broker.leader(topic, partition).node).or_default().insert(partition);
    }
    for (node, partitions) in by_node {
        let partitions = partitions.into_iter().collect();
        led.entry(node).or_default().push(LedPartitions { topic: topic.name.to_string(), partitions });
    }
}

/// HOST:PORT for Kafka clients, of the node's first listener; empty if it has not said.
pub(super) fn kafka_addr(node: &NodeImage) -> String {
    node.endpoint("").map(|endpoint| host_port(&endpoint.host, endpoint.port)).unwrap_or_default()
}

fn listeners(node: &NodeImage) -> Vec<Listener> {
    let endpoints = node.endpoints.iter();
    let listener =
        endpoints.map(|one| Listener { name: one.listener.clone(), address: host_port(&one.host, one.port) });
    listener.collect()
}

fn host_port(host: &str, port: u32) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
