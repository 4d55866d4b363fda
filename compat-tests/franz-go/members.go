// A group member with franz-go: one client that polls, commits what it processed, and tells its watch.

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bateau/compat/golang"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// pollTime is how long a poll may wait before the loop looks at its clock.
	pollTime = 100 * time.Millisecond
	// metadataAge is short, so that a pattern finds a new topic soon.
	metadataAge = 500 * time.Millisecond
)

type member struct {
	joining golang.Joining
	watch   *golang.Watch
	client  *kgo.Client
	stop    context.CancelFunc
	done    chan struct{}
}

// Join starts a member; rebalances wait while records are processed, so a revoked partition has no record in hand.
func (c *client) Join(joining golang.Joining, watch *golang.Watch) (golang.Member, error) {
	m := &member{joining: joining, watch: watch, done: make(chan struct{})}
	options := []kgo.Opt{
		kgo.SeedBrokers(c.addresses...),
		kgo.ConsumerGroup(joining.Group),
		kgo.SessionTimeout(golang.SessionTimeout),
		kgo.HeartbeatInterval(golang.HeartbeatInterval),
		kgo.RebalanceTimeout(golang.RebalanceTimeout),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchMaxWait(500 * time.Millisecond),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, added map[string][]int32) { watch.Assigned(flat(added)) }),
		kgo.OnPartitionsRevoked(m.revoked),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, lost map[string][]int32) { watch.Revoked(flat(lost)) }),
	}
	if joining.ClientID != "" {
		options = append(options, kgo.ClientID(joining.ClientID))
	}
	if joining.InstanceID != "" {
		options = append(options, kgo.InstanceID(joining.InstanceID))
	}
	if joining.Cooperative {
		options = append(options, kgo.Balancers(kgo.CooperativeStickyBalancer()))
	} else {
		options = append(options, kgo.Balancers(kgo.RangeBalancer()))
	}
	if joining.Pattern != "" {
		options = append(options, kgo.ConsumeRegex(), kgo.ConsumeTopics(joining.Pattern), kgo.MetadataMaxAge(metadataAge), kgo.MetadataMinAge(metadataAge/2))
	} else {
		options = append(options, kgo.ConsumeTopics(joining.Topic))
	}
	var err error
	if m.client, err = kgo.NewClient(options...); err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(context.Background())
	m.stop = stop
	go m.run(running)
	return m, nil
}

// run polls until it is stopped. Errors of fetches and sessions are cured by the client itself, if they can be cured.
func (m *member) run(ctx context.Context) {
	defer close(m.done)
	last := time.Now()
	for ctx.Err() == nil {
		poll, cancel := context.WithTimeout(ctx, pollTime)
		fetches := m.client.PollFetches(poll)
		cancel()
		fetches.EachError(func(_ string, _ int32, err error) {
			if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
				m.watch.Trouble(err)
			}
		})
		fetches.EachRecord(func(record *kgo.Record) {
			m.watch.Read(golang.Record{Topic: record.Topic, Partition: record.Partition, Offset: record.Offset, Value: record.Value})
		})
		if m.joining.CommitEvery > 0 && time.Since(last) >= m.joining.CommitEvery {
			m.commitDue(ctx)
			last = time.Now()
		}
		m.client.AllowRebalance()
	}
}

func (m *member) revoked(ctx context.Context, _ *kgo.Client, lost map[string][]int32) {
	m.commitDue(ctx)
	m.watch.Revoked(flat(lost))
}

// commitDue commits what is processed; a refused commit is tried again with the next one, unless the partition is gone by then.
func (m *member) commitDue(ctx context.Context) {
	if m.joining.CommitEvery == 0 {
		return
	}
	due := m.watch.Due()
	if len(due) == 0 {
		return
	}
	if err := m.Commit(ctx, due); err != nil {
		m.watch.Trouble(fmt.Errorf("commit: %w", err))
	}
}

// Commit is one OffsetCommit; the text that stands beside an offset goes into the request just before it leaves.
func (m *member) Commit(ctx context.Context, offsets map[int32]golang.Committed) error {
	places := make(map[int32]kgo.EpochOffset)
	for partition, offset := range offsets {
		places[partition] = kgo.EpochOffset{Epoch: -1, Offset: offset.Offset}
	}
	ctx = kgo.PreCommitFnContext(ctx, func(request *kmsg.OffsetCommitRequest) error {
		for _, topic := range request.Topics {
			for i := range topic.Partitions {
				text := offsets[topic.Partitions[i].Partition].Metadata
				topic.Partitions[i].Metadata = &text
			}
		}
		return nil
	})
	failed := errors.New("no answer to the commit")
	acknowledged := make(map[int32]golang.Committed)
	m.client.CommitOffsetsSync(ctx, map[string]map[int32]kgo.EpochOffset{m.joining.Topic: places},
		func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, answer *kmsg.OffsetCommitResponse, err error) {
			if failed = err; err != nil {
				return
			}
			for _, topic := range answer.Topics {
				for _, partition := range topic.Partitions {
					if err := kerr.ErrorForCode(partition.ErrorCode); err != nil {
						failed = errors.Join(failed, err)
						continue
					}
					acknowledged[partition.Partition] = offsets[partition.Partition]
				}
			}
		})
	m.watch.Committed(acknowledged)
	return failed
}

// Close leaves the group, which revokes what it owns and so commits.
func (m *member) Close() error {
	m.stop()
	<-m.done
	m.client.CloseAllowingRebalance()
	return nil
}

func flat(partitions map[string][]int32) (all []int32) {
	for _, some := range partitions {
		all = append(all, some...)
	}
	return all
}
