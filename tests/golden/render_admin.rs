//! How the answers of APIs about log directories, leaders, reassignments, the quorum, features and producers become lines; see
//! `render.rs`.

use kafka_protocol::messages::{
    AlterPartitionReassignmentsResponse, DescribeLogDirsResponse, DescribeProducersResponse,
    DescribeQuorumResponse, DescribeTopicPartitionsResponse, ElectLeadersResponse,
    ListConfigResourcesResponse, ListPartitionReassignmentsResponse, UnregisterBrokerResponse,
    UpdateFeaturesResponse,
};

use crate::answer::{Fields, Render, Writer, fields};

/// How much there is differs from run to run; that there is something does not.
fn some(amount: i64) -> String {
    if amount > 0 { "<n>".to_owned() } else { amount.to_string() }
}

impl Render for DescribeLogDirsResponse {
    /// Of v5 the codec leaves a byte unread for each directory: whether it is cordoned.
    fn render(&self, to: &mut Writer<'_>) {
        to.root(fields!(to.names, self; error_code));
        for dir in &self.results {
            let line = fields!(to.names, dir; error_code)
                .put_if(dir.total_bytes != -1, "total_bytes", some(dir.total_bytes))
                .put_if(dir.usable_bytes != -1, "usable_bytes", some(dir.usable_bytes));
            to.line("results[<log-dir>]", line);
            // Other tests have topics on the same broker.
            for topic in dir.topics.iter().filter(|topic| topic.name.contains(&to.names.unique)) {
                let path = format!("results[<log-dir>].topics[{}]", to.names.text(&topic.name));
                to.line(&path, fields!(to.names, topic;));
                for one in &topic.partitions {
                    let line = fields!(to.names, one; offset_lag, is_future_key)
                        .put("partition_size", some(one.partition_size));
                    to.line(format!("{path}.partitions[{}]", one.partition_index), line);
                }
            }
        }
    }
}

impl Render for DescribeTopicPartitionsResponse {
    fn render(&self, to: &mut Writer<'_>) {
        if let Some(next) = &self.next_cursor {
            to.line("next_cursor", fields!(to.names, next; topic_name, partition_index));
        }
        for topic in &self.topics {
            let name = topic.name.as_ref().map_or("", |name| name.as_str());
            if topic.error_code == 0 && !name.contains(&to.names.unique) {
                continue;
            }
            let path = format!("topics[{}]", to.names.text(name));
            let line =
                fields!(to.names, topic; error_code, topic_id, is_internal, topic_authorized_operations);
            to.line(&path, line);
            for one in &topic.partitions {
                let line = fields!(to.names, one; error_code, leader_id, replica_nodes, isr_nodes, eligible_leader_replicas, last_known_elr, offline_replicas)
                    .epoch(to.names, "leader_epoch", one.leader_epoch);
                to.line(format!("{path}.partitions[{}]", one.partition_index), line);
            }
        }
    }
}

impl Render for ListConfigResourcesResponse {
    /// Of topics, groups and subscriptions only those of this run.
    fn render(&self, to: &mut Writer<'_>) {
        to.root(fields!(to.names, self; error_code));
        for one in &self.config_resources {
            if one.resource_name.contains(&to.names.unique) || matches!(one.resource_type, 4 | 8) {
                let name = to.names.text(&one.resource_name);
                to.line(format!("config_resources[{}:{name}]", one.resource_type), Fields::default());
            }
        }
    }
}

impl Render for ElectLeadersResponse {
    fn render(&self, to: &mut Writer<'_>) {
        to.root(fields!(to.names, self; error_code));
        for topic in &self.replica_election_results {
            if topic.partition_result.is_empty() && !topic.topic.contains(&to.names.unique) {
                continue;
            }
            let path = format!("topics[{}]", to.names.text(&topic.topic));
            to.line(&path, fields!(to.names, topic;));
            for one in &topic.partition_result {
                let line =
                    fields!(to.names, one; error_code).message("error_message", one.error_message.as_ref());
                to.line(format!("{path}.partitions[{}]", one.partition_id), line);
            }
        }
    }
}

