// What the group features need of franz-go beside members: a producer, and groups seen from outside.

package main

import (
	"context"
	"errors"

	"bateau/compat/golang"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// CreateTopic returns when the topic is shown.
func (c *client) CreateTopic(ctx context.Context, name string, partitions int32) error {
	_, err := c.create(ctx, name, partitions, nil)
	return err
}

// pump is franz-go's idempotent producer.
type pump struct {
	client   *kgo.Client
	refusals kgo.FirstErrPromise
}

// Pump returns a producer that nothing is lost of.
func (c *client) Pump() (golang.Producer, error) {
	producer, err := c.producer()
	return &pump{client: producer}, err
}

// Send sends in the background.
func (p *pump) Send(record golang.Record) {
	p.client.Produce(context.Background(), &kgo.Record{Topic: record.Topic, Partition: record.Partition, Value: record.Value}, p.refusals.Promise())
}

// Flush waits for all acknowledgements.
func (p *pump) Flush(ctx context.Context) error {
	if err := p.client.Flush(ctx); err != nil {
		return err
	}
	return p.refusals.Err()
}

// Close gives up what is not flushed.
func (p *pump) Close() { p.client.Close() }

// ListGroups asks every broker.
func (c *client) ListGroups(ctx context.Context) (map[string]string, error) {
	groups, err := c.admin.ListGroups(ctx)
	listed := make(map[string]string)
	for name, group := range groups {
		listed[name] = group.ProtocolType
	}
	return listed, err
}

// DescribeGroup asks the group's coordinator.
func (c *client) DescribeGroup(ctx context.Context, name string) (golang.GroupDescription, error) {
	groups, err := c.admin.DescribeGroups(ctx, name)
	if err != nil {
		return golang.GroupDescription{}, err
	}
	group := groups[name]
	shown := golang.GroupDescription{State: group.State, ProtocolType: group.ProtocolType, Protocol: group.Protocol}
	for _, one := range group.Members {
		described := golang.MemberDescription{MemberID: one.MemberID, ClientID: one.ClientID}
		if assigned, ok := one.Assigned.AsConsumer(); ok {
			for _, topic := range assigned.Topics {
				described.Partitions = append(described.Partitions, topic.Partitions...)
			}
		}
		shown.Members = append(shown.Members, described)
	}
	return shown, group.Err
}

// Offsets asks for the offsets of one topic.
func (c *client) Offsets(ctx context.Context, group, topic string, _ int32) (map[int32]golang.Committed, error) {
	answer, err := c.admin.FetchOffsets(ctx, group)
	if err != nil {
		return nil, err
	}
	found := make(map[int32]golang.Committed)
	for partition, offset := range answer[topic] {
		if offset.Err != nil {
			return nil, offset.Err
		}
		found[partition] = golang.Committed{Offset: offset.At, Metadata: offset.Metadata}
	}
	return found, nil
}

// AlterOffsets commits without being a member.
func (c *client) AlterOffsets(ctx context.Context, group, topic string, offsets map[int32]golang.Committed) error {
	places := make(kadm.Offsets)
	for partition, offset := range offsets {
		places.Add(kadm.Offset{Topic: topic, Partition: partition, At: offset.Offset, LeaderEpoch: -1, Metadata: offset.Metadata})
	}
	return c.admin.CommitAllOffsets(ctx, group, places)
}

// DeleteOffsets forgets one partition's offset.
func (c *client) DeleteOffsets(ctx context.Context, group, topic string, partition int32) error {
	places := make(kadm.TopicsSet)
	places.Add(topic, partition)
	answer, err := c.admin.DeleteOffsets(ctx, group, places)
	return errors.Join(err, answer.Error())
}

// DeleteGroup returns the group's own error too.
func (c *client) DeleteGroup(ctx context.Context, group string) error {
	answer, err := c.admin.DeleteGroup(ctx, group)
	return errors.Join(err, answer.Err)
}

// Code is the broker's error code in err.
func (c *client) Code(err error) int {
	var code *kerr.Error
	if errors.As(err, &code) {
		return int(code.Code)
	}
	return -1
}

// Close ends the admin's connections.
func (c *client) Close() { c.admin.Close() }
