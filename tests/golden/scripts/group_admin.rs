//! `DescribeGroups`, `ListGroups` and `DeleteGroups`.

use kafka_protocol::messages::{DeleteGroupsRequest, DescribeGroupsRequest, GroupId, ListGroupsRequest};

use super::group_offsets::committed;
use super::groups::{alone, await_coordinator, group, joined_alone, static_alone, two_asked};
use crate::session::{Session, text};

pub(crate) fn describe_groups(s: &mut Session) -> Result<(), String> {
    let a = s.topic("a", 1, &[])?;
    let describe = |groups: &[&GroupId]| {
        DescribeGroupsRequest::default().with_groups(groups.iter().copied().cloned().collect())
    };
    let unknown = group(s, "unknown");
    await_coordinator(s, &unknown)?;
    s.step("unknown", &describe(&[&unknown]))?;
    s.step("none", &describe(&[]))?;
    let offsets = group(s, "offsets-only");
    await_coordinator(s, &offsets)?;
    committed(s, &offsets, &a, &[(0, 5)])?;
    s.step("offsets_only", &describe(&[&offsets]))?;
    let stable = group(s, "stable");
    let m = alone(s, &stable, "m")?;
    s.step("stable", &describe(&[&stable]))?;
    let owner = group(s, "static");
    static_alone(s, &owner, "st", "st")?;
    s.step("static", &describe(&[&owner]))?;
    let completing = group(s, "completing");
    joined_alone(s, &completing, "n")?;
    s.step("completing", &describe(&[&completing]))?;
    two_asked(s, &m)?;
    s.step("preparing", &describe(&[&stable]))?;
    s.step("several", &describe(&[&completing, &unknown]))?;
    if s.version >= 3 {
        let request = describe(&[&completing, &unknown]).with_include_authorized_operations(true);
        s.step("authorized_operations", &request)?;
    }
    Ok(())
}

pub(crate) fn list_groups(s: &mut Session) -> Result<(), String> {
    let a = s.topic("a", 1, &[])?;
    let offsets = group(s, "offsets-only");
    await_coordinator(s, &offsets)?;
    committed(s, &offsets, &a, &[(0, 5)])?;
    let stable = group(s, "stable");
    alone(s, &stable, "m")?;
    let completing = group(s, "completing");
    joined_alone(s, &completing, "n")?;
    let list = |states: &[&str], types: &[&str]| {
        ListGroupsRequest::default()
            .with_states_filter(states.iter().copied().map(text).collect())
            .with_types_filter(types.iter().copied().map(text).collect())
    };
    s.step("all", &list(&[], &[]))?;
    if s.version >= 4 {
        s.step("stable", &list(&["Stable"], &[]))?;
        s.step("stable_or_empty", &list(&["Stable", "Empty"], &[]))?;
        s.step("in_other_letters", &list(&["sTABLE"], &[]))?;
        s.step("preparing", &list(&["PreparingRebalance"], &[]))?;
        s.step("no_such_state", &list(&["Sleeping"], &[]))?;
    }
    if s.version >= 5 {
        s.step("classic", &list(&[], &["classic"]))?;
        s.step("classic_in_other_letters", &list(&[], &["Classic"]))?;
        s.step("consumer", &list(&[], &["consumer"]))?;
        s.step("no_such_type", &list(&[], &["modern"]))?;
        s.step("classic_or_no_such_type", &list(&[], &["modern", "classic"]))?;
        s.step("stable_and_classic", &list(&["Stable"], &["classic"]))?;
    }
    Ok(())
}

pub(crate) fn delete_groups(s: &mut Session) -> Result<(), String> {
    let a = s.topic("a", 1, &[])?;
    let delete = |groups: &[&GroupId]| {
        DeleteGroupsRequest::default().with_groups_names(groups.iter().copied().cloned().collect())
    };
    let unknown = group(s, "unknown");
    await_coordinator(s, &unknown)?;
    s.step("unknown", &delete(&[&unknown]))?;
    s.step("none", &delete(&[]))?;
    let offsets = group(s, "offsets");
    await_coordinator(s, &offsets)?;
    committed(s, &offsets, &a, &[(0, 5)])?;
    s.step("good", &delete(&[&offsets]))?;
    s.step("again", &delete(&[&offsets]))?;
    let used = group(s, "used");
    alone(s, &used, "m")?;
    s.step("used", &delete(&[&used]))?;
    committed(s, &offsets, &a, &[(0, 5)])?;
    s.step("good_used_and_unknown", &delete(&[&offsets, &used, &unknown]))?;
    committed(s, &offsets, &a, &[(0, 5)])?;
    s.step("one_twice", &delete(&[&offsets, &offsets]))?;
    Ok(())
}
