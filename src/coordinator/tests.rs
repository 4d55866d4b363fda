//! Lives of groups, told step by step. The clock is a number, and every record goes the way that the broker gives it.

mod driver;

use super::*;
use driver::{Client, World};

#[test]
fn a_new_member_is_told_its_id_and_comes_again() {
    let mut world = World::new();
    let to = world.join(Client::new("c"));
    let GroupError::MemberIdRequired { member, .. } = world.refused(to) else { panic!("an id was expected") };
    assert!(member.starts_with("c-"), "{member}");
    let to = world.join(Client::new("c").with_id(&member));
    world.pass(3_000);
    let joined = world.joined(to);
    assert_eq!((joined.generation, &joined.leader, &joined.member_id), (1, &member, &member));
    assert_eq!(joined.protocol.as_deref(), Some("range"));
    assert_eq!(joined.members.len(), 1);
}

#[test]
fn an_id_that_does_not_come_back_in_time_is_forgotten_and_with_it_the_group() {
    let mut world = World::new();
    let to = world.join(Client::new("c"));
    assert!(matches!(world.refused(to), GroupError::MemberIdRequired { .. }));
    assert_eq!(world.shard.list().count(), 1);
    world.pass(10_000);
    assert_eq!(world.shard.list().count(), 0);
    assert_eq!(world.shard.state("g"), GroupState::Dead);
}

#[test]
fn an_empty_group_waits_for_more_members_than_its_first_but_not_longer_than_they_ask() {
    let mut world = World::new();
    let first = world.join(Client::new("a").old());
    world.pass(2_000);
    let second = world.join(Client::new("b").old());
    world.pass(1_000);
    assert_eq!(world.shard.state("g"), GroupState::PreparingRebalance, "the second begins another delay");
    world.pass(3_000);
    assert_eq!(world.joined(first).generation, 1);
    assert_eq!(world.joined(second).generation, 1);
}

#[test]
fn followers_get_their_assignment_when_the_leader_has_brought_it_and_it_is_in_the_log() {
    let mut world = World::new();
    let (leader, follower) = world.two_joined();
    let waits = world.sync(&follower, 1, &[]);
    assert_eq!(world.answer(waits), None);
    let brings = world.sync(&leader, 1, &[(&leader, "0"), (&follower, "1")]);
    assert_eq!(world.synced(brings), "0");
    assert_eq!(world.synced(waits), "1");
    assert_eq!(world.shard.state("g"), GroupState::Stable);
    let written = world.last_membership();
    assert_eq!((written.generation, written.members.len()), (1, 2));
    assert_eq!(written.leader.as_ref(), Some(&leader));
}

#[test]
fn whoever_syncs_a_stable_group_again_gets_the_same_assignment() {
    let mut world = World::new();
    let (leader, follower) = world.two_stable();
    let again = world.sync(&follower, 1, &[]);
    assert_eq!(world.synced(again), "1");
    let again = world.sync(&leader, 1, &[(&leader, "9"), (&follower, "9")]);
    assert_eq!(world.synced(again), "0", "one assignment for each generation");
}

#[test]
fn a_third_member_makes_the_others_join_again() {
    let mut world = World::new();
    let (a, b) = world.two_stable();
    let c = world.new_id("c");
    let third = world.join(Client::new("c").with_id(&c));
    assert!(matches!(world.heartbeat(&a, 1), Err(GroupError::RebalanceInProgress { .. })));
    let first = world.join(Client::new("a").with_id(&a));
    let second = world.join(Client::new("b").with_id(&b));
    assert_eq!(world.joined(first).generation, 2);
    assert_eq!(world.joined(second).members, []);
    assert_eq!(world.joined(third).leader, a, "whoever led goes on");
}

#[test]
fn a_member_that_does_not_join_in_time_is_out() {
    let mut world = World::new();
    let (a, b) = world.two_stable();
    let c = world.new_id("c");
    let third = world.join(Client::new("c").with_id(&c));
    let first = world.join(Client::new("a").with_id(&a));
    for _ in 0..20 {
        world.pass(3_000);
        _ = world.heartbeat(&b, 1);
    }
    let joined = world.joined(first);
    assert_eq!(joined.generation, 2);
    assert_eq!(joined.members.len(), 2);
    assert_eq!(world.joined(third).generation, 2);
    assert!(matches!(world.heartbeat(&b, 1), Err(GroupError::UnknownMember { .. })));
}

