//! The table: every request that the walk covers, field by field, as Kafka 4.3's message JSON has them; a file for each area.
//!
//! Fields of versions that no broker speaks any more are left out of the ranges. A new API is one more entry of its area's
//! `REQUESTS`.

mod admin;
mod groups;
mod records;
mod security;
mod topics;

use super::field::Request;

const AREAS: &[&[Request]] =
    &[records::REQUESTS, topics::REQUESTS, groups::REQUESTS, admin::REQUESTS, security::REQUESTS];

pub(super) fn requests() -> impl Iterator<Item = &'static Request> {
    AREAS.iter().flat_map(|area| area.iter())
}
