//! Topics and groups.

use bateau::proto::admin::{
    CreateTopicRequest, CreateTopicResponse, DeleteGroupRequest, DeleteGroupResponse, DeleteTopicRequest,
    DeleteTopicResponse, DescribeGroupRequest, DescribeGroupResponse, DescribeTopicRequest,
    DescribeTopicResponse, ListGroupsRequest, ListGroupsResponse, ListTopicsRequest, ListTopicsResponse,
};
use tonic::Code;

use crate::call::{Client, info};
use crate::node::Node;

#[tokio::test]
async fn a_topic_is_made_described_listed_and_deleted() {
    let node = Node::start(&[]);
    let client = Client::to(&node.grpc).await;
    let request = CreateTopicRequest {
        name: "sky".into(),
        partitions: 3,
        configs: [("retention.ms".to_owned(), "1000".to_owned())].into(),
        ..CreateTopicRequest::default()
    };
    let create = async |request: &CreateTopicRequest| {
        client.unary::<_, CreateTopicResponse>("/admin.v1.Admin/CreateTopic", request.clone()).await
    };
    let checked = create(&CreateTopicRequest { validate_only: true, ..request.clone() }).await.unwrap();
    assert_eq!((checked.id.as_str(), checked.partitions), ("", 3));
    let made = create(&request).await.unwrap();
    assert_eq!((made.id.len(), made.partitions, made.replication_factor), (22, 3, 1));
    let again = create(&request).await.unwrap_err();
    assert_eq!((again.code(), info(&again).reason.as_str()), (Code::AlreadyExists, "TOPIC_EXISTS"));
    let wrong = CreateTopicRequest { name: "moon".into(), partitions: -3, ..CreateTopicRequest::default() };
    assert_eq!(create(&wrong).await.unwrap_err().code(), Code::InvalidArgument);
    let configs = [("no.such.key".to_owned(), "1".to_owned())].into();
    let wrong = CreateTopicRequest { name: "moon".into(), configs, ..CreateTopicRequest::default() };
    assert_eq!(info(&create(&wrong).await.unwrap_err()).reason, "INVALID_CONFIG");

    node.run(&["produce", "sky", "--partition", "1"], "a\nb\n");
    let request = DescribeTopicRequest { name: "sky".into() };
    let sky: DescribeTopicResponse =
        client.unary("/admin.v1.Admin/DescribeTopic", request.clone()).await.unwrap();
    assert_eq!((&sky.id, sky.partitions.len(), sky.configs["retention.ms"].as_str()), (&made.id, 3, "1000"));
    let partition = &sky.partitions[1];
    assert_eq!(
        (partition.leader, partition.log_start_offset, partition.high_watermark),
        (1, Some(0), Some(2))
    );
    let all: ListTopicsResponse =
        client.unary("/admin.v1.Admin/ListTopics", ListTopicsRequest::default()).await.unwrap();
    assert_eq!((all.topics.len(), all.topics[0].name.as_str()), (1, "sky"));

    let delete = DeleteTopicRequest { name: "sky".into() };
    let _: DeleteTopicResponse = client.unary("/admin.v1.Admin/DeleteTopic", delete.clone()).await.unwrap();
    let gone = client.unary::<_, DeleteTopicResponse>("/admin.v1.Admin/DeleteTopic", delete).await;
    assert_eq!(gone.unwrap_err().code(), Code::NotFound);
    let gone = client.unary::<_, DescribeTopicResponse>("/admin.v1.Admin/DescribeTopic", request).await;
    assert_eq!(info(&gone.unwrap_err()).reason, "UNKNOWN_TOPIC");
}

#[tokio::test]
async fn a_group_shows_what_it_has_not_read() {
    let node = Node::start(&[]);
    let client = Client::to(&node.grpc).await;
    let describe = async |name: &str| {
        let request = DescribeGroupRequest { name: name.into() };
        client.unary::<_, DescribeGroupResponse>("/admin.v1.Admin/DescribeGroup", request).await
    };
    assert_eq!(info(&describe("crew").await.unwrap_err()).reason, "GROUP_NOT_FOUND");
    node.run(&["topic", "create", "sky"], "");
    node.run(&["produce", "sky"], "a\nb\nc\n");
    node.run(&["consume", "sky", "--group", "crew", "--max", "2"], "");
    let crew = describe("crew").await.unwrap();
    assert_eq!((crew.state.as_str(), crew.members.len(), crew.offsets.len()), ("Empty", 0, 1));
    let offset = &crew.offsets[0];
    assert_eq!((offset.topic.as_str(), offset.committed_offset), ("sky", 2));
    assert_eq!((offset.end_offset, offset.lag), (Some(3), Some(1)));
    let all: ListGroupsResponse =
        client.unary("/admin.v1.Admin/ListGroups", ListGroupsRequest {}).await.unwrap();
    assert_eq!((all.groups.len(), all.groups[0].name.as_str()), (1, "crew"));
    assert_eq!(describe("nobody").await.unwrap_err().code(), Code::NotFound);

    let delete = DeleteGroupRequest { name: "crew".into() };
    let _: DeleteGroupResponse = client.unary("/admin.v1.Admin/DeleteGroup", delete).await.unwrap();
    assert_eq!(describe("crew").await.unwrap_err().code(), Code::NotFound);
}