#[test]
fn a_silent_member_is_out_after_its_session_and_the_others_join_again() {
    let mut world = World::new();
    let (a, b) = world.two_stable();
    world.pass(6_000);
    world.heartbeat(&a, 1).unwrap();
    world.pass(5_000);
    assert!(matches!(world.heartbeat(&b, 1), Err(GroupError::UnknownMember { .. })));
    assert!(matches!(world.heartbeat(&a, 1), Err(GroupError::RebalanceInProgress { .. })));
    let again = world.join(Client::new("a").with_id(&a));
    assert_eq!(world.joined(again).members.len(), 1);
}

#[test]
fn whoever_waits_for_a_round_is_not_expected_to_send_heartbeats() {
    let mut world = World::new();
    let (a, b) = world.two_stable();
    let waits = world.join(Client::new("b").with_id(&b).with_data("changed"));
    for _ in 0..4 {
        world.pass(9_000);
        _ = world.heartbeat(&a, 1);
    }
    assert_eq!(world.answer(waits), None);
    let ends = world.join(Client::new("a").with_id(&a));
    assert_eq!(world.joined(ends).members.len(), 2);
    assert_eq!(world.joined(waits).generation, 2);
}

#[test]
fn members_that_joined_and_never_ask_for_their_assignment_are_out() {
    let mut world = World::new();
    let (leader, follower) = world.two_joined();
    let brings = world.sync(&leader, 1, &[(&leader, "0")]);
    assert_eq!(world.synced(brings), "0");
    for _ in 0..7 {
        world.pass(9_000);
        _ = (world.heartbeat(&leader, 1), world.heartbeat(&follower, 1));
    }
    assert!(matches!(world.heartbeat(&follower, 1), Err(GroupError::UnknownMember { .. })));
}

#[test]
fn a_leader_that_never_brings_the_assignment_is_out_and_another_leads() {
    let mut world = World::new();
    let (leader, follower) = world.two_joined();
    let waits = world.sync(&follower, 1, &[]);
    for _ in 0..7 {
        world.pass(9_000);
        _ = world.heartbeat(&leader, 1);
    }
    assert!(matches!(world.refused(waits), GroupError::RebalanceInProgress { .. }));
    let again = world.join(Client::new("b").with_id(&follower));
    assert_eq!(world.joined(again).leader, follower);
}

#[test]
fn the_last_member_leaves_an_empty_group_with_its_offsets() {
    let mut world = World::new();
    let (a, b) = world.two_stable();
    world.commit(&a, 1, 7).unwrap();
    assert_eq!(world.leave(&[&a, &b]), [Ok(()), Ok(())]);
    assert_eq!(world.shard.state("g"), GroupState::Empty);
    let written = world.last_membership();
    assert_eq!((written.generation, written.members.len(), written.protocol), (2, 0, None));
    assert_eq!(world.committed(), Some(7));
}

#[test]
fn a_commit_of_a_past_generation_is_refused() {
    let mut world = World::new();
    let (a, b) = world.two_stable();
    world.commit(&a, 1, 5).unwrap();
    world.leave(&[&b]);
    let again = world.join(Client::new("a").with_id(&a));
    assert_eq!(world.joined(again).generation, 2);
    assert!(matches!(world.commit(&a, 1, 6), Err(GroupError::IllegalGeneration { current: 2, .. })));
    assert!(
        matches!(world.commit(&a, 2, 6), Err(GroupError::RebalanceInProgress { .. })),
        "not assigned yet"
    );
    assert!(matches!(world.commit(&b, 2, 6), Err(GroupError::UnknownMember { .. })));
    assert_eq!(world.committed(), Some(5));
}

#[test]
fn members_may_commit_while_others_join() {
    let mut world = World::new();
    let (a, b) = world.two_stable();
    let waits = world.join(Client::new("b").with_id(&b).with_data("changed"));
    assert_eq!(world.answer(waits), None);
    world.commit(&a, 1, 8).unwrap();
    assert_eq!(world.committed(), Some(8));
}

