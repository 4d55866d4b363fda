//! Kafka's ACLs: a binding says who may, or may not, do something to which resources, and from which host.
//!
//! `Acls` indexes many of them and answers questions; it is built from the metadata, where the bindings are
//! kept. Here is no default: what is neither allowed nor denied is silent, and the `Authorizer` decides.

mod binding;
mod filter;
mod index;
mod line;
mod patterns;

#[cfg(test)]
pub(super) mod tests;

pub use binding::{ANYBODY, AclBinding, AclError, MAX_FIELD, Permission};
pub use filter::AclFilter;
pub use index::{Acls, Verdict};
pub use line::LineError;
