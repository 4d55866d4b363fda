//! `ApiVersions`, `Metadata` and `DescribeCluster`: what a client asks before anything else.

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{ApiVersionsRequest, DescribeClusterRequest, MetadataRequest, TopicName};

use crate::session::{NOBODY, Session, text};
use crate::wire::framed;

/// A version of `ApiVersions` that no broker knows; its body is never read.
const FAR_VERSION: i16 = 99;

pub(crate) fn api_versions(s: &mut Session) -> Result<(), String> {
    let client = |name: &str, version: &str| {
        ApiVersionsRequest::default()
            .with_client_software_name(text(name))
            .with_client_software_version(text(version))
    };
    let named = s.version >= 3;
    s.step("all", &if named { client("golden-test", "1.0.0") } else { ApiVersionsRequest::default() })?;
    s.step("all_again", &if named { client("golden.test", "v1") } else { ApiVersionsRequest::default() })?;
    if named {
        s.step("name_with_blank", &client("golden test", "1"))?;
        s.step("name_with_bracket", &client("golden(test)", "1"))?;
        s.step("name_begins_with_dash", &client("-golden", "1"))?;
        s.step("name_empty", &client("", "1"))?;
        s.step("version_empty", &client("golden", ""))?;
        s.step("version_with_star", &client("golden", "1*"))?;
        s.step("after_refusals", &client("golden", "1"))?;
    } else {
        let far = [&[0, 18][..], &(s.version + FAR_VERSION).to_be_bytes()].concat();
        let far = [&far[..], &[0, 0, 0, 0], &[0, 2, b'g', b't']].concat();
        let flexible = framed(&[&far[..], &[0, 2, b'g', 2, b'1', 0]].concat());
        s.raw_as::<ApiVersionsRequest>("far_version", &flexible, 0)?;
        s.raw("far_version_with_a_header_of_v0", &framed(&far))?;
        let next =
            [&[0, 18][..], &[0, 5], &[0, 0, 0, 0], &[0, 2, b'g', b't', 0, 2, b'g', 2, b'1', 0]].concat();
        s.raw_as::<ApiVersionsRequest>("next_version", &framed(&next), 0)?;
    }
    Ok(())
}

fn asked(version: i16, names: &[TopicName]) -> MetadataRequest {
    let topics = names.iter().map(|name| MetadataRequestTopic::default().with_name(Some(name.clone())));
    // Up to v3 there is no such field, and topics are made.
    MetadataRequest::default().with_topics(Some(topics.collect())).with_allow_auto_topic_creation(version < 4)
}

pub(crate) fn metadata(s: &mut Session) -> Result<(), String> {
    let a = s.topic("a", 2, &[])?;
    let b = s.topic("b", 1, &[])?;
    let version = s.version;
    let all = asked(version, &[]).with_topics(if version == 0 { Some(Vec::new()) } else { None });
    s.step("all", &all)?;
    if version >= 1 {
        s.step("none", &asked(version, &[]))?;
    }
    s.step("one", &asked(version, std::slice::from_ref(&a.name)))?;
    s.step("two", &asked(version, &[b.name.clone(), a.name.clone()]))?;
    s.step("one_twice", &asked(version, &[b.name.clone(), b.name.clone()]))?;
    s.step("name_with_slash", &asked(version, &[s.name("a/b")]))?;
    s.step("name_dot", &asked(version, &[text(".").into()]))?;
    s.step("name_empty", &asked(version, &[text("").into()]))?;
    s.step("name_too_long", &asked(version, &[text(&"n".repeat(250)).into()]))?;
    if version >= 4 {
        s.step("unknown", &asked(version, &[s.name("x"), b.name.clone()]))?;
    }
    if (8..=10).contains(&version) {
        let request = asked(version, &[]).with_include_cluster_authorized_operations(true);
        s.step("cluster_operations", &request)?;
    }
    if version >= 8 {
        let request = asked(version, &[a.name]).with_include_topic_authorized_operations(true);
        s.step("topic_operations", &request)?;
    }
    if version >= 10 {
        let by_id = |id| {
            let topic = MetadataRequestTopic::default().with_topic_id(id).with_name(None);
            asked(version, &[]).with_topics(Some(vec![topic]))
        };
        s.step("by_id", &by_id(b.id))?;
        s.step("by_unknown_id", &by_id(NOBODY))?;
        let both = MetadataRequestTopic::default().with_topic_id(b.id).with_name(Some(b.name));
        s.step("by_id_and_name", &asked(version, &[]).with_topics(Some(vec![both])))?;
    }
    Ok(())
}

pub(crate) fn auto_create(s: &mut Session) -> Result<(), String> {
    let version = s.version;
    let name = s.name("made");
    if version >= 4 {
        s.step("not_allowed", &asked(version, std::slice::from_ref(&name)))?;
        s.step("not_allowed_again", &asked(version, std::slice::from_ref(&name)))?;
    }
    let allowed = asked(version, &[name]).with_allow_auto_topic_creation(true);
    s.step("first", &allowed)?;
    s.await_topic("made", 1)?;
    s.step("made", &allowed)?;
    Ok(())
}

pub(crate) fn describe_cluster(s: &mut Session) -> Result<(), String> {
    let request = DescribeClusterRequest::default();
    s.step("plain", &request)?;
    s.step("operations", &request.clone().with_include_cluster_authorized_operations(true))?;
    if s.version >= 1 {
        s.step("controllers", &request.clone().with_endpoint_type(2))?;
        s.step("endpoints_of_no_type", &request.clone().with_endpoint_type(9))?;
    }
    if s.version >= 2 {
        s.step("fenced_too", &request.with_include_fenced_brokers(true))?;
    }
    Ok(())
}