#[test]
fn whoever_is_no_member_commits_only_to_groups_without_members() {
    let mut world = World::new();
    world.commit("", -1, 3).unwrap();
    assert_eq!(world.shard.state("g"), GroupState::Empty);
    assert_eq!(world.shard.list().next().unwrap().protocol_type, "");
    let (a, _) = world.two_stable();
    assert!(matches!(world.commit("", -1, 4), Err(GroupError::UnknownMember { .. })));
    world.commit(&a, 1, 4).unwrap();
    assert!(matches!(world.commit_to("unheard", "", 1, 4), Err(GroupError::IllegalGeneration { .. })));
    assert_eq!(world.shard.state("unheard"), GroupState::Dead);
}

#[test]
fn metadata_that_is_too_long_fails_its_offset_alone() {
    let mut world = World::new();
    let offset = |partition, metadata: String| CommitOffset { partition, metadata, ..driver::offset(1) };
    let commit = CommitOffsets {
        offsets: vec![offset(0, "x".repeat(4_097)), offset(1, "ü".repeat(4_096))],
        ..driver::commit("g", "", -1)
    };
    let (answers, effects) = world.shard.on_commit(world.now, commit).unwrap();
    world.take(effects);
    assert_eq!(answers, [Err(GroupError::OffsetMetadataTooLarge { length: 4_097, max: 4_096 }), Ok(())]);
    assert_eq!(world.shard.offset("g", "t", 0), None);
    assert!(world.shard.offset("g", "t", 1).is_some());
}

#[test]
fn a_static_member_comes_back_under_another_id_without_a_round() {
    let mut world = World::new();
    let (first, other) = world.two_static_stable();
    let back = world.join(Client::new("i1").of_instance("i1"));
    let joined = world.joined(back);
    assert_ne!(joined.member_id, first);
    assert_eq!(
        (joined.generation, joined.leader.as_str()),
        (1, first.as_str()),
        "it must not believe that it leads"
    );
    let again = world.sync(&joined.member_id, 1, &[]);
    assert_eq!(world.synced(again), "0");
    assert_eq!(world.last_membership().members.len(), 2);
    assert!(world.last_membership().members.iter().any(|m| m.member_id == joined.member_id));
    world.heartbeat(&other, 1).unwrap();
}

#[test]
fn a_client_that_knows_how_to_skip_leads_again_without_assigning() {
    let mut world = World::new();
    world.two_static_stable();
    let back = world.join(Client { knows_skip: true, ..Client::new("i1").of_instance("i1") });
    let joined = world.joined(back);
    assert!(joined.skip_assignment);
    assert_eq!(joined.leader, joined.member_id);
    assert_eq!(joined.members.len(), 2);
}

#[test]
fn a_static_member_s_former_self_is_fenced() {
    let mut world = World::new();
    let (first, _) = world.two_static_stable();
    let back = world.join(Client::new("i1").of_instance("i1"));
    world.joined(back);
    let heartbeat = Heartbeat {
        group: "g".into(),
        generation: 1,
        member_id: first.clone(),
        instance_id: Some("i1".into()),
    };
    let fenced = world.shard.on_heartbeat(world.now, &heartbeat);
    assert!(matches!(fenced, Err(GroupError::FencedInstance { .. })), "{fenced:?}");
    let again = world.join(Client::new("i1").of_instance("i1").with_id(&first));
    assert!(matches!(world.refused(again), GroupError::FencedInstance { .. }));
}

#[test]
fn a_static_member_may_be_removed_by_its_instance_id() {
    let mut world = World::new();
    let (_, other) = world.two_static_stable();
    let leaving = Leaving { member_id: String::new(), instance_id: Some("i1".into()) };
    let leave = LeaveGroup { group: "g".into(), members: vec![leaving] };
    let (answers, effects) = world.shard.on_leave(world.now, &leave).unwrap();
    world.take(effects);
    assert_eq!(answers, [Ok(())]);
    assert!(matches!(world.heartbeat(&other, 1), Err(GroupError::RebalanceInProgress { .. })));
}

#[test]
fn members_without_a_protocol_in_common_do_not_meet() {
    let mut world = World::new();
    world.two_stable();
    let other = world.join(Client { protocols: vec![("sticky", "")], ..Client::new("c").old() });
    assert!(matches!(world.refused(other), GroupError::InconsistentProtocol { .. }));
    let other = world.join(Client { protocol_type: "connect", ..Client::new("c").old() });
    assert!(matches!(world.refused(other), GroupError::InconsistentProtocol { .. }));
}

