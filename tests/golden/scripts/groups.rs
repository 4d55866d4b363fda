//! Members of classic groups: `FindCoordinator`, `JoinGroup`, `SyncGroup`, `Heartbeat`, `LeaveGroup`, and what they make
//! together.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    FindCoordinatorRequest, GroupId, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse,
    LeaveGroupRequest, SyncGroupRequest,
};

use crate::session::{Session, Topic, text};

const SESSION_MS: i32 = 30_000;
const REBALANCE_MS: i32 = 20_000;
const MEMBER_ID_REQUIRED: i16 = 79;

/// A member as the scripts know it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Member {
    pub(crate) group: GroupId,
    pub(crate) id: String,
    pub(crate) instance: Option<&'static str>,
    pub(crate) generation: i32,
}

pub(crate) fn group(s: &Session, name: &str) -> GroupId {
    text(&format!("{}{name}", s.names.unique)).into()
}

/// Waits until groups can be used: the first of all makes Kafka create `__consumer_offsets`.
pub(crate) fn await_coordinator(s: &mut Session, group: &GroupId) -> Result<(), String> {
    let request = FindCoordinatorRequest::default().with_coordinator_keys(vec![group.0.clone()]);
    s.ask_until(&request, |response| response.coordinators.iter().all(|one| one.error_code == 0))?;
    // A group that nobody knows has no members: the partition is loaded once it says so.
    let beat = HeartbeatRequest::default().with_group_id(group.clone()).with_member_id(text("nobody"));
    s.ask_until(&beat, |response| response.error_code == 25).map(drop)
}

/// A request to join that suits the version of the script; `member` says who.
fn join(s: &Session, member: &Member) -> JoinGroupRequest {
    let version = s.version_of::<JoinGroupRequest>();
    let protocol = |name: &str, data: &'static str| {
        JoinGroupRequestProtocol::default()
            .with_name(text(name))
            .with_metadata(Bytes::from_static(data.as_bytes()))
    };
    JoinGroupRequest::default()
        .with_group_id(member.group.clone())
        .with_session_timeout_ms(SESSION_MS)
        .with_rebalance_timeout_ms(if version >= 1 { REBALANCE_MS } else { -1 })
        .with_member_id(text(&member.id))
        .with_group_instance_id(member.instance.map(text))
        .with_protocol_type(text("golden"))
        .with_protocols(vec![protocol("first", "data-1"), protocol("second", "data-2")])
}

