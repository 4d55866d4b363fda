// Groups is what the group features need of a client library, and the words that they use.

package golang

import (
	"context"
	"time"
)

// What every member uses; the broker's initial rebalance delay is 100 ms.
const (
	SessionTimeout    = 6 * time.Second
	HeartbeatInterval = 500 * time.Millisecond
	RebalanceTimeout  = 10 * time.Second
)

// Kafka's error codes that features expect or that end a member.
const (
	offsetOutOfRangeCode          = 1
	unknownTopicCode              = 3
	messageTooLargeCode           = 10
	invalidTopicCode              = 17
	inconsistentGroupProtocolCode = 23
	invalidGroupIDCode            = 24
	unknownMemberIDCode           = 25
	invalidSessionTimeoutCode     = 26
	groupAuthorizationFailedCode  = 30
	topicExistsCode               = 36
	invalidPartitionsCode         = 37
	invalidConfigCode             = 40
	nonEmptyGroupCode             = 68
	groupIDNotFoundCode           = 69
	fencedInstanceIDCode          = 82
	groupSubscribedTopicCode      = 86
)

// Committed is a committed offset with the text that stands beside it.
type Committed struct {
	Offset   int64
	Metadata string
}

// GroupDescription is what DescribeGroups tells.
type GroupDescription struct {
	State, ProtocolType, Protocol string
	Members                       []MemberDescription
}

// MemberDescription has the partitions of the one topic that the group reads.
type MemberDescription struct {
	MemberID, ClientID string
	Partitions         []int32
}

// Joining says how a member takes part.
type Joining struct {
	Group, ClientID, InstanceID string
	// Topic is what it reads, or all topics that match Pattern if that is set.
	Topic, Pattern string
	// Cooperative is the cooperative-sticky assignor; otherwise it is the range assignor alone.
	Cooperative bool
	// CommitEvery is how often it commits what it has read; with 0 it commits only by Member.Commit, not even at its end.
	CommitEvery time.Duration
}

// Member is one that runs in the background and tells its Watch everything; it goes on by itself after errors.
type Member interface {
	// Commit commits as this member of the present generation.
	Commit(ctx context.Context, offsets map[int32]Committed) error
	// Close commits, unless CommitEvery is 0, and leaves the group (a static member only goes away).
	Close() error
}

// Groups is a connected client.
type Groups interface {
	// CreateTopic returns when the topic is shown with its partitions.
	CreateTopic(ctx context.Context, name string, partitions int32) error
	// Pump returns a producer with the client's best promise: nothing lost over a restart of the broker.
	Pump() (Producer, error)
	Join(joining Joining, watch *Watch) (Member, error)

	// ListGroups returns the protocol type of each group.
	ListGroups(ctx context.Context) (map[string]string, error)
	DescribeGroup(ctx context.Context, group string) (GroupDescription, error)
	// Offsets returns what is committed; a partition without a commit is absent.
	Offsets(ctx context.Context, group, topic string, partitions int32) (map[int32]Committed, error)
	// AlterOffsets commits from outside of the group, as tools do.
	AlterOffsets(ctx context.Context, group, topic string, offsets map[int32]Committed) error
	DeleteOffsets(ctx context.Context, group, topic string, partition int32) error
	DeleteGroup(ctx context.Context, group string) error

	// Code is the broker's error code within an error of this client, or -1.
	Code(err error) int
	Close()
}
