//! `DescribeLogDirs` (key 35), v1-5. v2 flexible · v3 error code · v4 size of the volume (KIP-827) · v5 cordoned (KIP-1066)
//!
//! There is one directory, which is never cordoned, and no replica moves between directories.

use std::ops::RangeInclusive;

use tracing::warn;

use crate::access::{Operation, Resource};
use crate::broker::{BrokerError, LogDir};
use crate::kafka::api::{Answer, Handler, Reply, ResponseFrame};
use crate::kafka::context::Context;
use crate::wire::log_dirs_response;
use crate::wire::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use crate::wire::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse, TopicName};
use crate::wire::response::{EncodeError, ReplyTo};
use crate::wire::{ApiKey, ErrorCode, StrBytes};

pub(super) struct DescribeLogDirs;

/// An answer, which v5 needs coded by hand.
pub(super) struct LogDirs {
    response: DescribeLogDirsResponse,
    version: i16,
}

impl Answer for LogDirs {
    fn reply(self, to: ReplyTo) -> Result<Reply, EncodeError> {
        if self.version <= DescribeLogDirs::CODED_TO {
            return self.response.reply(to);
        }
        let mut frame = ResponseFrame::new(to);
        log_dirs_response::put(frame.head_mut(), &self.response)?;
        Ok(Reply::Frame(frame.finish()))
    }
}

impl Handler for DescribeLogDirs {
    const KEY: ApiKey = ApiKey::DescribeLogDirs;
    const VERSIONS: RangeInclusive<i16> = 1..=5;
    const CODED_TO: i16 = 4;
    type Request = DescribeLogDirsRequest;
    type Response = LogDirs;

    async fn handle(ctx: &Context, request: DescribeLogDirsRequest) -> Result<LogDirs, BrokerError> {
        ctx.authorise(Operation::Describe, Resource::cluster())?;
        let asked = request.topics.map(|topics| {
            topics.into_iter().map(|topic| (topic.topic.to_string(), topic.partitions)).collect()
        });
        let result = match ctx.broker.describe_log_dir(asked).await {
            Ok(dir) => described(dir),
            Err(error) => {
                warn!(%error, "the data directory cannot be described");
                DescribeLogDirsResult::default()
                    .with_error_code(ErrorCode::from(&error).code())
                    .with_log_dir(StrBytes::from_string(ctx.broker.log_dir_path()))
            }
        };
        let response = DescribeLogDirsResponse::default().with_results(vec![result]);
        Ok(LogDirs { response, version: ctx.version() })
    }

    fn refused(code: ErrorCode) -> LogDirs {
        let response = DescribeLogDirsResponse::default().with_error_code(code.code());
        LogDirs { response, version: *Self::VERSIONS.start() }
    }
}

/// The logs come sorted by topic.
fn described(dir: LogDir) -> DescribeLogDirsResult {
    let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let mut topics: Vec<DescribeLogDirsTopic> = Vec::new();
    for log in dir.logs {
        let partition = DescribeLogDirsPartition::default()
            .with_partition_index(log.partition)
            .with_partition_size(bytes(log.bytes));
        if let Some(topic) = topics.last_mut().filter(|topic| topic.name.as_str() == log.topic.as_str()) {
            topic.partitions.push(partition);
            continue;
        }
        let name = TopicName(StrBytes::from_string(log.topic.to_string()));
        topics.push(DescribeLogDirsTopic::default().with_name(name).with_partitions(vec![partition]));
    }
    DescribeLogDirsResult::default()
        .with_log_dir(StrBytes::from_string(dir.path))
        .with_topics(topics)
        .with_total_bytes(bytes(dir.total_bytes))
        .with_usable_bytes(bytes(dir.usable_bytes))
}
