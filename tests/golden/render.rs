//! How the answer of each API becomes lines. Throttle times are left out; list order never shows, keys do.

use kafka_protocol::messages::{
    AlterConfigsResponse, ApiVersionsResponse, CreatePartitionsResponse, CreateTopicsResponse,
    DeleteRecordsResponse, DeleteTopicsResponse, DescribeClusterResponse, DescribeConfigsResponse,
    FetchResponse, IncrementalAlterConfigsResponse, InitProducerIdResponse, ListOffsetsResponse,
    MetadataResponse, OffsetForLeaderEpochResponse, ProduceResponse,
};
use kafka_protocol::protocol::StrBytes;

use crate::answer::{Fields, Leaf, Names, Render, Writer, fields};
use crate::batch;

/// Resource type of a broker; its configs are many and its own, so only these are compared.
const BROKER_RESOURCE: i8 = 4;
const BROKER_CONFIGS: [&str; 10] = [
    "auto.create.topics.enable",
    "compression.type",
    "default.replication.factor",
    "delete.topic.enable",
    "log.cleanup.policy",
    "log.retention.ms",
    "log.segment.bytes",
    "message.max.bytes",
    "min.insync.replicas",
    "num.partitions",
];

/// The broker's own address as a client must be told it, by name if it is right.
pub(crate) fn endpoint(names: &Names, host: &str, port: i32) -> String {
    if port == i32::from(names.port) { "<this-broker>".to_owned() } else { format!("{host}:{port}") }
}

fn cluster_id(id: &str) -> &'static str {
    if id.is_empty() { "''" } else { "<cluster-id>" }
}

impl Render for ApiVersionsResponse {
    fn render(&self, to: &mut Writer<'_>) {
        let epoch = self.finalized_features_epoch != -1;
        to.root(fields!(to.names, self; error_code, zk_migration_ready).put_if(
            epoch,
            "finalized_features_epoch",
            "<n>",
        ));
        for api in &self.api_keys {
            to.line(format!("api_keys[{}]", api.api_key), fields!(to.names, api; min_version, max_version));
        }
        for one in &self.supported_features {
            let path = format!("supported_features[{}]", one.name);
            to.line(path, fields!(to.names, one; min_version, max_version));
        }
        for one in &self.finalized_features {
            let path = format!("finalized_features[{}]", one.name);
            to.line(path, fields!(to.names, one; min_version_level, max_version_level));
        }
    }
}

impl Render for MetadataResponse {
    fn render(&self, to: &mut Writer<'_>) {
        let id = self.cluster_id.as_ref().map_or("null", |id| cluster_id(id));
        let told = self.cluster_id.is_some();
        to.root(fields!(to.names, self; error_code, controller_id, cluster_authorized_operations).put_if(
            told,
            "cluster_id",
            id,
        ));
        for broker in &self.brokers {
            let at = endpoint(to.names, &broker.host, broker.port);
            to.line(format!("brokers[{}]", broker.node_id.0), fields!(to.names, broker; rack).put("at", at));
        }
        for topic in &self.topics {
            let name = topic.name.as_ref().map_or("", |name| name.as_str());
            // Other tests have topics on the same broker.
            if topic.error_code == 0 && !name.contains(&to.names.unique) {
                continue;
            }
            let path = format!("topics[{}]", to.names.topic(name, &topic.topic_id));
            let line = fields!(to.names, topic; error_code, name, topic_id, is_internal, topic_authorized_operations);
            to.line(&path, line);
            for one in &topic.partitions {
                let line =
                    fields!(to.names, one; error_code, leader_id, replica_nodes, isr_nodes, offline_replicas)
                        .epoch(to.names, "leader_epoch", one.leader_epoch);
                to.line(format!("{path}.partitions[{}]", one.partition_index), line);
            }
        }
    }
}