fn sync(member: &Member, assignments: &[(&str, &'static str)]) -> SyncGroupRequest {
    let assignment = |(id, bytes): &(&str, &'static str)| {
        SyncGroupRequestAssignment::default()
            .with_member_id(text(id))
            .with_assignment(Bytes::from_static(bytes.as_bytes()))
    };
    SyncGroupRequest::default()
        .with_group_id(member.group.clone())
        .with_generation_id(member.generation)
        .with_member_id(text(&member.id))
        .with_group_instance_id(member.instance.map(text))
        .with_assignments(assignments.iter().map(assignment).collect())
}

/// As [`sync`], with what version 5 must say besides.
fn sync_of(s: &Session, member: &Member, assignments: &[(&str, &'static str)]) -> SyncGroupRequest {
    let request = sync(member, assignments);
    if s.version_of::<SyncGroupRequest>() < 5 {
        return request;
    }
    request.with_protocol_type(Some(text("golden"))).with_protocol_name(Some(text("first")))
}

fn beat(member: &Member) -> HeartbeatRequest {
    HeartbeatRequest::default()
        .with_group_id(member.group.clone())
        .with_generation_id(member.generation)
        .with_member_id(text(&member.id))
        .with_group_instance_id(member.instance.map(text))
}

/// Joins without being recorded, up to the answer that makes a member of a dynamic one.
fn joined(s: &mut Session, request: &JoinGroupRequest) -> Result<JoinGroupResponse, String> {
    let first = s.ask(request)?;
    if first.error_code != MEMBER_ID_REQUIRED {
        return Ok(first);
    }
    s.ask(&request.clone().with_member_id(first.member_id))
}

/// The only member of a group, called `name` in the transcript, before it has its assignment.
pub(crate) fn joined_alone(s: &mut Session, group: &GroupId, name: &str) -> Result<Member, String> {
    instance_joined(s, group, name, None)
}

fn instance_joined(
    s: &mut Session,
    group: &GroupId,
    name: &str,
    instance: Option<&'static str>,
) -> Result<Member, String> {
    await_coordinator(s, group)?;
    let mut member = Member { group: group.clone(), instance, ..Member::default() };
    let mut request = join(s, &member).with_rebalance_timeout_ms(REBALANCE_MS);
    request.group_instance_id = instance.map(text);
    let answer = joined(s, &request)?;
    if answer.error_code != 0 {
        return Err(format!("{name} could not join: {answer:?}"));
    }
    learn(s, &mut member, name, &answer);
    Ok(member)
}

/// The only member of a group that is stable.
pub(crate) fn alone(s: &mut Session, group: &GroupId, name: &str) -> Result<Member, String> {
    let member = joined_alone(s, group, name)?;
    assign(s, &member)?;
    Ok(member)
}

/// As [`alone`], with an instance id.
pub(crate) fn static_alone(
    s: &mut Session,
    group: &GroupId,
    name: &str,
    instance: &'static str,
) -> Result<Member, String> {
    let member = instance_joined(s, group, name, Some(instance))?;
    assign(s, &member)?;
    Ok(member)
}

/// The only member of a group of consumers, which says that it reads `topic`.
pub(crate) fn consuming(s: &mut Session, group: &GroupId, name: &str, topic: &Topic) -> Result<(), String> {
    let mut subscription = BytesMut::new();
    subscription.put_slice(&[0, 0, 0, 0, 0, 1]); // version 0, one topic
    subscription.put_u16(topic.name.len() as u16);
    subscription.put_slice(topic.name.as_bytes());
    subscription.put_i32(-1); // no user data
    let range =
        JoinGroupRequestProtocol::default().with_name(text("range")).with_metadata(subscription.freeze());
    await_coordinator(s, group)?;
    let mut member = Member { group: group.clone(), ..Member::default() };
    let request = join(s, &member).with_protocol_type(text("consumer")).with_protocols(vec![range]);
    let answer = joined(s, &request)?;
    learn(s, &mut member, name, &answer);
    let request = sync(&member, &[(&member.id, "")])
        .with_protocol_type(Some(text("consumer")))
        .with_protocol_name(Some(text("range")));
    match s.ask(&request)? {
        answer if answer.error_code == 0 => Ok(()),
        answer => Err(format!("no assignment: {answer:?}")),
    }
}

/// Lets a second one ask to join, so that the group waits for `member`. Nobody reads the answer.
pub(crate) fn two_asked(s: &mut Session, member: &Member) -> Result<(), String> {
    let mut second = Member { group: member.group.clone(), ..Member::default() };
    let required = s.ask(&join(s, &second))?;
    second.id = required.member_id.to_string();
    s.names.members.insert(second.id.clone(), "second".to_owned());
    s.swap();
    s.send(&join(s, &second))?;
    s.swap();
    await_rebalance(s, member)
}

fn assign(s: &mut Session, member: &Member) -> Result<(), String> {
    let request = sync(member, &[(&member.id, "assigned")])
        .with_protocol_type(Some(text("golden")))
        .with_protocol_name(Some(text("first")));
    match s.ask(&request)? {
        answer if answer.error_code == 0 => Ok(()),
        answer => Err(format!("no assignment: {answer:?}")),
    }
}

fn learn(s: &mut Session, member: &mut Member, name: &str, answer: &JoinGroupResponse) {
    member.id = answer.member_id.to_string();
    member.generation = answer.generation_id;
    s.names.members.insert(member.id.clone(), name.to_owned());
}

pub(crate) fn find_coordinator(s: &mut Session) -> Result<(), String> {
    let (first, second) = (group(s, "a"), group(s, "b"));
    await_coordinator(s, &first)?;
    let asked = |version: i16, kind: i8, keys: &[&str]| {
        let request = FindCoordinatorRequest::default().with_key_type(kind);
        match version >= 4 {
            true => request.with_coordinator_keys(keys.iter().copied().map(text).collect()),
            false => request.with_key(text(keys[0])),
        }
    };
    let v = s.version;
    s.step("group", &asked(v, 0, &[&first.0]))?;
    s.step("empty_group", &asked(v, 0, &[""]))?;
    if v >= 1 {
        let transactional = s.name("txn").to_string();
        let request = FindCoordinatorRequest::default()
            .with_key_type(1)
            .with_coordinator_keys(vec![text(&transactional)]);
        // Kafka makes a topic for them, too.
        s.ask_until(&request, |response| response.coordinators.iter().all(|one| one.error_code != 15))?;
        s.step("transaction", &asked(v, 1, &[&transactional]))?;
        if v < 6 {
            s.step("share", &asked(v, 2, &["g:AAAAAAAAAAAAAAAAAAAAAQ:0"]))?;
        }
        s.step("ill_formed_share", &asked(v, 2, &["g"]))?;
        s.step("unknown_type", &asked(v, 9, &["g"]))?;
    }
    if v >= 4 {
        s.step("several", &asked(v, 0, &[&first.0, &second.0]))?;
        s.step("one_twice", &asked(v, 0, &[&first.0, &first.0]))?;
        s.step("none", &asked(v, 0, &[]))?;
    }
    Ok(())
}

pub(crate) fn join_refused(s: &mut Session) -> Result<(), String> {
    let unknown = group(s, "unknown");
    await_coordinator(s, &unknown)?;
    let stranger = Member { group: unknown.clone(), ..Member::default() };
    let known_id = Member { id: "somebody".to_owned(), ..stranger.clone() };
    let of_nobody = Member { group: text("").into(), ..stranger.clone() };
    s.step("empty_group_id", &join(s, &of_nobody))?;
    s.step("unknown_member_of_unknown_group", &join(s, &known_id))?;
    s.step("session_too_short", &join(s, &stranger).with_session_timeout_ms(5_999))?;
    s.step("session_too_long", &join(s, &stranger).with_session_timeout_ms(1_800_001))?;
    s.step("no_protocols", &join(s, &stranger).with_protocols(Vec::new()))?;
    s.step("no_protocol_type", &join(s, &stranger).with_protocol_type(text("")))?;
    let used = group(s, "used");
    alone(s, &used, "m")?;
    let newcomer = Member { group: used.clone(), ..Member::default() };
    let pretender = Member { id: "somebody".to_owned(), ..newcomer.clone() };
    s.step("unknown_member", &join(s, &pretender))?;
    s.step("another_protocol_type", &join(s, &newcomer).with_protocol_type(text("other")))?;
    let odd = JoinGroupRequestProtocol::default().with_name(text("odd")).with_metadata(Bytes::new());
    s.step("no_protocol_in_common", &join(s, &newcomer).with_protocols(vec![odd]))?;
    if s.version >= 5 {
        let unknown_static =
            Member { id: "somebody".to_owned(), instance: Some("nobodys"), ..newcomer.clone() };
        s.step("unknown_static_member", &join(s, &unknown_static))?;
        let owner = group(s, "static");
        let member = instance_joined(s, &owner, "st", Some("st"))?;
        assign(s, &member)?;
        let fenced = Member { id: "somebody".to_owned(), ..member };
        s.step("fenced_static_member", &join(s, &fenced))?;
    }
    Ok(())
}

/// The first member of a group joins, gets its assignment, joins again and leaves.
pub(crate) fn one_member(s: &mut Session) -> Result<(), String> {
    let mut m = Member { group: group(s, "g"), ..Member::default() };
    await_coordinator(s, &m.group)?;
    let mut answer = s.step("join", &join(s, &m))?;
    if answer.error_code == MEMBER_ID_REQUIRED {
        m.id = answer.member_id.to_string();
        s.names.members.insert(m.id.clone(), "m".to_owned());
        answer = s.step("join_with_id", &join(s, &m))?;
    }
    learn(s, &mut m, "m", &answer);
    s.step("heartbeat_before_sync", &beat(&m))?;
    let id = m.id.clone();
    s.step("join_once_more_before_sync", &join(s, &m))?;
    s.step("sync", &sync_of(s, &m, &[(&id, "all")]))?;
    s.step("sync_again", &sync_of(s, &m, &[]))?;
    s.step("heartbeat", &beat(&m))?;
    m.generation = s.step("join_again", &join(s, &m))?.generation_id;
    s.step("sync_of_the_second_generation", &sync_of(s, &m, &[(&id, "all"), ("stranger", "some")]))?;
    let old = Member { generation: m.generation - 1, ..m.clone() };
    s.step("heartbeat_of_the_first_generation", &beat(&old))?;
    let leaving = MemberIdentity::default().with_member_id(text(&id));
    s.step(
        "leave",
        &LeaveGroupRequest::default().with_group_id(m.group.clone()).with_members(vec![leaving]),
    )?;
    s.step("heartbeat_at_last", &beat(&m))?;
    s.step("join_at_last", &join(s, &m))?;
    Ok(())
}

/// A second member comes and goes while the first one leads.
pub(crate) fn two_members(s: &mut Session) -> Result<(), String> {
    let group = group(s, "g");
    let mut m = joined_alone(s, &group, "m")?;
    assign(s, &m)?;
    let mut n = Member { group, ..Member::default() };
    if s.version >= 4 {
        let required = s.step("n_asks_to_join", &join(s, &n))?;
        n.id = required.member_id.to_string();
        s.names.members.insert(n.id.clone(), "n".to_owned());
    }
    s.step("m_before_n_joins", &beat(&m))?;
    s.swap();
    s.send(&join(s, &n))?;
    s.swap();
    await_rebalance(s, &m)?;
    s.step("m_while_n_joins", &beat(&m))?;
    let answer = s.step("m_joins", &join(s, &m))?;
    m.generation = answer.generation_id;
    s.swap();
    let answer = s.answer::<JoinGroupRequest>("n_joined", s.version)?;
    learn(s, &mut n, "n", &answer);
    s.step("n_before_sync", &beat(&n))?;
    s.send(&sync_of(s, &n, &[]))?;
    s.swap();
    s.step("m_syncs", &sync_of(s, &m, &[(&m.id, "half"), (&n.id, "other-half")]))?;
    s.swap();
    s.answer::<SyncGroupRequest>("n_synced", s.version_of::<SyncGroupRequest>())?;
    s.step("n", &beat(&n))?;
    s.step("n_joins_unchanged", &join(s, &n))?;
    let leaving = MemberIdentity::default().with_member_id(text(&n.id));
    s.step(
        "n_leaves",
        &LeaveGroupRequest::default().with_group_id(n.group.clone()).with_members(vec![leaving]),
    )?;
    s.swap();
    s.step("m_when_n_has_left", &beat(&m))?;
    m.generation = s.step("m_joins_alone", &join(s, &m))?.generation_id;
    s.step("m_syncs_alone", &sync_of(s, &m, &[(&m.id, "all")]))?;
    Ok(())
}

/// Waits until a member is told to join again.
fn await_rebalance(s: &mut Session, member: &Member) -> Result<(), String> {
    s.ask_until(&beat(member), |response| response.error_code == 27).map(drop)
}

/// A static member is replaced by its next process; the old one is fenced.
pub(crate) fn static_member(s: &mut Session) -> Result<(), String> {
    let mut m = Member { group: group(s, "g"), instance: Some("st"), ..Member::default() };
    await_coordinator(s, &m.group)?;
    let answer = s.step("join", &join(s, &m))?;
    learn(s, &mut m, "first", &answer);
    let id = m.id.clone();
    s.step("sync", &sync_of(s, &m, &[(&id, "all")]))?;
    let mut next = Member { id: String::new(), ..m.clone() };
    let answer = s.step("join_of_the_next", &join(s, &next))?;
    learn(s, &mut next, "next", &answer);
    s.step("sync_of_the_next", &sync_of(s, &next, &[]))?;
    s.step("heartbeat_of_the_next", &beat(&next))?;
    s.step("heartbeat_of_the_first", &beat(&m))?;
    s.step("sync_of_the_first", &sync_of(s, &m, &[]))?;
    s.step("join_of_the_first", &join(s, &m))?;
    let nameless = Member { instance: None, ..next.clone() };
    s.step("heartbeat_without_instance", &beat(&nameless))?;
    let other = JoinGroupRequestProtocol::default()
        .with_name(text("first"))
        .with_metadata(Bytes::from_static(b"data-9"));
    let mut third = Member { id: String::new(), ..m.clone() };
    let answer = s.step("join_with_other_data", &join(s, &third).with_protocols(vec![other]))?;
    learn(s, &mut third, "third", &answer);
    let id = third.id.clone();
    s.step("sync_with_other_data", &sync_of(s, &third, &[(&id, "again")]))?;
    Ok(())
}

pub(crate) fn sync_group(s: &mut Session) -> Result<(), String> {
    let unknown = Member { group: group(s, "unknown"), id: "x".into(), generation: 1, instance: None };
    await_coordinator(s, &unknown.group)?;
    s.step("unknown_group", &sync_of(s, &unknown, &[]))?;
    s.step("empty_group_id", &sync_of(s, &Member { group: text("").into(), ..unknown.clone() }, &[]))?;
    let g = group(s, "g");
    let m = joined_alone(s, &g, "m")?;
    let id = m.id.clone();
    s.step("unknown_member", &sync_of(s, &Member { group: g, ..unknown }, &[]))?;
    s.step("another_generation", &sync_of(s, &Member { generation: 7, ..m.clone() }, &[]))?;
    if s.version >= 5 {
        let good = sync_of(s, &m, &[]);
        s.step("another_protocol_type", &good.clone().with_protocol_type(Some(text("other"))))?;
        s.step("another_protocol", &good.clone().with_protocol_name(Some(text("second"))))?;
        s.step("no_protocol_type", &good.clone().with_protocol_type(None))?;
        s.step("no_protocol", &good.with_protocol_name(None))?;
    }
    if s.version >= 3 {
        s.step("unknown_instance", &sync_of(s, &Member { instance: Some("nobodys"), ..m.clone() }, &[]))?;
    }
    s.step("good", &sync_of(s, &m, &[(&id, "mine"), ("stranger", "lost")]))?;
    s.step("again", &sync_of(s, &m, &[(&id, "ignored")]))?;
    let none = group(s, "none");
    let m = joined_alone(s, &none, "lonely")?;
    s.step("no_assignments", &sync_of(s, &m, &[]))?;
    Ok(())
}

pub(crate) fn heartbeat(s: &mut Session) -> Result<(), String> {
    let unknown = Member { group: group(s, "unknown"), id: "x".into(), generation: 1, instance: None };
    await_coordinator(s, &unknown.group)?;
    s.step("unknown_group", &beat(&unknown))?;
    s.step("empty_group_id", &beat(&Member { group: text("").into(), ..unknown.clone() }))?;
    let g = group(s, "g");
    let m = alone(s, &g, "m")?;
    s.step("good", &beat(&m))?;
    s.step("unknown_member", &beat(&Member { group: g, ..unknown }))?;
    s.step("empty_member", &beat(&Member { id: String::new(), ..m.clone() }))?;
    s.step("older_generation", &beat(&Member { generation: 0, ..m.clone() }))?;
    s.step("newer_generation", &beat(&Member { generation: 2, ..m.clone() }))?;
    s.step("no_generation", &beat(&Member { generation: -1, ..m.clone() }))?;
    if s.version >= 3 {
        s.step("unknown_instance", &beat(&Member { instance: Some("nobodys"), ..m }))?;
        let owner = group(s, "static");
        let st = instance_joined(s, &owner, "st", Some("st"))?;
        assign(s, &st)?;
        s.step("static", &beat(&st))?;
        s.step("static_and_fenced", &beat(&Member { id: "somebody".into(), ..st.clone() }))?;
        s.step("static_of_an_older_generation", &beat(&Member { generation: 0, ..st }))?;
    }
    Ok(())
}

pub(crate) fn leave_group(s: &mut Session) -> Result<(), String> {
    let version = s.version;
    let leave = |group: &GroupId, members: &[(&str, Option<&'static str>)]| {
        let request = LeaveGroupRequest::default().with_group_id(group.clone());
        let identity = |(id, instance): &(&str, Option<&'static str>)| {
            MemberIdentity::default().with_member_id(text(id)).with_group_instance_id(instance.map(text))
        };
        match version < 3 {
            true => request.with_member_id(text(members[0].0)),
            false => request.with_members(members.iter().map(identity).collect()),
        }
    };
    let unknown = group(s, "unknown");
    await_coordinator(s, &unknown)?;
    s.step("unknown_group", &leave(&unknown, &[("x", None)]))?;
    s.step("empty_group_id", &leave(&text("").into(), &[("x", None)]))?;
    let g = group(s, "g");
    let m = alone(s, &g, "m")?;
    s.step("unknown_member", &leave(&g, &[("x", None)]))?;
    s.step("empty_member", &leave(&g, &[("", None)]))?;
    s.step("good", &leave(&g, &[(&m.id, None)]))?;
    s.step("again", &leave(&g, &[(&m.id, None)]))?;
    let g = group(s, "joining");
    let request = join(s, &Member { group: g.clone(), ..Member::default() });
    let pending = s.ask(&request)?.member_id;
    s.names.members.insert(pending.to_string(), "pending".to_owned());
    s.step("pending", &leave(&g, &[(&pending, None)]))?;
    s.step("pending_again", &leave(&g, &[(&pending, None)]))?;
    if version >= 3 {
        let g = group(s, "static");
        let st = instance_joined(s, &g, "st", Some("st"))?;
        assign(s, &st)?;
        s.step("none", &leave(&g, &[]))?;
        s.step("another_instance", &leave(&g, &[("", Some("nobodys"))]))?;
        s.step("fenced", &leave(&g, &[("somebody", Some("st"))]))?;
        s.step("by_instance_and_unknown", &leave(&g, &[("", Some("st")), ("x", None)]))?;
        s.step("by_instance_again", &leave(&g, &[("", Some("st"))]))?;
        let g = group(s, "static-2");
        let st = instance_joined(s, &g, "st2", Some("st"))?;
        assign(s, &st)?;
        s.step("by_both", &leave(&g, &[(&st.id, Some("st"))]))?;
    }
    Ok(())
}