#[test]
fn the_protocol_is_the_one_that_most_like_best_of_those_that_all_have() {
    let mut world = World::new();
    let client = |name, protocols: &[&'static str]| Client {
        protocols: protocols.iter().map(|p| (*p, "")).collect(),
        ..Client::new(name).old()
    };
    let first = world.join(client("a", &["x", "sticky", "range"]));
    world.join(client("b", &["sticky", "range"]));
    world.join(client("c", &["range", "sticky"]));
    world.pass(10_000);
    assert_eq!(world.joined(first).protocol.as_deref(), Some("sticky"));
}

#[test]
fn what_members_bring_is_opaque_in_groups_of_other_types() {
    let mut world = World::new();
    let connect =
        Client { protocol_type: "connect", protocols: vec![("default", "\u{1}?")], ..Client::new("w").old() };
    let to = world.join(connect);
    world.pass(3_000);
    let joined = world.joined(to);
    assert_eq!(joined.members[0].subscription, "\u{1}?".as_bytes());
    let sync = world.sync(&joined.member_id, 1, &[(&joined.member_id, "anything")]);
    assert_eq!(world.synced(sync), "anything");
    let refused = world.shard.on_delete_offsets("g", &[("t".into(), 0)]);
    assert!(matches!(refused, Err(GroupError::NotEmpty { .. })));
}

#[test]
fn a_restart_gives_back_a_stable_group_and_each_member_a_whole_session() {
    let mut world = World::new();
    let (a, b) = world.two_stable();
    world.commit(&a, 1, 42).unwrap();
    world.pass(9_000);
    world.restart();
    assert_eq!(world.shard.state("g"), GroupState::Stable);
    world.pass(9_000);
    world.heartbeat(&a, 1).unwrap();
    world.heartbeat(&b, 1).unwrap();
    assert_eq!(world.committed(), Some(42));
    let again = world.sync(&b, 1, &[]);
    assert_eq!(world.synced(again), "1");
}

#[test]
fn a_restart_in_the_middle_of_a_round_gives_back_the_last_generation_and_the_round_begins_again() {
    let mut world = World::new();
    let (a, b) = world.two_stable();
    let c = world.new_id("c");
    world.join(Client::new("c").with_id(&c));
    world.join(Client::new("a").with_id(&a));
    world.restart();
    world.heartbeat(&b, 1).unwrap();
    world.commit(&b, 1, 9).unwrap();
    let unknown = world.join(Client::new("c").with_id(&c));
    assert!(matches!(world.refused(unknown), GroupError::UnknownMember { .. }));
    let first = world.join(Client::new("a").with_id(&a));
    let second = world.join(Client::new("b").with_id(&b));
    assert_eq!((world.joined(first).generation, world.joined(second).generation), (2, 2));
}

#[test]
fn what_is_written_once_more_is_all_that_a_restart_needs() {
    let mut world = World::new();
    let (a, _) = world.two_stable();
    for offset in 0..50 {
        world.commit(&a, 1, offset).unwrap();
    }
    let live: Vec<GroupRecord> = world.shard.live().collect();
    assert_eq!(live.len(), 2);
    world.log = live;
    world.restart();
    world.heartbeat(&a, 1).unwrap();
    assert_eq!(world.committed(), Some(49));
}

#[test]
fn groups_with_members_are_not_deleted_and_empty_ones_go_with_their_offsets() {
    let mut world = World::new();
    let (a, b) = world.two_stable();
    world.commit(&a, 1, 1).unwrap();
    assert!(matches!(world.delete(), Err(GroupError::NotEmpty { .. })));
    world.leave(&[&a, &b]);
    world.delete().unwrap();
    assert!(matches!(world.delete(), Err(GroupError::NotFound { .. })));
    assert_eq!((world.committed(), world.shard.describe("g")), (None, None));
    world.restart();
    assert_eq!(world.shard.list().count(), 0);
}

#[test]
fn offsets_of_a_subscribed_topic_stay() {
    let mut world = World::new();
    let (a, _) = world.two_stable();
    world.commit(&a, 1, 1).unwrap();
    let asked = [("t".to_owned(), 0), ("other".to_owned(), 0)];
    let (answers, effects) = world.shard.on_delete_offsets("g", &asked).unwrap();
    world.take(effects);
    assert!(matches!(answers[..], [Err(GroupError::Subscribed { .. }), Ok(())]));
    assert_eq!(world.committed(), Some(1));
}

