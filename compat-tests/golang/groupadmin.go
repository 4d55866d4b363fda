// The features of groups seen and changed from outside.

package golang

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// stable joins one member of a topic with two partitions and ten records in each, and waits until it has them.
func (s groupScene) stable(ctx context.Context, feature string) (string, *joined, error) {
	topic, err := s.filled(ctx, feature, 2, 10)
	if err != nil {
		return topic, nil, err
	}
	member, err := s.join(Joining{Group: topic, Topic: topic, ClientID: topic + "-client", CommitEvery: commitEvery})
	if err != nil {
		return topic, nil, err
	}
	all := map[int32]Committed{0: {Offset: 10}, 1: {Offset: 10}}
	if err := s.committed(ctx, topic, 2, all); err != nil {
		member.leave()
		return topic, nil, err
	}
	return topic, member, nil
}

func (s groupScene) listGroups(ctx context.Context) error {
	group, member, err := s.stable(ctx, "list_groups")
	if err != nil {
		return err
	}
	defer member.leave()
	listed, err := s.ListGroups(ctx)
	if err != nil {
		return err
	}
	if err := same("consumer", listed[group], "protocol type of a group with a member"); err != nil {
		return err
	}
	if err := member.leave(); err != nil {
		return err
	}
	listed, err = s.ListGroups(ctx)
	_, still := listed[group]
	return errors.Join(err, ensure(still, "an empty group with offsets is not listed"))
}

func (s groupScene) describeGroup(ctx context.Context) error {
	group, member, err := s.stable(ctx, "describe_group")
	if err != nil {
		return err
	}
	defer member.leave()
	shown, err := s.DescribeGroup(ctx, group)
	if err != nil {
		return err
	}
	if len(shown.Members) != 1 {
		return fmt.Errorf("expected one member, got %v", shown)
	}
	one := shown.Members[0]
	slices.Sort(one.Partitions)
	return allOf(
		func() error { return same("Stable", shown.State, "state") },
		func() error { return same("consumer", shown.ProtocolType, "protocol type") },
		// kafka-go has no field for it.
		func() error {
			return ensure(shown.Protocol == "range" || shown.Protocol == "", "protocol %s", shown.Protocol)
		},
		func() error { return same(group+"-client", one.ClientID, "client id") },
		func() error { return ensure(one.MemberID != "", "no member id") },
		func() error { return same([]int32{0, 1}, one.Partitions, "assigned partitions") },
		member.leave,
		func() error {
			empty, err := s.DescribeGroup(ctx, group)
			return errors.Join(err, same("Empty", empty.State, "state after the last member"), same(0, len(empty.Members), "members left"))
		},
	)
}

func (s groupScene) alterGroupOffsets(ctx context.Context) error {
	group, member, err := s.stable(ctx, "alter_group_offsets")
	if err != nil {
		return err
	}
	defer member.leave()
	moved := map[int32]int64{0: 3, 1: 8}
	alter := func() error { return s.AlterOffsets(ctx, group, group, at(moved)) }
	if err := allOf(
		func() error { return refused(unknownMemberIDCode, alter(), s.Code) },
		member.leave,
		alter,
		func() error { return s.committed(ctx, group, 2, at(moved)) },
	); err != nil {
		return err
	}
	next, err := s.join(Joining{Group: group, Topic: group})
	if err != nil {
		return err
	}
	defer next.leave()
	return eventually(ctx, func() error { return same(moved, next.first(0), "first offset by partition") })
}

func (s groupScene) deleteGroupOffsets(ctx context.Context) error {
	group, member, err := s.stable(ctx, "delete_group_offsets")
	if err != nil {
		return err
	}
	defer member.leave()
	forget := func() error { return s.DeleteOffsets(ctx, group, group, 0) }
	return allOf(
		func() error { return refused(groupSubscribedTopicCode, forget(), s.Code) },
		member.leave,
		forget,
		func() error { return s.committed(ctx, group, 2, map[int32]Committed{1: {Offset: 10}}) },
	)
}

func (s groupScene) deleteGroup(ctx context.Context) error {
	group, member, err := s.stable(ctx, "delete_group")
	if err != nil {
		return err
	}
	defer member.leave()
	remove := func() error { return s.DeleteGroup(ctx, group) }
	return allOf(
		func() error { return refused(nonEmptyGroupCode, remove(), s.Code) },
		member.leave,
		remove,
		func() error { return s.committed(ctx, group, 2, map[int32]Committed{}) },
		func() error {
			listed, err := s.ListGroups(ctx)
			_, still := listed[group]
			return errors.Join(err, ensure(!still, "still listed"))
		},
		func() error { return refused(groupIDNotFoundCode, remove(), s.Code) },
	)
}
