//! What a walk refuses.

use super::MAX_ELEMENTS;

/// Why a frame is not what its header says. All of them mean: close the connection, as Kafka does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WalkError {
    #[error("api key {api_key} has no schema")]
    UnknownApi { api_key: i16 },
    #[error("{api} version {version} is outside {min} to {max}")]
    UnsupportedVersion { api: &'static str, version: i16, min: i16, max: i16 },
    #[error("request header version {version} is neither 1 nor 2")]
    UnsupportedHeader { version: i16 },
    #[error("{field} needs {needed} bytes and {left} are left")]
    Truncated { field: &'static str, needed: usize, left: usize },
    #[error("{field} announces {count} elements of at least {min_size} bytes and {left} bytes are left")]
    Count { field: &'static str, count: i64, min_size: usize, left: usize },
    #[error("{field} announces a length of {length}")]
    Length { field: &'static str, length: i64 },
    #[error("{field} is null, which version {version} does not allow")]
    Null { field: &'static str, version: i16 },
    #[error("{field} is not UTF-8")]
    NotUtf8 { field: &'static str },
    #[error("{field} has a varint beyond 32 bits")]
    Varint { field: &'static str },
    #[error("{field} is a tagged field that version {version} does not have")]
    UnexpectedTag { field: &'static str, version: i16 },
    #[error("tagged field {field} announces {size} bytes and has {consumed}")]
    TagSize { field: &'static str, size: usize, consumed: usize },
    #[error("{field} brings the request above {MAX_ELEMENTS} elements")]
    TooManyElements { field: &'static str },
}
