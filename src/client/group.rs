//! A member of a classic consumer group: joins, gets partitions, stays alive, commits, leaves.
//!
//! Heartbeats go out in a task of their own; [`GroupMember::must_rejoin`] resolves when they bring bad news.
//! Source: KIP-62 for the background heartbeat, KIP-394 for the member id that the coordinator gives, KIP-345.

mod heartbeats;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::sync::watch;

use crate::wire::messages::join_group_request::JoinGroupRequestProtocol;
use crate::wire::messages::join_group_response::JoinGroupResponseMember;
use crate::wire::messages::leave_group_request::MemberIdentity;
use crate::wire::messages::sync_group_request::SyncGroupRequestAssignment;
use crate::wire::messages::{
    GroupId, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, OffsetCommitRequest, SyncGroupRequest,
};
use crate::wire::{ErrorCode, StrBytes};

use super::admin::offsets::{COMMIT_BY_NAME, check_commit, commit_topics};
use super::assignor::{RANGE, Subscriber, assign_ranges, assignment, subscription, topics_of};
use super::connection::ANSWER_WITHIN;
use super::{ClientError, Cluster, Partition, partitions_of_assignment};
use heartbeats::{Beating, Heartbeats, News};

const PROTOCOL_TYPE: StrBytes = StrBytes::from_static_str("consumer");
/// The first versions that carry a group instance id (KIP-345).
const JOIN_WITH_INSTANCE: i16 = 5;
const SYNC_WITH_INSTANCE: i16 = 3;
const COMMIT_WITH_INSTANCE: i16 = 7;
/// The first version of `LeaveGroup` that names several members.
const LEAVE_BY_MEMBERS: i16 = 3;
/// The first version of `SyncGroup` that says the protocol (KIP-559).
const SYNC_WITH_PROTOCOL: i16 = 5;
/// How often a join is asked for again at once, before there are waits between. A rebalance takes two or three.
const HURRIES_MAX: u32 = 10;

/// How a member takes part.
#[derive(Clone, Debug)]
pub struct GroupOptions {
    pub group: String,
    pub topics: Vec<String>,
    /// Makes the member a static one.
    pub instance_id: Option<String>,
    pub session_timeout: Duration,
    pub rebalance_timeout: Duration,
    pub heartbeat_interval: Duration,
}

/// Who a member is to the coordinator.
#[derive(Clone, Debug)]
struct Identity {
    group: String,
    member_id: StrBytes,
    instance_id: Option<StrBytes>,
    generation: i32,
}

#[derive(Debug)]
pub struct GroupMember {
    cluster: Cluster,
    options: GroupOptions,
    identity: Identity,
    heartbeats: Option<Heartbeats>,
}

impl GroupMember {
    /// Not joined yet.
    pub fn new(cluster: &Cluster, options: GroupOptions) -> Self {
        let identity = Identity {
            group: options.group.clone(),
            member_id: StrBytes::new(),
            instance_id: options.instance_id.clone().map(StrBytes::from_string),
            generation: -1,
        };
        Self { cluster: cluster.clone(), options, identity, heartbeats: None }
    }

    /// Joins, or joins again, and returns the partitions that are this member's until [`GroupMember::must_rejoin`].
    ///
    /// May be given up at any await; [`GroupMember::leave`] still says goodbye then.
    ///
    /// # Errors
    /// [`ClientError`] if the coordinator refuses for good, or nothing answers.
    pub async fn join(&mut self) -> Result<Vec<Partition>, ClientError> {
        self.heartbeats = None;
        let mut backoff = self.cluster.backoff();
        let mut hurries = 0..HURRIES_MAX;
        loop {
            let error = match self.join_once().await {
                Ok(partitions) => {
                    self.heartbeats = Some(self.start_heartbeats());
                    return Ok(partitions);
                }
                Err(error) => error,
            };
            let may_hurry = match error.code() {
                // The id is kept now, or the group has moved on: ask again at once.
                Some(ErrorCode::MemberIdRequired | ErrorCode::RebalanceInProgress) => true,
                Some(ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration) => {
                    self.forget_id();
                    true
                }
                _ => false,
            };
            if !may_hurry || hurries.next().is_none() {
                self.cluster.forget_coordinator(&self.options.group);
                backoff.after(error).await?;
            }
        }
    }

