//! `OffsetDelete` (key 47), v0. Source: KIP-496

use std::ops::RangeInclusive;

use super::exists;
use crate::access::{Operation, Resource};
use crate::broker::BrokerError;
use crate::kafka::api::Handler;
use crate::kafka::context::Context;
use crate::wire::messages::offset_delete_request::OffsetDeleteRequestTopic;
use crate::wire::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use crate::wire::messages::{OffsetDeleteRequest, OffsetDeleteResponse};
use crate::wire::{ApiKey, ErrorCode};

pub(super) struct OffsetDelete;

impl Handler for OffsetDelete {
    const KEY: ApiKey = ApiKey::OffsetDelete;
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    type Request = OffsetDeleteRequest;
    type Response = OffsetDeleteResponse;

    /// The group is asked even if none of the partitions exists: whether it may lose offsets comes first.
    async fn handle(
        ctx: &Context,
        request: OffsetDeleteRequest,
    ) -> Result<OffsetDeleteResponse, BrokerError> {
        ctx.authorise(Operation::Delete, Resource::group(&request.group_id))?;
        let (image, permissions) = (ctx.broker.image(), ctx.permissions());
        let may_read: Vec<bool> = request
            .topics
            .iter()
            .map(|topic| permissions.allows(Operation::Read, Resource::topic(&topic.name)))
            .collect();
        let open = request.topics.iter().zip(&may_read).filter_map(|(topic, may)| may.then_some(topic));
        let all = open.flat_map(|topic| {
            topic.partitions.iter().map(|partition| (topic.name.to_string(), partition.partition_index))
        });
        let known: Vec<(String, i32)> = all.filter(|(topic, index)| exists(&image, topic, *index)).collect();
        let answers = match ctx.broker.delete_offsets(&request.group_id, &known).await {
            Ok(answers) => answers,
            Err(error) => return Ok(Self::refused(ErrorCode::from(&error))),
        };
        let mut codes =
            answers.iter().map(|answer| answer.as_ref().err().map_or(0, |e| ErrorCode::from(e).code()));
        let mut answer = |(topic, may_read): (&OffsetDeleteRequestTopic, &bool)| {
            let partitions = topic.partitions.iter().map(|partition| {
                let index = partition.partition_index;
                let code = match exists(&image, &topic.name, index) {
                    _ if !may_read => ErrorCode::TopicAuthorizationFailed.code(),
                    true => codes.next().unwrap_or(0),
                    false => ErrorCode::UnknownTopicOrPartition.code(),
                };
                OffsetDeleteResponsePartition::default().with_partition_index(index).with_error_code(code)
            });
            let partitions = partitions.collect();
            OffsetDeleteResponseTopic::default().with_name(topic.name.clone()).with_partitions(partitions)
        };
        let topics = request.topics.iter().zip(&may_read).map(&mut answer).collect();
        Ok(OffsetDeleteResponse::default().with_topics(topics))
    }

    fn refused(code: ErrorCode) -> OffsetDeleteResponse {
        OffsetDeleteResponse::default().with_error_code(code.code())
    }
}