impl Render for ProduceResponse {
    fn render(&self, to: &mut Writer<'_>) {
        for node in &self.node_endpoints {
            let at = endpoint(to.names, &node.host, node.port);
            to.line(
                format!("node_endpoints[{}]", node.node_id.0),
                fields!(to.names, node; rack).put("at", at),
            );
        }
        for topic in &self.responses {
            let path = format!("responses[{}]", to.names.topic(&topic.name, &topic.topic_id));
            to.line(&path, fields!(to.names, topic;));
            for one in &topic.partition_responses {
                let path = format!("{path}.partition_responses[{}]", one.index);
                let leader = &one.current_leader;
                let line = fields!(to.names, one; error_code, base_offset, log_start_offset)
                    .time(to.names, "log_append_time_ms", one.log_append_time_ms)
                    .message("error_message", one.error_message.as_ref())
                    .put_if(leader.leader_id.0 != -1, "current_leader", leader.leader_id.leaf(to.names))
                    .epoch(to.names, "current_leader_epoch", leader.leader_epoch);
                to.line(&path, line);
                for error in &one.record_errors {
                    let text = error.batch_index_error_message.as_ref();
                    let line = Fields::default().message("batch_index_error_message", text);
                    to.line(format!("{path}.record_errors[{}]", error.batch_index), line);
                }
            }
        }
    }
}

impl Render for FetchResponse {
    fn render(&self, to: &mut Writer<'_>) {
        let session = self.session_id != 0;
        to.root(fields!(to.names, self; error_code).put_if(session, "session_id", "<session>"));
        for node in &self.node_endpoints {
            let at = endpoint(to.names, &node.host, node.port);
            to.line(
                format!("node_endpoints[{}]", node.node_id.0),
                fields!(to.names, node; rack).put("at", at),
            );
        }
        for topic in &self.responses {
            let path = format!("responses[{}]", to.names.topic(&topic.topic, &topic.topic_id));
            to.line(&path, fields!(to.names, topic;));
            for one in &topic.partitions {
                fetched_partition(to, &format!("{path}.partitions[{}]", one.partition_index), one);
            }
        }
    }
}

fn fetched_partition(
    to: &mut Writer<'_>,
    path: &str,
    one: &kafka_protocol::messages::fetch_response::PartitionData,
) {
    let (diverging, leader) = (&one.diverging_epoch, &one.current_leader);
    let aborted = one.aborted_transactions.as_ref().map_or(0, Vec::len);
    let line =
        fields!(to.names, one; error_code, last_stable_offset, log_start_offset, preferred_read_replica)
            .put("high_watermark", one.high_watermark.to_string())
            .put_if(aborted != 0, "aborted_transactions", aborted.to_string())
            .put_if(one.aborted_transactions.is_none(), "aborted_transactions", "null")
            .put_if(diverging.end_offset != -1, "diverging_end_offset", diverging.end_offset.to_string())
            .epoch(to.names, "diverging_epoch", diverging.epoch)
            .put_if(leader.leader_id.0 != -1, "current_leader", leader.leader_id.leaf(to.names))
            .epoch(to.names, "current_leader_epoch", leader.leader_epoch)
            .put_if(one.snapshot_id.end_offset != -1, "snapshot_id", "set")
            .put_if(one.records.is_none(), "records", "null");
    to.line(path, line);
    batch::render(to, path, one.records.clone().unwrap_or_default());
}

impl Render for ListOffsetsResponse {
    fn render(&self, to: &mut Writer<'_>) {
        for topic in &self.topics {
            for one in &topic.partitions {
                let line = fields!(to.names, one; error_code, offset)
                    .time(to.names, "timestamp", one.timestamp)
                    .epoch(to.names, "leader_epoch", one.leader_epoch);
                let path =
                    format!("topics[{}].partitions[{}]", to.names.text(&topic.name), one.partition_index);
                to.line(path, line);
            }
        }
    }
}

impl Render for CreateTopicsResponse {
    fn render(&self, to: &mut Writer<'_>) {
        for topic in &self.topics {
            let path = format!("topics[{}]", to.names.text(&topic.name));
            let some = fields!(to.names, topic; error_code, topic_config_error_code, num_partitions, replication_factor, topic_id)
                .message("error_message", topic.error_message.as_ref())
                .put_if(topic.configs.is_none(), "configs", "null");
            to.line(&path, some);
            for one in topic.configs.iter().flatten() {
                let line = fields!(to.names, one; value, read_only, config_source, is_sensitive);
                to.line(format!("{path}.configs[{}]", one.name), line);
            }
        }
    }
}

impl Render for DeleteTopicsResponse {
    fn render(&self, to: &mut Writer<'_>) {
        for topic in &self.responses {
            let name = topic.name.as_ref().map_or("", |name| name.as_str());
            let line = fields!(to.names, topic; error_code, name, topic_id)
                .message("error_message", topic.error_message.as_ref());
            to.line(format!("responses[{}]", to.names.topic(name, &topic.topic_id)), line);
        }
    }
}