#[test]
fn offsets_expire_when_their_group_was_empty_long_enough() {
    let mut world = World::new();
    let (a, b) = world.two_stable();
    world.commit(&a, 1, 1).unwrap();
    world.pass_days_alive(30, &[&a, &b]);
    assert_eq!(world.committed(), Some(1), "while there are members");
    world.leave(&[&a, &b]);
    world.pass(6 * 24 * 3_600_000);
    world.expire();
    assert_eq!(world.committed(), Some(1));
    world.pass(24 * 3_600_000);
    world.expire();
    assert_eq!(world.committed(), None);
    assert_eq!(world.shard.list().count(), 0, "and the group with them");
    assert!(matches!(world.log.last(), Some(GroupRecord::Group { value: None, .. })));
}

#[test]
fn offsets_of_nobody_s_group_expire_by_their_own_age() {
    let mut world = World::new();
    world.commit("", -1, 1).unwrap();
    world.pass(7 * 24 * 3_600_000 - 1);
    world.expire();
    assert_eq!(world.committed(), Some(1));
    world.pass(1);
    world.expire();
    assert_eq!(world.committed(), None);
}

#[test]
fn offsets_go_with_their_topic() {
    let mut world = World::new();
    world.commit("", -1, 1).unwrap();
    let effects = world.shard.on_topics_deleted(|topic, _| topic != "t");
    world.take(effects);
    assert_eq!(world.committed(), None);
}

#[test]
fn session_timeouts_have_limits() {
    let mut world = World::new();
    for asked in [5_999, 1_800_001, -1] {
        let to = world.join(Client { session_timeout_ms: asked, ..Client::new("c") });
        assert!(matches!(world.refused(to), GroupError::InvalidSessionTimeout { .. }), "{asked}");
    }
    assert_eq!(world.shard.list().count(), 0);
}

#[test]
fn a_full_group_takes_nobody_else() {
    let mut world = World::new();
    world.shard.settings.members_max = 2;
    let (a, _) = world.two_stable();
    let third = world.join(Client::new("c").old());
    assert_eq!(world.refused(third), GroupError::GroupFull { group: "g".into(), max: 2 });
    world.heartbeat(&a, 1).unwrap();
}

#[test]
fn a_membership_that_no_record_can_hold_is_refused_to_all() {
    let mut world = World::new();
    world.shard.settings.record_bytes_max = 1_000;
    let (leader, follower) = world.two_joined();
    let waits = world.sync(&follower, 1, &[]);
    let large = "x".repeat(1_000);
    let brings = world.sync(&leader, 1, &[(&leader, &large)]);
    assert!(matches!(world.refused(brings), GroupError::TooLarge { .. }));
    assert!(matches!(world.refused(waits), GroupError::TooLarge { .. }));
    assert_eq!(world.shard.state("g"), GroupState::PreparingRebalance);
}

#[test]
fn a_round_that_asks_for_hardly_any_time_does_not_spin() {
    let mut world = World::new();
    let client = |name| Client { rebalance_timeout_ms: 1, ..Client::new(name).of_instance(name) };
    let first = world.join(client("i1"));
    world.pass(3_000);
    let id = world.joined(first).member_id;
    let sync = world.sync(&id, 1, &[(&id, "0")]);
    world.synced(sync);
    // The other one comes and goes: the round waits for a static member that stays away.
    let second = world.join(client("i2"));
    world.pass(1);
    let joined = world.joined(second);
    assert_eq!(joined.generation, 2);
    let wakes = world.wakes;
    world.pass(5_000);
    assert!(world.wakes - wakes < 20, "{} looks in five seconds", world.wakes - wakes);
}

#[test]
fn a_group_without_its_last_offset_is_empty_until_its_time_is_over() {
    let mut world = World::new();
    world.commit("", -1, 1).unwrap();
    let (_, effects) = world.shard.on_delete_offsets("g", &[("t".into(), 0)]).unwrap();
    world.take(effects);
    assert_eq!(world.shard.state("g"), GroupState::Empty);
    world.expire();
    assert_eq!(world.shard.state("g"), GroupState::Dead);
}

