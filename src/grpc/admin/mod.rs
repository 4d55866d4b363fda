//! The service `admin.v1.Admin`: topics and groups, for people and tools.

mod groups;
mod topics;

use tonic::{Request, Response, Status};

use super::permit::Permit;
use crate::broker::Broker;
use crate::proto::admin::admin_server::Admin;
use crate::proto::admin::{
    CreateTopicRequest, CreateTopicResponse, DeleteGroupRequest, DeleteGroupResponse, DeleteTopicRequest,
    DeleteTopicResponse, DescribeGroupRequest, DescribeGroupResponse, DescribeTopicRequest,
    DescribeTopicResponse, ListGroupsRequest, ListGroupsResponse, ListTopicsRequest, ListTopicsResponse,
};

/// See the module. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct AdminService {
    broker: Broker,
}

impl AdminService {
    pub(super) fn new(broker: Broker) -> Self {
        Self { broker }
    }
}

#[tonic::async_trait]
impl Admin for AdminService {
    async fn create_topic(
        &self,
        request: Request<CreateTopicRequest>,
    ) -> Result<Response<CreateTopicResponse>, Status> {
        let permit = Permit::of(&self.broker, &request, "CreateTopic");
        Ok(Response::new(topics::create(&self.broker, &permit, request.into_inner()).await?))
    }

    async fn delete_topic(
        &self,
        request: Request<DeleteTopicRequest>,
    ) -> Result<Response<DeleteTopicResponse>, Status> {
        let permit = Permit::of(&self.broker, &request, "DeleteTopic");
        Ok(Response::new(topics::delete(&self.broker, &permit, request.into_inner()).await?))
    }

    async fn list_topics(
        &self,
        request: Request<ListTopicsRequest>,
    ) -> Result<Response<ListTopicsResponse>, Status> {
        let permit = Permit::of(&self.broker, &request, "ListTopics");
        Ok(Response::new(topics::list(&self.broker, &permit, request.into_inner())))
    }

    async fn describe_topic(
        &self,
        request: Request<DescribeTopicRequest>,
    ) -> Result<Response<DescribeTopicResponse>, Status> {
        let permit = Permit::of(&self.broker, &request, "DescribeTopic");
        Ok(Response::new(topics::describe(&self.broker, &permit, request.get_ref()).await?))
    }

    async fn list_groups(
        &self,
        request: Request<ListGroupsRequest>,
    ) -> Result<Response<ListGroupsResponse>, Status> {
        let permit = Permit::of(&self.broker, &request, "ListGroups");
        Ok(Response::new(groups::list(&self.broker, &permit).await?))
    }

    async fn describe_group(
        &self,
        request: Request<DescribeGroupRequest>,
    ) -> Result<Response<DescribeGroupResponse>, Status> {
        let permit = Permit::of(&self.broker, &request, "DescribeGroup");
        Ok(Response::new(groups::describe(&self.broker, &permit, request.into_inner()).await?))
    }

    async fn delete_group(
        &self,
        request: Request<DeleteGroupRequest>,
    ) -> Result<Response<DeleteGroupResponse>, Status> {
        let permit = Permit::of(&self.broker, &request, "DeleteGroup");
        Ok(Response::new(groups::delete(&self.broker, &permit, request.into_inner()).await?))
    }
}