    fn forget_id(&mut self) {
        self.identity.member_id = StrBytes::new();
        self.identity.generation = -1;
    }

    async fn join_once(&mut self) -> Result<Vec<Partition>, ClientError> {
        let joined = self.ask_to_join().await?;
        if !joined.member_id.is_empty() {
            self.identity.member_id = joined.member_id.clone();
        }
        self.check(joined.error_code)?;
        self.identity.generation = joined.generation_id;
        let leads = joined.leader == joined.member_id && !joined.skip_assignment;
        let assignments = if leads { self.assign(joined.members).await? } else { Vec::new() };
        self.sync(assignments).await
    }

    async fn ask_to_join(&self) -> Result<JoinGroupResponse, ClientError> {
        let millis = |time: Duration| i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
        let connection = self.cluster.coordinator(&self.options.group).await?;
        let version = connection.version::<JoinGroupRequest>()?;
        let range = JoinGroupRequestProtocol::default()
            .with_name(StrBytes::from_static_str(RANGE))
            .with_metadata(subscription(&self.options.topics));
        let instance = self.identity.instance_id.clone().filter(|_| version >= JOIN_WITH_INSTANCE);
        let request = JoinGroupRequest::default()
            .with_group_id(self.identity.group_id())
            .with_session_timeout_ms(millis(self.options.session_timeout))
            .with_rebalance_timeout_ms(millis(self.options.rebalance_timeout))
            .with_member_id(self.identity.member_id.clone())
            .with_group_instance_id(instance)
            .with_protocol_type(PROTOCOL_TYPE)
            .with_protocols(vec![range]);
        let within = ANSWER_WITHIN + self.options.rebalance_timeout;
        connection.call_within(&request, version, within).await
    }

    /// As the leader: who gets what.
    async fn assign(
        &self,
        members: Vec<JoinGroupResponseMember>,
    ) -> Result<Vec<SyncGroupRequestAssignment>, ClientError> {
        let subscribers: Vec<_> = members
            .into_iter()
            .map(|member| Subscriber {
                member_id: member.member_id.to_string(),
                instance_id: member.group_instance_id.map(|id| id.to_string()),
                topics: topics_of(member.metadata).unwrap_or_default(),
            })
            .collect();
        let topics: BTreeSet<&str> =
            subscribers.iter().flat_map(|subscriber| subscriber.topics.iter().map(String::as_str)).collect();
        let topics: Vec<&str> = topics.into_iter().collect();
        let metadata = self.cluster.refresh(Some(&topics)).await?;
        let partitions = topics.iter().filter_map(|name| {
            let topic = metadata.topics.get(*name)?;
            Some(((*name).to_owned(), topic.partitions.iter().map(|partition| partition.index).collect()))
        });
        let assigned = assign_ranges(&subscribers, &partitions.collect());
        let assignments = assigned.into_iter().map(|(member, partitions)| {
            SyncGroupRequestAssignment::default()
                .with_member_id(StrBytes::from_string(member))
                .with_assignment(assignment(&partitions))
        });
        Ok(assignments.collect())
    }

    async fn sync(
        &self,
        assignments: Vec<SyncGroupRequestAssignment>,
    ) -> Result<Vec<Partition>, ClientError> {
        let connection = self.cluster.coordinator(&self.options.group).await?;
        let version = connection.version::<SyncGroupRequest>()?;
        let mut request = SyncGroupRequest::default()
            .with_group_id(self.identity.group_id())
            .with_generation_id(self.identity.generation)
            .with_member_id(self.identity.member_id.clone())
            .with_group_instance_id(
                self.identity.instance_id.clone().filter(|_| version >= SYNC_WITH_INSTANCE),
            )
            .with_assignments(assignments);
        if version >= SYNC_WITH_PROTOCOL {
            request.protocol_type = Some(PROTOCOL_TYPE);
            request.protocol_name = Some(StrBytes::from_static_str(RANGE));
        }
        let within = ANSWER_WITHIN + self.options.rebalance_timeout;
        let response = connection.call_within(&request, version, within).await?;
        self.check(response.error_code)?;
        partitions_of_assignment(response.assignment).ok_or_else(|| ClientError::Protocol {
            subject: format!("group {}", self.options.group),
            what: "the leader's assignment is unreadable".into(),
        })
    }

