//! Offsets: where partitions begin and end, what stands at a time, what a group has committed.

use std::collections::BTreeMap;

use crate::wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use crate::wire::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use crate::wire::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use crate::wire::messages::offset_fetch_request::OffsetFetchRequestGroup;
use crate::wire::messages::{
    BrokerId, GroupId, ListOffsetsRequest, OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest,
    OffsetFetchRequest, OffsetFetchResponse,
};

use super::text;
use crate::client::cluster::topic_name;
use crate::client::{ClientError, Cluster, Partition};

/// The last version of `OffsetCommit` that names topics; later ones have their ids (KIP-848).
pub(in crate::client) const COMMIT_BY_NAME: i16 = 9;
/// Likewise of `OffsetFetch`.
const FETCH_BY_NAME: i16 = 9;
/// The first version of `OffsetFetch` that asks for groups.
const FETCH_OF_GROUPS: i16 = 8;

/// Which offset of a partition is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetSpec {
    /// That of the first record that is kept.
    Earliest,
    /// That which the next record will have.
    Latest,
    /// The first at or after this time, in milliseconds since 1970.
    AtTime(i64),
}

/// An answer to an [`OffsetSpec`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundOffset {
    /// None if no record is as late as the time that was asked for.
    pub offset: Option<i64>,
}

/// What a group has committed for a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    pub offset: i64,
    pub metadata: String,
}

impl OffsetSpec {
    const fn timestamp(self) -> i64 {
        match self {
            Self::Earliest => -2,
            Self::Latest => -1,
            Self::AtTime(time) => time,
        }
    }
}

impl Cluster {
    /// What `wanted` asks for, of each partition's leader; tried again while leaders move.
    ///
    /// # Errors
    /// [`ClientError`] for the first partition that cannot be told.
    pub async fn list_offsets(
        &self,
        wanted: &[(Partition, OffsetSpec)],
    ) -> Result<BTreeMap<Partition, FoundOffset>, ClientError> {
        let mut found = BTreeMap::new();
        let mut backoff = self.backoff();
        loop {
            let left: Vec<_> =
                wanted.iter().filter(|(partition, _)| !found.contains_key(partition)).collect();
            if left.is_empty() {
                return Ok(found);
            }
            if let Err(error) = self.list_offsets_once(&left, &mut found).await {
                backoff.after(error).await?;
                let topics: Vec<&str> = left.iter().map(|(partition, _)| &*partition.topic).collect();
                // The next round says what is wrong, if this did not help.
                _ = self.refresh(Some(&topics)).await;
            }
        }
    }

    async fn list_offsets_once(
        &self,
        wanted: &[&(Partition, OffsetSpec)],
        found: &mut BTreeMap<Partition, FoundOffset>,
    ) -> Result<(), ClientError> {
        let mut by_leader: BTreeMap<String, (_, Vec<&(Partition, OffsetSpec)>)> = BTreeMap::new();
        for one in wanted {
            let leader = self.leader(&one.0).await?;
            by_leader.entry(leader.address().to_owned()).or_insert_with(|| (leader, Vec::new())).1.push(one);
        }
        for (connection, asked) in by_leader.into_values() {
            let version = connection.version::<ListOffsetsRequest>()?;
            let mut topics: BTreeMap<&str, Vec<ListOffsetsPartition>> = BTreeMap::new();
            for (partition, spec) in asked {
                let partitions = topics.entry(&partition.topic).or_default();
                partitions.push(
                    ListOffsetsPartition::default()
                        .with_partition_index(partition.index)
                        .with_current_leader_epoch(-1)
                        .with_timestamp(spec.timestamp()),
                );
            }
            let topics = topics.into_iter().map(|(name, partitions)| {
                ListOffsetsTopic::default().with_name(topic_name(name)).with_partitions(partitions)
            });
            let request =
                ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(topics.collect());
            let response = connection.call(&request, version).await?;
            for topic in response.topics {
                for answer in topic.partitions {
                    let partition = Partition::new(&topic.name, answer.partition_index);
                    ClientError::check(answer.error_code, partition.to_string(), None)?;
                    let offset = Some(answer.offset).filter(|offset| *offset >= 0);
                    found.insert(partition, FoundOffset { offset });
                }
            }
        }
        Ok(())
    }

    /// The offsets of one kind, plain, for partitions that have them always.
    ///
    /// # Errors
    /// As [`Cluster::list_offsets`].
    pub async fn offsets_of(
        &self,
        partitions: &[Partition],
        spec: OffsetSpec,
    ) -> Result<BTreeMap<Partition, i64>, ClientError> {
        let wanted: Vec<_> = partitions.iter().map(|partition| (partition.clone(), spec)).collect();
        let found = self.list_offsets(&wanted).await?;
        Ok(found.into_iter().map(|(partition, found)| (partition, found.offset.unwrap_or(0))).collect())
    }

    /// All that `group` has committed.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the coordinator's reason.
    pub async fn committed_offsets(
        &self,
        group: &str,
    ) -> Result<BTreeMap<Partition, CommittedOffset>, ClientError> {
        self.patiently_in(group, async || self.committed_offsets_once(group).await).await
    }

