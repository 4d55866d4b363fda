//! Who may do what, from outside: a real node with an authorizer, users that come by SASL, and each API with the
//! permission that it needs and without. Not here: how rules are decided (`access`), and how somebody proves to be one.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::disallowed_methods, reason = "deadlines of tests against a real process")]

mod by_acls;
mod client;
mod forwarded;
mod hidden;
mod matrix;
mod node;
mod of_groups;
mod of_the_cluster;
mod of_topics;