    fn check(&self, code: i16) -> Result<(), ClientError> {
        ClientError::check(code, format!("group {}", self.options.group), None)
    }

    fn start_heartbeats(&self) -> Heartbeats {
        let (tell, news) = watch::channel(News::Alive);
        let beating = Beating {
            cluster: self.cluster.clone(),
            identity: self.identity.clone(),
            interval: self.options.heartbeat_interval,
            session_timeout: self.options.session_timeout,
        };
        let task = tokio::spawn(async move {
            // Whoever held the other end has left.
            _ = tell.send(beating.until_news().await);
        });
        Heartbeats { task, news }
    }

    /// Resolves when [`GroupMember::join`] has to be called again.
    ///
    /// # Errors
    /// [`ClientError`] if the coordinator has put this member out for good.
    pub async fn must_rejoin(&self) -> Result<(), ClientError> {
        let Some(heartbeats) = &self.heartbeats else { return Ok(()) };
        let mut news = heartbeats.news.clone();
        let changed = news.wait_for(|news| !matches!(news, News::Alive)).await;
        match changed.map(|news| news.clone()) {
            Ok(News::Failed(error)) => Err(error),
            Ok(News::Alive | News::Rejoin) | Err(_) => Ok(()),
        }
    }

    /// Commits, as this member in this generation.
    ///
    /// # Errors
    /// [`ClientError::Refused`]: the group has moved on, or the coordinator's reason.
    pub async fn commit(&self, offsets: &BTreeMap<Partition, i64>) -> Result<(), ClientError> {
        let mut backoff = self.cluster.backoff();
        loop {
            let Err(error) = self.commit_once(offsets).await else { return Ok(()) };
            if error.code() == Some(ErrorCode::RebalanceInProgress) {
                return Err(error);
            }
            self.cluster.forget_coordinator(&self.options.group);
            backoff.after(error).await?;
        }
    }

    async fn commit_once(&self, offsets: &BTreeMap<Partition, i64>) -> Result<(), ClientError> {
        let connection = self.cluster.coordinator(&self.options.group).await?;
        let version = connection.version_up_to::<OffsetCommitRequest>(COMMIT_BY_NAME)?;
        let request = OffsetCommitRequest::default()
            .with_group_id(self.identity.group_id())
            .with_generation_id_or_member_epoch(self.identity.generation)
            .with_member_id(self.identity.member_id.clone())
            .with_group_instance_id(
                self.identity.instance_id.clone().filter(|_| version >= COMMIT_WITH_INSTANCE),
            )
            .with_retention_time_ms(-1)
            .with_topics(commit_topics(offsets));
        check_commit(connection.call(&request, version).await?, &self.options.group)
    }

    /// Whether `error` of a commit only says that the group has moved on, and its new owners will read again.
    pub fn has_moved_on(error: &ClientError) -> bool {
        matches!(
            error.code(),
            Some(ErrorCode::RebalanceInProgress | ErrorCode::IllegalGeneration | ErrorCode::UnknownMemberId)
        )
    }

    /// Says goodbye, so that the others need not wait for the session timeout. A static member stays, as it may be back.
    ///
    /// # Errors
    /// [`ClientError`] if the coordinator does not hear it; the session timeout will do then.
    pub async fn leave(mut self) -> Result<(), ClientError> {
        self.heartbeats = None;
        if self.identity.member_id.is_empty() || self.identity.instance_id.is_some() {
            return Ok(());
        }
        let connection = self.cluster.coordinator(&self.options.group).await?;
        let version = connection.version::<LeaveGroupRequest>()?;
        let mut request = LeaveGroupRequest::default().with_group_id(self.identity.group_id());
        if version >= LEAVE_BY_MEMBERS {
            request.members = vec![MemberIdentity::default().with_member_id(self.identity.member_id.clone())];
        } else {
            request.member_id = self.identity.member_id.clone();
        }
        let response = connection.call(&request, version).await?;
        self.check(response.error_code)
    }
}

impl Identity {
    fn group_id(&self) -> GroupId {
        GroupId(StrBytes::from_string(self.group.clone()))
    }
}
