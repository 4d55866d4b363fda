//! What can go wrong between this client and a broker, with who said so.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::wire::ErrorCode;
use crate::wire::request::CodecError;

/// Cheap to clone, since one broken connection fails everything that waits on it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ClientError {
    #[error("{address}: cannot connect: {source}; is a broker running there?")]
    Connect {
        address: String,
        #[source]
        source: Arc<io::Error>,
    },
    #[error("{address}: the connection broke: {source}{}", or_nothing(*hint))]
    Broken {
        address: String,
        /// What may be missing; then a later try does no better.
        hint: Option<&'static str>,
        #[source]
        source: Arc<io::Error>,
    },
    #[error("{address}: no TLS with this broker: {source}{}", or_nothing(*hint))]
    Tls {
        address: String,
        /// As above.
        hint: Option<&'static str>,
        #[source]
        source: Arc<io::Error>,
    },
    #[error("{address}: no answer within {} s; is it a Kafka port, and not overloaded?", within.as_secs())]
    Silent { address: String, within: Duration },
    #[error("{address}: what came back is no Kafka response ({what}); is it a Kafka port?")]
    NotKafka { address: String, what: String },
    #[error("{address}: the broker does not know {api}{theirs}")]
    Unsupported { address: String, api: &'static str, theirs: String },
    #[error("{address}: {source}")]
    Codec {
        address: String,
        #[source]
        source: Arc<CodecError>,
    },
    #[error("no broker of {bootstrap} answers: {source}")]
    NoBroker {
        bootstrap: String,
        /// Whether one has answered before.
        is_news: bool,
        #[source]
        source: Box<ClientError>,
    },
    /// A broker's own no.
    #[error("{subject}: {}", said(*code, message.as_deref()))]
    Refused { subject: String, code: ErrorCode, message: Option<String> },
    #[error("{subject}: the broker's answer leaves it out")]
    Missing { subject: String },
    #[error("{subject}: no leader is known; is its broker up?")]
    NoLeader { subject: String },
    #[error("{subject}: {what}")]
    Protocol { subject: String, what: String },
}

fn or_nothing(hint: Option<&str>) -> String {
    hint.map(|hint| format!("; {hint}")).unwrap_or_default()
}

/// The code by its name, and the broker's own words or, without, a hint what to do.
fn said(code: ErrorCode, message: Option<&str>) -> String {
    match (message.filter(|text| !text.is_empty()), hint(code)) {
        (Some(message), _) => format!("{message} ({code})"),
        (None, Some(hint)) => format!("{hint} ({code})"),
        (None, None) => code.to_string(),
    }
}

fn hint(code: ErrorCode) -> Option<&'static str> {
    Some(match code {
        ErrorCode::UnknownTopicOrPartition => "there is no such topic or partition",
        ErrorCode::TopicAlreadyExists => "it exists already",
        ErrorCode::InvalidTopicException => "that is no legal topic name",
        ErrorCode::MessageTooLarge => {
            "the batch is larger than the topic's max.message.bytes; send smaller records"
        }
        ErrorCode::OffsetOutOfRange => {
            "the offset is outside of what the partition holds; begin elsewhere, or reset the group's offsets"
        }
        ErrorCode::NonEmptyGroup => "the group has members; stop them first",
        ErrorCode::GroupIdNotFound => "there is no such group",
        ErrorCode::GroupSubscribedToTopic => "the group is subscribed to the topic; stop its members first",
        ErrorCode::UnknownMemberId => "the group has active members, or does not know this one",
        ErrorCode::InconsistentGroupProtocol => "the group's members use another assignor or protocol",
        ErrorCode::FencedInstanceId => "another member has taken over this group instance id",
        ErrorCode::OutOfOrderSequenceNumber => "the partition lost track of this producer; start it again",
        ErrorCode::TopicAuthorizationFailed
        | ErrorCode::GroupAuthorizationFailed
        | ErrorCode::ClusterAuthorizationFailed
        | ErrorCode::TransactionalIdAuthorizationFailed => "this user may not; see `bateau acl list`",
        ErrorCode::IllegalSaslState => "this listener asks for no login: leave --user away",
        ErrorCode::SecurityDisabled => "this broker keeps no ACLs: it runs without an authorizer",
        _ => return None,
    })
}

/// What the other side is, or thinks of our certificate, stays so.
fn is_final(source: &io::Error) -> bool {
    matches!(source.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)
}

impl ClientError {
    pub(super) fn refused(subject: impl Into<String>, code: ErrorCode, message: Option<&str>) -> Self {
        Self::Refused { subject: subject.into(), code, message: message.map(str::to_owned) }
    }

    /// `Ok` for code 0.
    pub(super) fn check(code: i16, subject: impl Into<String>, message: Option<&str>) -> Result<(), Self> {
        match ErrorCode::try_from_code(code) {
            None => Ok(()),
            Some(code) => Err(Self::refused(subject, code, message)),
        }
    }

    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Whether the same may work a little later, or on another broker.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Silent { .. } | Self::NoLeader { .. } => true,
            Self::Broken { hint, source, .. } | Self::Tls { hint, source, .. } => {
                hint.is_none() && !is_final(source)
            }
            // Who cannot be reached at all has a wrong address, more likely than a broker that restarts just now.
            Self::NoBroker { is_news, .. } => *is_news,
            Self::Refused { code, .. } => code.is_retriable(),
            Self::NotKafka { .. }
            | Self::Unsupported { .. }
            | Self::Codec { .. }
            | Self::Missing { .. }
            | Self::Protocol { .. } => false,
        }
    }

    /// Whether nothing answered, rather than answered no.
    pub(super) fn is_network(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Broken { .. } | Self::Silent { .. } | Self::NoBroker { .. } => true,
            Self::Tls { .. } => self.is_retriable(),
            _ => false,
        }
    }
}
