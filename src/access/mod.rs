//! Who somebody is, and what they may do: SASL exchanges, credentials, principals; ACLs and policies.
//! Not here: connections, files, and where credentials and ACLs are kept.
//!
//! Pure: time and randomness are handed in.

pub mod acl;
mod authorizer;
mod fields;
mod memo;
mod operation;
pub mod policy;
mod principal;
mod resource;
pub mod sasl;
#[cfg(test)]
mod tests;
pub mod users_file;

pub use authorizer::{Authorizer, Decision, Rules};
pub use fields::FieldError;
pub use memo::Memo;
pub use operation::Operation;
pub use principal::{ANONYMOUS, Principal, PrincipalError};
pub use resource::{CLUSTER_NAME, PatternType, Resource, ResourceKind, WILDCARD};