impl Render for CreatePartitionsResponse {
    fn render(&self, to: &mut Writer<'_>) {
        for topic in &self.results {
            let line =
                fields!(to.names, topic; error_code).message("error_message", topic.error_message.as_ref());
            to.line(format!("results[{}]", to.names.text(&topic.name)), line);
        }
    }
}

impl Render for InitProducerIdResponse {
    fn render(&self, to: &mut Writer<'_>) {
        let line = fields!(to.names, self; error_code, producer_id, producer_epoch, ongoing_txn_producer_id, ongoing_txn_producer_epoch);
        to.line("answer", line);
    }
}

impl Render for OffsetForLeaderEpochResponse {
    fn render(&self, to: &mut Writer<'_>) {
        for topic in &self.topics {
            for one in &topic.partitions {
                let line = fields!(to.names, one; error_code, end_offset).epoch(
                    to.names,
                    "leader_epoch",
                    one.leader_epoch,
                );
                let path = format!("topics[{}].partitions[{}]", to.names.text(&topic.topic), one.partition);
                to.line(path, line);
            }
        }
    }
}

impl Render for DescribeConfigsResponse {
    fn render(&self, to: &mut Writer<'_>) {
        for result in &self.results {
            let path = format!("results[{}:{}]", result.resource_type, to.names.text(&result.resource_name));
            let line =
                fields!(to.names, result; error_code).message("error_message", result.error_message.as_ref());
            to.line(&path, line);
            for one in &result.configs {
                if result.resource_type == BROKER_RESOURCE && !BROKER_CONFIGS.contains(&one.name.as_str()) {
                    continue;
                }
                let synonym =
                    |s: &kafka_protocol::messages::describe_configs_response::DescribeConfigsSynonym| {
                        format!("{}:{}@{}", s.name, s.value.leaf(to.names), s.source)
                    };
                let synonyms: Vec<String> = one.synonyms.iter().map(synonym).collect();
                let line = fields!(to.names, one; value, read_only, config_source, is_sensitive, config_type)
                    .put_if(!synonyms.is_empty(), "synonyms", synonyms.join(","))
                    .message("documentation", one.documentation.as_ref().filter(|text| !text.is_empty()));
                to.line(format!("{path}.configs[{}]", one.name), line);
            }
        }
    }
}

fn altered(to: &mut Writer<'_>, (kind, name): (i8, &StrBytes), code: i16, message: Option<&StrBytes>) {
    let line =
        Fields::default().put_if(code != 0, "error_code", code.to_string()).message("error_message", message);
    to.line(format!("responses[{kind}:{}]", to.names.text(name)), line);
}

impl Render for IncrementalAlterConfigsResponse {
    fn render(&self, to: &mut Writer<'_>) {
        for one in &self.responses {
            let resource = (one.resource_type, &one.resource_name);
            altered(to, resource, one.error_code, one.error_message.as_ref());
        }
    }
}

impl Render for AlterConfigsResponse {
    fn render(&self, to: &mut Writer<'_>) {
        for one in &self.responses {
            let resource = (one.resource_type, &one.resource_name);
            altered(to, resource, one.error_code, one.error_message.as_ref());
        }
    }
}

impl Render for DescribeClusterResponse {
    fn render(&self, to: &mut Writer<'_>) {
        to.root(
            fields!(to.names, self; error_code, endpoint_type, controller_id, cluster_authorized_operations)
                .put("cluster_id", cluster_id(&self.cluster_id))
                .message("error_message", self.error_message.as_ref()),
        );
        for broker in &self.brokers {
            let at = endpoint(to.names, &broker.host, broker.port);
            let line = fields!(to.names, broker; rack, is_fenced).put("at", at);
            to.line(format!("brokers[{}]", broker.broker_id.0), line);
        }
    }
}

impl Render for DeleteRecordsResponse {
    fn render(&self, to: &mut Writer<'_>) {
        for topic in &self.topics {
            for one in &topic.partitions {
                let path =
                    format!("topics[{}].partitions[{}]", to.names.text(&topic.name), one.partition_index);
                to.line(path, fields!(to.names, one; error_code, low_watermark));
            }
        }
    }
}
