//! Why a group's coordinator refuses.

/// Situations, not codes: the door chooses one for each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    #[error("a group needs an id")]
    InvalidGroupId,
    #[error("a session timeout of {asked} ms is outside [{min}, {max}]")]
    InvalidSessionTimeout { asked: i32, min: i32, max: i32 },
    #[error("'{member}' is no member of group '{group}'")]
    UnknownMember { group: String, member: String },
    /// The member has to join again with this id. Source: KIP-394.
    #[error("the member of group '{group}' has to join again as '{member}'")]
    MemberIdRequired { group: String, member: String },
    #[error("'{instance}' of group '{group}' is another member now than '{member}'")]
    FencedInstance { group: String, instance: String, member: String },
    #[error("generation {asked} of group '{group}' is not the current one, {current}")]
    IllegalGeneration { group: String, asked: i32, current: i32 },
    #[error("group '{group}' rebalances")]
    RebalanceInProgress { group: String },
    #[error("the protocols of '{member}' do not go with those of group '{group}'")]
    InconsistentProtocol { group: String, member: String },
    #[error("group '{group}' has {max} members already")]
    GroupFull { group: String, max: usize },
    #[error("{what} in group '{group}' is {bytes} long, {max} are allowed")]
    TooLarge { group: String, what: &'static str, bytes: usize, max: usize },
    #[error("group '{group}' has members")]
    NotEmpty { group: String },
    #[error("Group {group} not found.")]
    NotFound { group: String },
    #[error("group '{group}' is subscribed to topic '{topic}'")]
    Subscribed { group: String, topic: String },
    #[error("metadata of {length} UTF-16 units is longer than the {max} that are allowed")]
    OffsetMetadataTooLarge { length: usize, max: usize },
    #[error("partition {partition} of topic '{topic}' does not exist")]
    UnknownPartition { topic: String, partition: i32 },
    /// The groups of this partition are being read from the log.
    #[error("the groups of {partition} are being loaded")]
    Loading { partition: String },
    /// Another node has the group, or its log failed here.
    #[error("this node does not coordinate group '{group}': {reason}")]
    NotCoordinator { group: String, reason: String },
    /// There is no coordinator now.
    #[error("no coordinator for group '{group}': {reason}")]
    NotAvailable { group: String, reason: String },
}
