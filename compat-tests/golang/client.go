// Client is what the features of topics, records and offsets need of a client library. franz-go has a program of its own for them.

package golang

import (
	"context"
	"time"
)

// Where a read begins, beside a plain offset.
const (
	AtEnd   = -1
	AtStart = -2
)

// AtMaxTimestamp asks ListOffset for the record with the greatest timestamp.
const AtMaxTimestamp = -3

// Header is a record header; a nil value is null.
type Header struct {
	Key   string
	Value []byte
}

// Record is one as it is sent or was read; nil keys and values are null, and a zero time is that of the sending.
type Record struct {
	Topic      string
	Partition  int32
	Offset     int64
	Key, Value []byte
	Headers    []Header
	Time       time.Time
}

// Sending says how a producer sends. The zero value is acks=all, no codec, each record to the partition that it names.
type Sending struct {
	// Codec is none, gzip, snappy, lz4 or zstd.
	Codec string
	// Acks is "0", "1" or "all".
	Acks string
	// Idempotent as far as the client can.
	Idempotent bool
	// ByKey lets the client's hash of the key choose the partition.
	ByKey bool
	// AutoCreate lets the broker create a topic that is missing.
	AutoCreate bool
	// MaxBytes is the largest batch, if not 0.
	MaxBytes int
}

// Producer sends in the order of the calls.
type Producer interface {
	Send(record Record)
	// Flush waits until all that was sent is acknowledged, and returns the first refusal.
	Flush(ctx context.Context) error
	Close()
}

// Reading says where and how one partition is read, without a group.
type Reading struct {
	Topic     string
	Partition int32
	// From is an offset, AtStart or AtEnd.
	From int64
	// MaxWait is how long the broker may wait for records, MaxBytes how much a fetch asks for, if not 0.
	MaxWait  time.Duration
	MaxBytes int
}

// Reader reads one partition.
type Reader interface {
	// Next waits for the next record.
	Next(ctx context.Context) (Record, error)
	// SeekTo makes the record at an offset the next one.
	SeekTo(offset int64) error
	Close()
}

// Config is one configuration entry and Kafka's number for where it comes from.
type Config struct {
	Value  string
	Source int
}

// Kafka's numbers for the sources of a config and for what has configs.
const (
	fromTopic     = 1
	byDefault     = 5
	TopicConfigs  = 2
	BrokerConfigs = 4
)

// Change is one incremental change of a config.
type Change struct {
	Op          Op
	Name, Value string
}

// Op is Kafka's number for what a Change does.
type Op int8

// The four ways to change a config.
const (
	Set Op = iota
	Delete
	Append
	Subtract
)

// Cluster is what the client says about the brokers.
type Cluster struct {
	NodeIDs    []int32
	Addresses  []string
	Controller int32
}

// Partition is one partition of a described topic.
type Partition struct {
	Leader int32
	ISR    []int32
}

// Client is a connected client.
type Client interface {
	Groups

	Cluster(ctx context.Context) (Cluster, error)
	// Topic asks the broker, never a cache.
	Topic(ctx context.Context, name string) (map[int32]Partition, error)
	// CreateTopicWith returns when the broker has answered.
	CreateTopicWith(ctx context.Context, name string, partitions int32, configs map[string]string) error
	CreatePartitions(ctx context.Context, topic string, total int32) error
	DeleteTopic(ctx context.Context, topic string) error
	Configs(ctx context.Context, kind int, name string) (map[string]Config, error)
	AlterConfigs(ctx context.Context, topic string, configs map[string]string) error
	IncrementalAlterConfigs(ctx context.Context, topic string, changes []Change) error
	DeleteRecords(ctx context.Context, topic string, partition int32, before int64) error

	// ListOffset returns offset and timestamp; `at` is AtStart, AtEnd, AtMaxTimestamp or milliseconds. -1 is none.
	ListOffset(ctx context.Context, topic string, partition int32, at int64) (offset, timestamp int64, err error)

	Producer(sending Sending) (Producer, error)
	Reader(reading Reading) (Reader, error)
}
