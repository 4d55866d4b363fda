// The features of a group whose members come, go and die, and who owns what then.

package golang

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// quiet is how long nothing may happen where nothing should: a few heartbeats.
const quiet = 3 * HeartbeatInterval

// spread waits until the members own all partitions, each by one of them, in shares of these sizes (in any order).
func spread(ctx context.Context, partitions int32, shares []int, members ...*joined) error {
	return eventually(ctx, func() error {
		var sizes []int
		var all []int32
		for _, member := range members {
			owned := member.Owned()
			sizes = append(sizes, len(owned))
			all = append(all, owned...)
		}
		slices.Sort(sizes)
		slices.Sort(all)
		expected := make([]int32, partitions)
		for partition := range partitions {
			expected[partition] = partition
		}
		return errors.Join(same(expected, all, "owned by all members together"), same(shares, sizes, "shares"))
	})
}

func (s groupScene) groupGrows(ctx context.Context) error {
	topic, err := s.topic(ctx, "group_grows", 6)
	if err != nil {
		return err
	}
	pump, err := s.pump(topic, 6)
	if err != nil {
		return err
	}
	var members []*joined
	for _, shares := range [][]int{{6}, {3, 3}, {2, 2, 2}} {
		member, err := s.join(Joining{Group: topic, Topic: topic, CommitEvery: commitEvery})
		if err != nil {
			return err
		}
		defer member.leave()
		members = append(members, member)
		if err := spread(ctx, 6, shares, members...); err != nil {
			return fmt.Errorf("%d members: %w", len(members), err)
		}
	}
	total, err := pump.finish(ctx, topic, 6, 60)
	if err != nil {
		return err
	}
	return readPumped(ctx, total, members...)
}

func (s groupScene) groupShrinks(ctx context.Context) error {
	topic, err := s.filled(ctx, "group_shrinks", 6, 10)
	if err != nil {
		return err
	}
	var members []*joined
	for range 3 {
		member, err := s.join(Joining{Group: topic, Topic: topic, CommitEvery: commitEvery})
		if err != nil {
			return err
		}
		defer member.leave()
		members = append(members, member)
	}
	if err := spread(ctx, 6, []int{2, 2, 2}, members...); err != nil {
		return err
	}
	for _, shares := range [][]int{{3, 3}, {6}} {
		began := time.Now()
		if err := members[0].leave(); err != nil {
			return err
		}
		members = members[1:]
		if err := spread(ctx, 6, shares, members...); err != nil {
			return err
		}
		if took := time.Since(began); took >= SessionTimeout-HeartbeatInterval {
			return fmt.Errorf("after a member left, the others had its partitions only after %v", took)
		}
	}
	if err := s.send(ctx, topic, 6, 10, 20); err != nil {
		return err
	}
	return eventually(ctx, func() error {
		read := make(map[string]bool)
		for _, record := range members[0].read() {
			if record.Offset >= 10 {
				read[fmt.Sprint(record.Partition, record.Offset)] = true
			}
		}
		return same(60, len(read), "records read by the last member")
	})
}

func (s groupScene) staticMember(ctx context.Context) error {
	topic, err := s.filled(ctx, "static_member", 4, 10)
	if err != nil {
		return err
	}
	join := func(instance string) (*joined, error) {
		return s.join(Joining{Group: topic, Topic: topic, InstanceID: instance, CommitEvery: commitEvery})
	}
	other, err := join("other")
	if err != nil {
		return err
	}
	defer other.leave()
	first, err := join("restarted")
	if err != nil {
		return err
	}
	defer first.leave()
	if err := spread(ctx, 4, []int{2, 2}, other, first); err != nil {
		return err
	}
	owned, rebalances := first.Owned(), other.rebalances()
	if err := first.leave(); err != nil {
		return err
	}
	second, err := join("restarted")
	if err != nil {
		return err
	}
	defer second.leave()
	back := func() error { return same(owned, second.Owned(), "partitions of the restarted member") }
	if err := within(ctx, SessionTimeout, back); err != nil {
		return err
	}
	if err := s.send(ctx, topic, 4, 10, 20); err != nil {
		return err
	}
	if err := reads(ctx, 20, 4, other, first, second); err != nil {
		return err
	}
	for until := time.Now().Add(quiet); time.Now().Before(until); time.Sleep(pollEvery) {
		if err := same(rebalances, other.rebalances(), "rebalances that the other member saw"); err != nil {
			return err
		}
	}
	return back()
}

func (s groupScene) cooperative(ctx context.Context) error {
	topic, err := s.topic(ctx, "cooperative", 6)
	if err != nil {
		return err
	}
	pump, err := s.pump(topic, 6)
	if err != nil {
		return err
	}
	join := func() (*joined, error) {
		return s.join(Joining{Group: topic, Topic: topic, Cooperative: true, CommitEvery: commitEvery})
	}
	first, err := join()
	if err != nil {
		return err
	}
	defer first.leave()
	if err := spread(ctx, 6, []int{6}, first); err != nil {
		return err
	}
	second, err := join()
	if err != nil {
		return err
	}
	defer second.leave()
	if err := spread(ctx, 6, []int{3, 3}, first, second); err != nil {
		return err
	}
	if err := same(3, first.kept(), "partitions that the first member never lost"); err != nil {
		return err
	}
	total, err := pump.finish(ctx, topic, 6, 60)
	if err != nil {
		return err
	}
	return readPumped(ctx, total, first, second)
}
