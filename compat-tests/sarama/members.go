// A group member with sarama: a ConsumerGroup whose sessions, one for each generation or one for all of a cooperative member, tell
// the watch. Sarama commits marked offsets without saying whether it succeeded, so each commit is read back before it counts.

package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"bateau/compat/golang"

	"github.com/IBM/sarama"
)

type member struct {
	joining golang.Joining
	watch   *golang.Watch
	client  *client
	group   sarama.ConsumerGroup
	stop    context.CancelFunc
	done    chan struct{}

	mutex   sync.Mutex
	session sarama.ConsumerGroupSession
}

// Join starts a member that consumes session after session until it is closed.
func (c *client) Join(joining golang.Joining, watch *golang.Watch) (golang.Member, error) {
	config := settings()
	if joining.ClientID != "" {
		config.ClientID = joining.ClientID
	}
	config.Metadata.Retry.Max = patience
	consumer := &config.Consumer
	consumer.Group.InstanceId = joining.InstanceID
	consumer.Group.Session.Timeout = golang.SessionTimeout
	consumer.Group.Heartbeat.Interval = golang.HeartbeatInterval
	consumer.Group.Rebalance.Timeout = golang.RebalanceTimeout
	consumer.Group.Rebalance.Retry.Backoff = 100 * time.Millisecond
	consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{sarama.NewBalanceStrategyRange()}
	if joining.Cooperative {
		consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{sarama.NewBalanceStrategyCooperativeSticky()}
	}
	consumer.Offsets.Initial = sarama.OffsetOldest
	consumer.Offsets.AutoCommit.Enable = false
	consumer.Retry.Backoff = 100 * time.Millisecond
	consumer.Return.Errors = true
	group, err := sarama.NewConsumerGroup(c.bootstrap, joining.Group, config)
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(context.Background())
	m := &member{joining: joining, watch: watch, client: c, group: group, stop: stop, done: make(chan struct{})}
	go func() {
		for err := range group.Errors() {
			m.watch.Trouble(err)
		}
	}()
	go m.run(running)
	return m, nil
}

func (m *member) run(ctx context.Context) {
	defer close(m.done)
	for ctx.Err() == nil {
		if err := m.group.Consume(ctx, []string{m.joining.Topic}, m); err != nil && ctx.Err() == nil {
			m.watch.Trouble(err)
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
}

// Setup begins a session and its commits by the clock.
func (m *member) Setup(session sarama.ConsumerGroupSession) error {
	m.mutex.Lock()
	m.session = session
	m.mutex.Unlock()
	if !m.joining.Cooperative {
		m.watch.Assigned(session.Claims()[m.joining.Topic])
	}
	if m.joining.CommitEvery > 0 {
		go m.commitByClock(session)
	}
	return nil
}

func (m *member) commitByClock(session sarama.ConsumerGroupSession) {
	clock := time.NewTicker(m.joining.CommitEvery)
	defer clock.Stop()
	for {
		select {
		case <-session.Context().Done():
			return
		case <-clock.C:
			m.commitDue(session)
		}
	}
}

// ConsumeClaim processes one partition until it is taken away. In a cooperative session it is also how that is noticed.
func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	if m.joining.Cooperative {
		m.watch.Assigned([]int32{claim.Partition()})
		defer m.watch.Revoked([]int32{claim.Partition()})
		defer m.commitDue(session)
	}
	for {
		select {
		case message, more := <-claim.Messages():
			if !more {
				return nil
			}
			m.watch.Read(taken(message))
		case <-session.Context().Done():
			return nil
		}
	}
}

// Cleanup comes when no partition is processed any more and before they are given up.
func (m *member) Cleanup(session sarama.ConsumerGroupSession) error {
	m.commitDue(session)
	m.mutex.Lock()
	m.session = nil
	m.mutex.Unlock()
	if !m.joining.Cooperative {
		m.watch.Revoked(session.Claims()[m.joining.Topic])
	}
	return nil
}

// commitDue commits what is processed; what the broker does not have afterwards is tried again with the next commit.
func (m *member) commitDue(session sarama.ConsumerGroupSession) {
	if m.joining.CommitEvery == 0 {
		return
	}
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if due := m.watch.Due(); len(due) > 0 {
		if err := m.commit(session, due); err != nil {
			m.watch.Trouble(err)
		}
	}
}

// Commit marks and commits within the present session.
func (m *member) Commit(ctx context.Context, offsets map[int32]golang.Committed) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.session == nil {
		return errors.New("no session to commit in")
	}
	return m.commit(m.session, offsets)
}

func (m *member) commit(session sarama.ConsumerGroupSession, offsets map[int32]golang.Committed) error {
	most := int32(0)
	for partition, offset := range offsets {
		session.MarkOffset(m.joining.Topic, partition, offset.Offset, offset.Metadata)
		most = max(most, partition)
	}
	session.Commit()
	found, err := m.client.Offsets(context.Background(), m.joining.Group, m.joining.Topic, most+1)
	if err != nil {
		return err
	}
	acknowledged := make(map[int32]golang.Committed)
	for partition, offset := range offsets {
		if found[partition] == offset {
			acknowledged[partition] = offset
		}
	}
	m.watch.Committed(acknowledged)
	if len(acknowledged) < len(offsets) {
		return fmt.Errorf("%d of %d offsets were committed", len(acknowledged), len(offsets))
	}
	return nil
}

// Close ends the session, which commits, and leaves.
func (m *member) Close() error {
	m.stop()
	<-m.done
	return m.group.Close()
}