#[test]
fn a_static_member_that_comes_back_in_its_first_round_is_not_given_up_while_it_waits() {
    let mut world = World::new();
    let (a, _) = world.two_stable();
    world.join(Client::new("i").of_instance("i"));
    let waits = world.join(Client::new("i").of_instance("i"));
    for _ in 0..6 {
        world.pass(9_000);
        _ = world.heartbeat(&a, 1);
    }
    assert_eq!(world.answer(waits), None);
    let ends = world.join(Client::new("a").with_id(&a));
    world.pass(6_000);
    assert_eq!(world.joined(ends).generation, 2);
    assert_eq!(world.joined(waits).generation, 2);
}

#[test]
fn a_group_that_empties_before_it_was_ever_stable_is_what_the_log_says() {
    let mut world = World::new();
    let first = world.join(Client::new("a").old());
    world.pass(3_000);
    let id = world.joined(first).member_id;
    world.leave(&[&id]);
    let seen = world.shard.describe("g");
    assert_eq!(seen.as_ref().map(|group| group.protocol_type.as_str()), Some("consumer"));
    world.restart();
    assert_eq!(world.shard.describe("g"), seen);
    let again = world.join(Client::new("a").old());
    world.pass(3_000);
    assert_eq!(world.joined(again).generation, 3, "generations do not go back");
}

#[test]
fn an_id_that_was_given_out_is_nobody_s_instance() {
    let mut world = World::new();
    world.two_static_stable();
    let id = world.new_id("c");
    let to = world.join(Client::new("c").with_id(&id).of_instance("i1"));
    assert!(matches!(world.refused(to), GroupError::FencedInstance { .. }));
}

#[test]
fn names_and_lists_that_the_log_cannot_hold_are_refused() {
    let mut world = World::new();
    let to = world.join(Client::new(&"x".repeat(32_731)).old());
    assert!(matches!(world.refused(to), GroupError::TooLarge { .. }));
    let to = world.join(Client { protocols: vec![("", ""); 101], ..Client::new("c").old() });
    assert!(matches!(world.refused(to), GroupError::TooLarge { .. }));
    let to = world.join(Client::new(&"x".repeat(32_730)).old());
    world.pass(3_000);
    let id = world.joined(to).member_id;
    let sync = world.sync(&id, 1, &[(&id, "0")]);
    assert_eq!(world.synced(sync), "0");
    let written = GroupRecord::Group { group: "g".into(), value: Some(world.last_membership()) };
    let (key, value) = written.encode();
    assert_eq!(GroupRecord::decode(&key, value.as_deref()), Ok(Some(written)));
}

#[test]
fn a_static_member_cannot_make_the_membership_larger_than_a_record() {
    let mut world = World::new();
    world.shard.settings.record_bytes_max = 1_000;
    world.two_static_stable();
    let large: &'static str = "x".repeat(900).leak();
    let to = world.join(Client::new("i1").of_instance("i1").with_data(large));
    assert!(matches!(world.refused(to), GroupError::TooLarge { .. }));
    assert_eq!(world.shard.state("g"), GroupState::Stable);
}

#[test]
fn members_of_all_groups_together_take_a_limited_room() {
    let mut world = World::new();
    let large: &'static str = "x".repeat(1_000_000).leak();
    let member = world.joined_alone();
    let refused = (0..40).find_map(|_| {
        let to = world.join(Client::new("c").old().with_data(large));
        matches!(world.answer(to), Some(Reply::Refused(GroupError::NotAvailable { .. }))).then_some(to)
    });
    assert!(refused.is_some(), "forty million bytes were taken");
    let again = world.join(Client::new("a").with_id(&member));
    assert_eq!(world.joined(again).generation, 2, "a member takes part in the round all the same");
    world.pass(10_000_000);
    let to = world.join(Client::new("c").old());
    world.pass(10_000);
    world.joined(to);
}

#[test]
fn tombstones_leave_no_group_behind() {
    let mut shard = Shard::new(driver::settings());
    shard.replay(GroupRecord::Group { group: "g".into(), value: None });
    let gone = GroupRecord::Offset { group: "g".into(), topic: "t".into(), partition: 0, value: None };
    shard.replay(gone);
    assert_eq!(shard.list().count(), 0);
}