    async fn committed_offsets_once(
        &self,
        group: &str,
    ) -> Result<BTreeMap<Partition, CommittedOffset>, ClientError> {
        let connection = self.coordinator(group).await?;
        let version = connection.version_up_to::<OffsetFetchRequest>(FETCH_BY_NAME)?;
        let mut request = OffsetFetchRequest::default();
        if version >= FETCH_OF_GROUPS {
            let wanted =
                OffsetFetchRequestGroup::default().with_group_id(GroupId(text(group))).with_topics(None);
            request.groups = vec![if version >= 9 { wanted.with_member_epoch(-1) } else { wanted }];
        } else {
            request = request.with_group_id(GroupId(text(group))).with_topics(None);
        }
        let response = connection.call(&request, version).await?;
        committed(response, version >= FETCH_OF_GROUPS, group)
    }

    /// Commits for `group`, as no member of it: it must have none.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the coordinator's reason.
    pub async fn commit_offsets(
        &self,
        group: &str,
        offsets: &BTreeMap<Partition, i64>,
    ) -> Result<(), ClientError> {
        self.patiently_in(group, async || self.commit_offsets_once(group, offsets).await).await
    }

    async fn commit_offsets_once(
        &self,
        group: &str,
        offsets: &BTreeMap<Partition, i64>,
    ) -> Result<(), ClientError> {
        let connection = self.coordinator(group).await?;
        let version = connection.version_up_to::<OffsetCommitRequest>(COMMIT_BY_NAME)?;
        let request = OffsetCommitRequest::default()
            .with_group_id(GroupId(text(group)))
            .with_generation_id_or_member_epoch(-1)
            .with_retention_time_ms(-1)
            .with_topics(commit_topics(offsets));
        check_commit(connection.call(&request, version).await?, group)
    }

    /// Forgets what `group` has committed for `partitions`.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the coordinator's reason.
    pub async fn delete_offsets(&self, group: &str, partitions: &[Partition]) -> Result<(), ClientError> {
        self.patiently_in(group, async || self.delete_offsets_once(group, partitions).await).await
    }

    async fn delete_offsets_once(&self, group: &str, partitions: &[Partition]) -> Result<(), ClientError> {
        let mut topics: BTreeMap<&str, Vec<OffsetDeleteRequestPartition>> = BTreeMap::new();
        for partition in partitions {
            let index = OffsetDeleteRequestPartition::default().with_partition_index(partition.index);
            topics.entry(&partition.topic).or_default().push(index);
        }
        let topics = topics.into_iter().map(|(name, partitions)| {
            OffsetDeleteRequestTopic::default().with_name(topic_name(name)).with_partitions(partitions)
        });
        let request =
            OffsetDeleteRequest::default().with_group_id(GroupId(text(group))).with_topics(topics.collect());
        let connection = self.coordinator(group).await?;
        let version = connection.version::<OffsetDeleteRequest>()?;
        let response = connection.call(&request, version).await?;
        ClientError::check(response.error_code, format!("group {group}"), None)?;
        for topic in response.topics {
            for answer in topic.partitions {
                let subject = format!("group {group}, {}-{}", *topic.name, answer.partition_index);
                ClientError::check(answer.error_code, subject, None)?;
            }
        }
        Ok(())
    }
}

pub(in crate::client) fn commit_topics(offsets: &BTreeMap<Partition, i64>) -> Vec<OffsetCommitRequestTopic> {
    let mut topics: BTreeMap<&str, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
    for (partition, offset) in offsets {
        let committed = OffsetCommitRequestPartition::default()
            .with_partition_index(partition.index)
            .with_committed_offset(*offset)
            .with_committed_leader_epoch(-1)
            .with_committed_metadata(Some(text("")));
        topics.entry(&partition.topic).or_default().push(committed);
    }
    let topics = topics.into_iter().map(|(name, partitions)| {
        OffsetCommitRequestTopic::default().with_name(topic_name(name)).with_partitions(partitions)
    });
    topics.collect()
}

/// The first partition's no, if there is one.
pub(in crate::client) fn check_commit(
    response: OffsetCommitResponse,
    group: &str,
) -> Result<(), ClientError> {
    for topic in response.topics {
        for answer in topic.partitions {
            let subject = format!("group {group}, {}-{}", *topic.name, answer.partition_index);
            ClientError::check(answer.error_code, subject, None)?;
        }
    }
    Ok(())
}

fn committed(
    response: OffsetFetchResponse,
    of_groups: bool,
    group: &str,
) -> Result<BTreeMap<Partition, CommittedOffset>, ClientError> {
    let mut found = BTreeMap::new();
    let mut keep = |topic: &str, index: i32, code: i16, offset: i64, metadata: Option<String>| {
        let partition = Partition::new(topic, index);
        ClientError::check(code, format!("group {group}, {partition}"), None)?;
        if offset >= 0 {
            found.insert(partition, CommittedOffset { offset, metadata: metadata.unwrap_or_default() });
        }
        Ok(())
    };
    if of_groups {
        let Some(answer) = response.groups.into_iter().next() else {
            return Err(ClientError::Missing { subject: format!("group {group}") });
        };
        ClientError::check(answer.error_code, format!("group {group}"), None)?;
        for topic in answer.topics {
            for p in topic.partitions {
                let metadata = p.metadata.map(|text| text.to_string());
                keep(&topic.name, p.partition_index, p.error_code, p.committed_offset, metadata)?;
            }
        }
    } else {
        ClientError::check(response.error_code, format!("group {group}"), None)?;
        for topic in response.topics {
            for p in topic.partitions {
                let metadata = p.metadata.map(|text| text.to_string());
                keep(&topic.name, p.partition_index, p.error_code, p.committed_offset, metadata)?;
            }
        }
    }
    Ok(found)
}
