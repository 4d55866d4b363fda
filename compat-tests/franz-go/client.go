// What every feature needs of franz-go: its options, a topic to itself, a full read of some partitions.

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// answerTime bounds every single answer that a feature waits for.
const answerTime = 60 * time.Second

// shownTime is the longest time in which a change must be shown everywhere.
const shownTime = 15 * time.Second

type client struct {
	// addresses are those of the nodes 1, 2, ... of the broker.
	addresses []string
	admin     *kadm.Client
}

func newClient(bootstrap string) (*client, error) {
	if bootstrap == "" {
		return nil, errors.New("BOOTSTRAP is not set")
	}
	addresses := strings.Split(bootstrap, ",")
	admin, err := kadm.NewOptClient(kgo.SeedBrokers(addresses...))
	if err != nil {
		return nil, err
	}
	return &client{addresses: addresses, admin: admin}, nil
}

// name is one that no other feature, family or run uses.
func (c *client) name(feature string) string {
	return "franz-go-" + feature + "-" + os.Getenv("RUN_ID")
}

// nodes are the ids of the broker's nodes.
func (c *client) nodes() []int32 {
	var ids []int32
	for number := range c.addresses {
		ids = append(ids, int32(number)+1)
	}
	return ids
}

// topic creates a topic for one feature and returns its name.
func (c *client) topic(ctx context.Context, feature string, partitions int32) (string, error) {
	name := c.name(feature)
	_, err := c.create(ctx, name, partitions, nil)
	return name, err
}

// create creates a topic and waits until it is shown with its partitions.
func (c *client) create(ctx context.Context, name string, partitions int32, configs map[string]*string) (kadm.CreateTopicResponse, error) {
	created, err := c.admin.CreateTopic(ctx, partitions, int16(len(c.addresses)), configs, name)
	if err != nil {
		return created, err
	}
	return created, eventually(func() error {
		topic, err := c.detail(ctx, name)
		return errors.Join(err, same(int(partitions), len(topic.Partitions), "partitions"))
	})
}

// detail asks on a connection of its own, because a client answers from what it saw a moment ago.
func (c *client) detail(ctx context.Context, topic string) (kadm.TopicDetail, error) {
	admin, err := kadm.NewOptClient(kgo.SeedBrokers(c.addresses...))
	if err != nil {
		return kadm.TopicDetail{}, err
	}
	defer admin.Close()
	topics, err := admin.ListTopics(ctx, topic)
	if err != nil {
		return kadm.TopicDetail{}, err
	}
	return topics[topic], topics[topic].Err
}

// producer has franz-go's defaults (idempotent, acks=all) but sends each record to the partition that it names.
func (c *client) producer(options ...kgo.Opt) (*kgo.Client, error) {
	all := []kgo.Opt{kgo.SeedBrokers(c.addresses...), kgo.RecordPartitioner(kgo.ManualPartitioner())}
	return kgo.NewClient(append(all, options...)...)
}

// produce sends the records by a producer of its own and waits until all are acknowledged.
func (c *client) produce(ctx context.Context, records []*kgo.Record, options ...kgo.Opt) error {
	producer, err := c.producer(options...)
	if err != nil {
		return err
	}
	defer producer.Close()
	return producer.ProduceSync(ctx, records...).FirstErr()
}

// produceNumbers sends the numbers from (inclusive) to (exclusive) as text to one partition.
func (c *client) produceNumbers(ctx context.Context, topic string, partition int32, from, to int) error {
	var records []*kgo.Record
	for n := from; n < to; n++ {
		records = append(records, &kgo.Record{Topic: topic, Partition: partition, Value: []byte(strconv.Itoa(n))})
	}
	return c.produce(ctx, records)
}

// consumer reads the given partitions from one place on, without a group.
func (c *client) consumer(topic string, partitions []int32, from kgo.Offset, options ...kgo.Opt) (*kgo.Client, error) {
	places := make(map[int32]kgo.Offset)
	for _, partition := range partitions {
		places[partition] = from
	}
	all := []kgo.Opt{kgo.SeedBrokers(c.addresses...), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: places})}
	return kgo.NewClient(append(all, options...)...)
}

// readAll returns everything from the log start to the end offset of now.
func (c *client) readAll(ctx context.Context, topic string, partitions int32) ([]*kgo.Record, error) {
	var all []int32
	for partition := range partitions {
		all = append(all, partition)
	}
	return c.readFrom(ctx, topic, all, kgo.NewOffset().AtStart())
}

// readFrom returns everything from a place to the end offset of now.
func (c *client) readFrom(ctx context.Context, topic string, partitions []int32, from kgo.Offset, options ...kgo.Opt) ([]*kgo.Record, error) {
	open, err := c.open(ctx, topic, partitions)
	if err != nil {
		return nil, err
	}
	consumer, err := c.consumer(topic, partitions, from, options...)
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	var read []*kgo.Record
	for len(open) > 0 {
		fetches := consumer.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("after %d records, open %v: %w", len(read), open, err)
		}
		fetches.EachRecord(func(record *kgo.Record) {
			read = append(read, record)
			if end, ok := open[record.Partition]; ok && record.Offset+1 >= end {
				delete(open, record.Partition)
			}
		})
	}
	return read, nil
}

// open returns the end offsets of those partitions that have records.
func (c *client) open(ctx context.Context, topic string, partitions []int32) (map[int32]int64, error) {
	starts, err := c.admin.ListStartOffsets(ctx, topic)
	if err != nil {
		return nil, err
	}
	ends, err := c.admin.ListEndOffsets(ctx, topic)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(starts.Error(), ends.Error()); err != nil {
		return nil, err
	}
	open := make(map[int32]int64)
	for _, partition := range partitions {
		start, _ := starts.Lookup(topic, partition)
		end, found := ends.Lookup(topic, partition)
		if !found {
			return nil, fmt.Errorf("no partition %d", partition)
		}
		if start.Offset < end.Offset {
			open[partition] = end.Offset
		}
	}
	return open, nil
}

func same(expected, actual any, what string) error {
	if !reflect.DeepEqual(expected, actual) {
		return fmt.Errorf("%s: expected %v, got %v", what, expected, actual)
	}
	return nil
}

func ensure(holds bool, otherwise string, arguments ...any) error {
	if !holds {
		return fmt.Errorf(otherwise, arguments...)
	}
	return nil
}

// refused is nil if err is `with`.
func refused(with, err error) error {
	if errors.Is(err, with) {
		return nil
	}
	return fmt.Errorf("not refused with %w but: %v", with, err)
}

// eventually repeats a step until it passes, because a broker may show a change a little after it answered that it is made.
func eventually(step func() error) error {
	deadline := time.Now().Add(shownTime)
	for {
		err := step()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// allOf runs steps until one fails.
func allOf(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}
