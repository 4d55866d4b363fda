// Groups seen and changed from outside, by the ClusterAdmin.

package main

import (
	"context"
	"errors"
	"fmt"

	"bateau/compat/golang"

	"github.com/IBM/sarama"
)

// ListGroups asks every broker.
func (c *client) ListGroups(context.Context) (map[string]string, error) {
	return c.ListConsumerGroups()
}

// DescribeGroup asks the group's coordinator.
func (c *client) DescribeGroup(_ context.Context, name string) (golang.GroupDescription, error) {
	groups, err := c.DescribeConsumerGroups([]string{name})
	if err != nil {
		return golang.GroupDescription{}, err
	}
	if len(groups) != 1 {
		return golang.GroupDescription{}, fmt.Errorf("%d groups described", len(groups))
	}
	group := groups[0]
	shown := golang.GroupDescription{State: group.State, ProtocolType: group.ProtocolType, Protocol: group.Protocol}
	for id, one := range group.Members {
		described := golang.MemberDescription{MemberID: id, ClientID: one.ClientId}
		assignment, err := one.GetMemberAssignment()
		if err != nil {
			return shown, err
		}
		if assignment != nil {
			for _, partitions := range assignment.Topics {
				described.Partitions = append(described.Partitions, partitions...)
			}
		}
		shown.Members = append(shown.Members, described)
	}
	if errors.Is(group.Err, sarama.ErrNoError) {
		return shown, nil
	}
	return shown, group.Err
}

// Offsets asks for each of the partitions.
func (c *client) Offsets(_ context.Context, group, topic string, partitions int32) (map[int32]golang.Committed, error) {
	var asked []int32
	for partition := range partitions {
		asked = append(asked, partition)
	}
	answer, err := c.ListConsumerGroupOffsets(group, map[string][]int32{topic: asked})
	if err != nil {
		return nil, err
	}
	found := make(map[int32]golang.Committed)
	for _, partition := range asked {
		block := answer.GetBlock(topic, partition)
		if block == nil {
			return nil, fmt.Errorf("no answer for partition %d", partition)
		}
		if !errors.Is(block.Err, sarama.ErrNoError) {
			return nil, block.Err
		}
		if block.Offset >= 0 {
			found[partition] = golang.Committed{Offset: block.Offset, Metadata: block.Metadata}
		}
	}
	return found, nil
}

// AlterOffsets commits without being a member.
func (c *client) AlterOffsets(_ context.Context, group, topic string, offsets map[int32]golang.Committed) error {
	places := make(map[int32]sarama.OffsetAndMetadata)
	for partition, offset := range offsets {
		places[partition] = sarama.OffsetAndMetadata{Offset: offset.Offset, Metadata: offset.Metadata, LeaderEpoch: -1}
	}
	answer, err := c.AlterConsumerGroupOffsets(group, map[string]map[int32]sarama.OffsetAndMetadata{topic: places}, nil)
	if err != nil {
		return err
	}
	for partition := range offsets {
		if code := answer.Errors[topic][partition]; code != sarama.ErrNoError {
			return code
		}
	}
	return nil
}

// DeleteOffsets forgets one partition's offset.
func (c *client) DeleteOffsets(_ context.Context, group, topic string, partition int32) error {
	return c.DeleteConsumerGroupOffset(group, topic, partition)
}

// DeleteGroup deletes an empty group.
func (c *client) DeleteGroup(_ context.Context, group string) error {
	return c.DeleteConsumerGroup(group)
}