impl Render for AlterPartitionReassignmentsResponse {
    fn render(&self, to: &mut Writer<'_>) {
        to.root(
            fields!(to.names, self; error_code, allow_replication_factor_change)
                .message("error_message", self.error_message.as_ref()),
        );
        for topic in &self.responses {
            let path = format!("responses[{}]", to.names.text(&topic.name));
            to.line(&path, fields!(to.names, topic;));
            for one in &topic.partitions {
                let line =
                    fields!(to.names, one; error_code).message("error_message", one.error_message.as_ref());
                to.line(format!("{path}.partitions[{}]", one.partition_index), line);
            }
        }
    }
}

impl Render for ListPartitionReassignmentsResponse {
    fn render(&self, to: &mut Writer<'_>) {
        to.root(fields!(to.names, self; error_code).message("error_message", self.error_message.as_ref()));
        for topic in &self.topics {
            for one in &topic.partitions {
                let path =
                    format!("topics[{}].partitions[{}]", to.names.text(&topic.name), one.partition_index);
                to.line(path, fields!(to.names, one; replicas, adding_replicas, removing_replicas));
            }
        }
    }
}

impl Render for DescribeQuorumResponse {
    fn render(&self, to: &mut Writer<'_>) {
        to.root(fields!(to.names, self; error_code).message("error_message", self.error_message.as_ref()));
        for topic in &self.topics {
            let path = format!("topics[{}]", to.names.text(&topic.topic_name));
            to.line(&path, fields!(to.names, topic;));
            for one in &topic.partitions {
                let path = format!("{path}.partitions[{}]", one.partition_index);
                let line = fields!(to.names, one; error_code, leader_id)
                    .message("error_message", one.error_message.as_ref())
                    .put("leader_epoch", some(one.leader_epoch.into()))
                    .put("high_watermark", some(one.high_watermark));
                to.line(&path, line);
                for voter in &one.current_voters {
                    let line = fields!(to.names, voter; replica_directory_id)
                        .put("log_end_offset", some(voter.log_end_offset))
                        .time(to.names, "last_fetch_timestamp", voter.last_fetch_timestamp)
                        .time(to.names, "last_caught_up_timestamp", voter.last_caught_up_timestamp);
                    to.line(format!("{path}.current_voters[{}]", voter.replica_id.0), line);
                }
                for observer in &one.observers {
                    let path = format!("{path}.observers[{}]", observer.replica_id.0);
                    to.line(path, fields!(to.names, observer;));
                }
            }
        }
        for node in &self.nodes {
            let names: Vec<&str> = node.listeners.iter().map(|listener| listener.name.as_str()).collect();
            let line = Fields::default().put("listeners", names.join(","));
            to.line(format!("nodes[{}]", node.node_id.0), line);
        }
    }
}

impl Render for UpdateFeaturesResponse {
    fn render(&self, to: &mut Writer<'_>) {
        to.root(fields!(to.names, self; error_code).message("error_message", self.error_message.as_ref()));
        for one in &self.results {
            let line =
                fields!(to.names, one; error_code).message("error_message", one.error_message.as_ref());
            to.line(format!("results[{}]", one.feature), line);
        }
    }
}

impl Render for UnregisterBrokerResponse {
    fn render(&self, to: &mut Writer<'_>) {
        to.root(fields!(to.names, self; error_code).message("error_message", self.error_message.as_ref()));
    }
}

impl Render for DescribeProducersResponse {
    fn render(&self, to: &mut Writer<'_>) {
        for topic in &self.topics {
            let path = format!("topics[{}]", to.names.text(&topic.name));
            to.line(&path, fields!(to.names, topic;));
            for one in &topic.partitions {
                let path = format!("{path}.partitions[{}]", one.partition_index);
                let line =
                    fields!(to.names, one; error_code).message("error_message", one.error_message.as_ref());
                to.line(&path, line);
                for producer in &one.active_producers {
                    let line = fields!(to.names, producer; producer_epoch, last_sequence, coordinator_epoch, current_txn_start_offset)
                        .time(to.names, "last_timestamp", producer.last_timestamp);
                    to.line(format!("{path}.active_producers[<pid>]"), line);
                }
            }
        }
    }
}
