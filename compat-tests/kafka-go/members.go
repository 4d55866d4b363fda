// A group member with kafka-go: a ConsumerGroup whose generations each start a Reader for every partition and a committer.
//
// It is no member of groups with other clients, and so family.json does not call it one: kafka-go announces version 1 of the
// subscription and leaves out its last field, which a Java leader does not survive and a librdkafka leader takes for no subscription;
// and as the leader it cannot read the subscriptions of others, for they have that field.

package main

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"bateau/compat/golang"

	"github.com/segmentio/kafka-go"
)

type member struct {
	joining golang.Joining
	watch   *golang.Watch
	client  *client
	group   *kafka.ConsumerGroup
	done    chan struct{}

	mutex   sync.Mutex
	present *kafka.Generation
}

// Join starts a member that takes generation after generation until it is closed.
func (c *client) Join(joining golang.Joining, watch *golang.Watch) (golang.Member, error) {
	clientID := joining.ClientID
	if clientID == "" {
		clientID = "kafka-go"
	}
	group, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID:                joining.Group,
		Brokers:           strings.Split(c.bootstrap, ","),
		Dialer:            &kafka.Dialer{ClientID: clientID, Timeout: requestTime},
		Topics:            []string{joining.Topic},
		GroupBalancers:    []kafka.GroupBalancer{kafka.RangeGroupBalancer{}},
		HeartbeatInterval: golang.HeartbeatInterval,
		SessionTimeout:    golang.SessionTimeout,
		RebalanceTimeout:  golang.RebalanceTimeout,
		JoinGroupBackoff:  100 * time.Millisecond,
		StartOffset:       kafka.FirstOffset,
	})
	if err != nil {
		return nil, err
	}
	m := &member{joining: joining, watch: watch, client: c, group: group, done: make(chan struct{})}
	go m.run()
	return m, nil
}

func (m *member) run() {
	defer close(m.done)
	for {
		generation, err := m.group.Next(context.Background())
		switch {
		case errors.Is(err, kafka.ErrGroupClosed):
			return
		case err != nil:
			m.watch.Trouble(err)
		default:
			m.take(generation)
		}
	}
}

// take starts the work of one generation, which ends with it.
func (m *member) take(generation *kafka.Generation) {
	var owned []int32
	for _, one := range generation.Assignments[m.joining.Topic] {
		owned = append(owned, int32(one.ID))
	}
	m.watch.Assigned(owned)
	m.mutex.Lock()
	m.present = generation
	m.mutex.Unlock()
	var reading sync.WaitGroup
	for _, one := range generation.Assignments[m.joining.Topic] {
		reading.Add(1)
		generation.Start(func(ctx context.Context) {
			defer reading.Done()
			m.read(ctx, int32(one.ID), one.Offset)
		})
	}
	generation.Start(func(ctx context.Context) {
		m.commitByClock(ctx, generation)
		reading.Wait()
		m.commitDue(generation)
		m.watch.Revoked(owned)
	})
}

// read processes one partition until the generation ends.
func (m *member) read(ctx context.Context, partition int32, offset int64) {
	config := readerConfig(m.client.bootstrap, m.joining.Topic, partition)
	config.OffsetOutOfRangeError = false
	reader := kafka.NewReader(config)
	// In the background, for it waits for the fetch that is on its way.
	defer func() { go reader.Close() }()
	if err := reader.SetOffset(offset); err != nil {
		m.watch.Trouble(err)
	}
	for {
		message, err := reader.ReadMessage(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			m.watch.Trouble(err)
			continue
		}
		m.watch.Read(taken(message))
	}
}

func (m *member) commitByClock(ctx context.Context, generation *kafka.Generation) {
	if m.joining.CommitEvery == 0 {
		<-ctx.Done()
		return
	}
	clock := time.NewTicker(m.joining.CommitEvery)
	defer clock.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-clock.C:
			m.commitDue(generation)
		}
	}
}

// commitDue commits what is processed; what is refused is tried again with the next commit.
func (m *member) commitDue(generation *kafka.Generation) {
	if m.joining.CommitEvery == 0 {
		return
	}
	due := m.watch.Due()
	if len(due) == 0 {
		return
	}
	offsets := make(map[int]int64)
	for partition, offset := range due {
		offsets[int(partition)] = offset.Offset
	}
	if err := generation.CommitOffsets(map[string]map[int]int64{m.joining.Topic: offsets}); err != nil {
		m.watch.Trouble(err)
		return
	}
	m.watch.Committed(due)
}

// Commit is a request of the Client in the name of this member, for those of a Generation take no text beside an offset.
func (m *member) Commit(ctx context.Context, offsets map[int32]golang.Committed) error {
	m.mutex.Lock()
	present := m.present
	m.mutex.Unlock()
	if present == nil {
		return errors.New("no generation to commit in")
	}
	request := &kafka.OffsetCommitRequest{GroupID: m.joining.Group, GenerationID: int(present.ID), MemberID: present.MemberID}
	if err := m.client.commit(ctx, request, m.joining.Topic, offsets); err != nil {
		return err
	}
	m.watch.Committed(offsets)
	return nil
}

// Close ends the generation, whose committer commits, and leaves.
func (m *member) Close() error {
	err := m.group.Close()
	<-m.done
	return err
}
