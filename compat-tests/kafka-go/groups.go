// Groups seen and changed from outside, by requests of the Client.

package main

import (
	"context"
	"fmt"

	"bateau/compat/golang"

	"github.com/segmentio/kafka-go"
)

// ListGroups asks every broker.
func (c *client) ListGroups(ctx context.Context) (map[string]string, error) {
	answer, err := ask(c, func(client *kafka.Client) (*kafka.ListGroupsResponse, error) {
		return client.ListGroups(ctx, &kafka.ListGroupsRequest{})
	})
	if err != nil {
		return nil, err
	}
	listed := make(map[string]string)
	for _, group := range answer.Groups {
		listed[group.GroupID] = group.ProtocolType
	}
	return listed, answer.Error
}

// DescribeGroup asks the group's coordinator; the protocol type is that of ListGroups, for the description has no field for it.
func (c *client) DescribeGroup(ctx context.Context, name string) (golang.GroupDescription, error) {
	answer, err := ask(c, func(client *kafka.Client) (*kafka.DescribeGroupsResponse, error) {
		return client.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{name}})
	})
	if err != nil {
		return golang.GroupDescription{}, err
	}
	if len(answer.Groups) != 1 {
		return golang.GroupDescription{}, fmt.Errorf("%d groups described", len(answer.Groups))
	}
	listed, err := c.ListGroups(ctx)
	if err != nil {
		return golang.GroupDescription{}, err
	}
	group := answer.Groups[0]
	shown := golang.GroupDescription{State: group.GroupState, ProtocolType: listed[name]}
	for _, one := range group.Members {
		described := golang.MemberDescription{MemberID: one.MemberID, ClientID: one.ClientID}
		for _, topic := range one.MemberAssignments.Topics {
			for _, partition := range topic.Partitions {
				described.Partitions = append(described.Partitions, int32(partition))
			}
		}
		shown.Members = append(shown.Members, described)
	}
	return shown, group.Error
}

// Offsets asks for each of the partitions.
func (c *client) Offsets(ctx context.Context, group, topic string, partitions int32) (map[int32]golang.Committed, error) {
	var asked []int
	for partition := range partitions {
		asked = append(asked, int(partition))
	}
	answer, err := ask(c, func(client *kafka.Client) (*kafka.OffsetFetchResponse, error) {
		return client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{topic: asked}})
	})
	if err != nil {
		return nil, err
	}
	found := make(map[int32]golang.Committed)
	for _, one := range answer.Topics[topic] {
		if one.Error != nil {
			return nil, one.Error
		}
		if one.CommittedOffset >= 0 {
			found[int32(one.Partition)] = golang.Committed{Offset: one.CommittedOffset, Metadata: one.Metadata}
		}
	}
	return found, answer.Error
}

// AlterOffsets commits without being a member.
func (c *client) AlterOffsets(ctx context.Context, group, topic string, offsets map[int32]golang.Committed) error {
	return c.commit(ctx, &kafka.OffsetCommitRequest{GroupID: group, GenerationID: -1}, topic, offsets)
}

// commit fills a request that says who commits.
func (c *client) commit(ctx context.Context, request *kafka.OffsetCommitRequest, topic string, offsets map[int32]golang.Committed) error {
	var places []kafka.OffsetCommit
	for partition, offset := range offsets {
		places = append(places, kafka.OffsetCommit{Partition: int(partition), Offset: offset.Offset, Metadata: offset.Metadata})
	}
	request.Topics = map[string][]kafka.OffsetCommit{topic: places}
	answer, err := ask(c, func(client *kafka.Client) (*kafka.OffsetCommitResponse, error) {
		return client.OffsetCommit(ctx, request)
	})
	if err != nil {
		return err
	}
	for _, one := range answer.Topics[topic] {
		if one.Error != nil {
			return one.Error
		}
	}
	return nil
}

// DeleteOffsets forgets one partition's offset.
func (c *client) DeleteOffsets(ctx context.Context, group, topic string, partition int32) error {
	answer, err := ask(c, func(client *kafka.Client) (*kafka.OffsetDeleteResponse, error) {
		places := map[string][]int{topic: {int(partition)}}
		return client.OffsetDelete(ctx, &kafka.OffsetDeleteRequest{GroupID: group, Topics: places})
	})
	if err != nil {
		return err
	}
	for _, one := range answer.Topics[topic] {
		if one.Error != nil {
			return one.Error
		}
	}
	return answer.Error
}

// DeleteGroup deletes an empty group.
func (c *client) DeleteGroup(ctx context.Context, group string) error {
	answer, err := ask(c, func(client *kafka.Client) (*kafka.DeleteGroupsResponse, error) {
		return client.DeleteGroups(ctx, &kafka.DeleteGroupsRequest{GroupIDs: []string{group}})
	})
	if err != nil {
		return err
	}
	return answer.Errors[group]
}
