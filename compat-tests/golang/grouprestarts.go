// The broker is restarted or killed while a group reads: nothing is missed, no committed offset goes backwards.

package golang

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const restartPartitions = 4

func (s groupScene) groupRestart(ctx context.Context, feature, how string) error {
	topic, err := s.topic(ctx, feature, restartPartitions)
	if err != nil {
		return err
	}
	var members []*joined
	for range 2 {
		member, err := s.join(Joining{Group: topic, Topic: topic, CommitEvery: commitEvery})
		if err != nil {
			return err
		}
		defer member.leave()
		members = append(members, member)
	}
	if err := spread(ctx, restartPartitions, []int{2, 2}, members...); err != nil {
		return err
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	backwards := make(chan error, 1)
	go func() { backwards <- s.onlyForwards(watching, topic) }()
	pump, err := s.pump(topic, restartPartitions)
	if err != nil {
		return err
	}
	// Something is committed before the broker goes.
	if err := eventually(ctx, func() error {
		found, err := s.Offsets(ctx, topic, topic, restartPartitions)
		if err != nil {
			return err
		}
		return same(restartPartitions, len(found), "partitions with a commit before the restart")
	}); err != nil {
		return err
	}
	if err := control(how); err != nil {
		return err
	}
	before := []int{len(members[0].read()), len(members[1].read())}
	total, err := pump.finish(ctx, topic, restartPartitions, 100)
	if err != nil {
		return err
	}
	if err := allOf(
		func() error { return readPumped(ctx, total, members...) },
		func() error { return spread(ctx, restartPartitions, []int{2, 2}, members...) },
		func() error {
			return eventually(ctx, func() error {
				found, err := s.Offsets(ctx, topic, topic, restartPartitions)
				return errors.Join(err, same(ends(members), found, "committed offsets, against what is read"))
			})
		},
	); err != nil {
		return err
	}
	for i, member := range members {
		if len(member.read()) <= before[i] {
			return fmt.Errorf("member %d read nothing after the broker came back", i)
		}
	}
	stop()
	return <-backwards
}

// ends is one beyond the last offset that any member read, by partition. It is not computed from what was sent, for a producer
// that is not idempotent may have sent something twice.
func ends(members []*joined) map[int32]Committed {
	ends := make(map[int32]Committed)
	for _, member := range members {
		for _, record := range member.read() {
			if record.Offset >= ends[record.Partition].Offset {
				ends[record.Partition] = Committed{Offset: record.Offset + 1}
			}
		}
	}
	return ends
}

// onlyForwards looks at the committed offsets until ctx is over; while the broker is down there is nothing to see.
func (s groupScene) onlyForwards(ctx context.Context, group string) error {
	last := make(map[int32]int64)
	for ctx.Err() == nil {
		found, err := s.Offsets(ctx, group, group, restartPartitions)
		for partition := range last {
			now, known := found[partition]
			if err == nil && (!known || now.Offset < last[partition]) {
				return fmt.Errorf("partition %d: %d was committed, later %v", partition, last[partition], now)
			}
		}
		for partition, now := range found {
			last[partition] = now.Offset
		}
		time.Sleep(5 * pollEvery)
	}
	return nil
}
