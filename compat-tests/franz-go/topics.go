// The admin features: topics, partitions, configs, records deleted, the cluster itself.

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var topicChecks = []check{
	{"describe_cluster", describeCluster},
	{"create_topic", createTopic},
	{"auto_create_topic", autoCreateTopic},
	{"unknown_topic", unknownTopic},
	{"create_partitions", createPartitions},
	{"describe_configs", describeConfigs},
	{"incremental_alter_configs", incrementalAlterConfigs},
	{"alter_configs", alterConfigs},
	{"delete_records", deleteRecords},
	{"delete_topic", deleteTopic},
}

func describeCluster(ctx context.Context, c *client) error {
	metadata, err := c.admin.BrokerMetadata(ctx)
	if err != nil {
		return err
	}
	shown, expected := make(map[int32]string), make(map[int32]string)
	for _, broker := range metadata.Brokers {
		shown[broker.NodeID] = fmt.Sprintf("%s:%d", broker.Host, broker.Port)
	}
	for number, address := range c.addresses {
		expected[int32(number)+1] = address
	}
	return allOf(
		func() error { return same(expected, shown, "advertised addresses by node id") },
		func() error {
			return ensure(slices.Contains(c.nodes(), metadata.Controller), "controller %d", metadata.Controller)
		},
		func() error { return ensure(metadata.Cluster != "", "no cluster id") },
	)
}

func createTopic(ctx context.Context, c *client) error {
	name := c.name("create_topic")
	create := func(name string, retention string) (kadm.CreateTopicResponse, error) {
		return c.create(ctx, name, 3, map[string]*string{"retention.ms": &retention})
	}
	created, err := create(name, "86400000")
	if err != nil {
		return err
	}
	if err := same(int32(3), created.NumPartitions, "partitions of the answer"); err != nil {
		return err
	}
	retention := created.Configs["retention.ms"]
	if err := same("86400000", retention.MaybeValue(), "retention.ms of the answer"); err != nil {
		return err
	}
	topic, err := c.detail(ctx, name)
	if err != nil {
		return err
	}
	for partition, detail := range topic.Partitions {
		inSync := slices.Sorted(slices.Values(detail.ISR))
		if !slices.Contains(inSync, detail.Leader) || !slices.Equal(inSync, c.nodes()) {
			return fmt.Errorf("partition %d has leader %d and isr %v", partition, detail.Leader, detail.ISR)
		}
	}
	_, again := create(name, "86400000")
	_, invalidName := create("not a name", "86400000")
	_, invalidConfig := create(name+"-2", "soon")
	return allOf(
		func() error { return same(3, len(topic.Partitions), "partitions") },
		func() error {
			return ensure(topic.ID == created.ID && topic.ID != kadm.TopicID{}, "topic id %v", topic.ID)
		},
		func() error { return refused(kerr.TopicAlreadyExists, again) },
		func() error { return refused(kerr.InvalidTopicException, invalidName) },
		func() error { return refused(kerr.InvalidConfig, invalidConfig) },
	)
}

func autoCreateTopic(ctx context.Context, c *client) error {
	name := c.name("auto_create_topic")
	record := &kgo.Record{Topic: name, Value: []byte("first")}
	if err := c.produce(ctx, []*kgo.Record{record}, kgo.AllowAutoTopicCreation()); err != nil {
		return err
	}
	_, err := c.detail(ctx, name)
	return errors.Join(err, same(int64(0), record.Offset, "first offset"))
}

func unknownTopic(ctx context.Context, c *client) error {
	name := c.name("unknown_topic")
	record := &kgo.Record{Topic: name, Value: []byte("first")}
	err := c.produce(ctx, []*kgo.Record{record}, kgo.UnknownTopicRetries(1))
	if err := refused(kerr.UnknownTopicOrPartition, err); err != nil {
		return err
	}
	_, err = c.detail(ctx, name)
	return refused(kerr.UnknownTopicOrPartition, err)
}

func createPartitions(ctx context.Context, c *client) error {
	topic, err := c.topic(ctx, "create_partitions", 2)
	if err != nil {
		return err
	}
	set := func(count int) error {
		answer, err := c.admin.UpdatePartitions(ctx, count, topic)
		return errors.Join(err, answer[topic].Err)
	}
	if err := set(5); err != nil {
		return err
	}
	grown := func() error {
		grown, err := c.detail(ctx, topic)
		return errors.Join(err, same(5, len(grown.Partitions), "partitions"))
	}
	if err := eventually(grown); err != nil {
		return err
	}
	if err := c.produceNumbers(ctx, topic, 4, 0, 1); err != nil {
		return err
	}
	read, err := c.readAll(ctx, topic, 5)
	if err != nil {
		return err
	}
	return allOf(
		func() error { return same(1, len(read), "records") },
		func() error { return refused(kerr.InvalidPartitions, set(3)) },
	)
}

func describeConfigs(ctx context.Context, c *client) error {
	topic, size := c.name("describe_configs"), "500000"
	if _, err := c.create(ctx, topic, 1, map[string]*string{"max.message.bytes": &size}); err != nil {
		return err
	}
	set, err := config(ctx, c, topic, "max.message.bytes")
	if err != nil {
		return err
	}
	byDefault, err := config(ctx, c, topic, "retention.ms")
	if err != nil {
		return err
	}
	_, missing := config(ctx, c, topic+"-missing", "retention.ms")
	brokers, err := c.admin.DescribeBrokerConfigs(ctx, 1)
	if err != nil {
		return err
	}
	return allOf(
		func() error { return same("500000", set.MaybeValue(), "max.message.bytes") },
		func() error { return same(kmsg.ConfigSourceDynamicTopicConfig, set.Source, "source of a set config") },
		func() error { return same("604800000", byDefault.MaybeValue(), "retention.ms") },
		func() error { return same(kmsg.ConfigSourceDefaultConfig, byDefault.Source, "source of a default") },
		func() error { return refused(kerr.UnknownTopicOrPartition, missing) },
		func() error { return ensure(len(brokers) == 1 && len(brokers[0].Configs) > 0, "no broker configs") },
	)
}

func incrementalAlterConfigs(ctx context.Context, c *client) error {
	topic, err := c.topic(ctx, "incremental_alter_configs", 1)
	if err != nil {
		return err
	}
	alter := func(op kadm.IncrementalOp, name, value string) func() error {
		return func() error {
			answer, err := c.admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: op, Name: name, Value: &value}}, topic)
			if err != nil {
				return err
			}
			return answer[0].Err
		}
	}
	return allOf(
		alter(kadm.SetConfig, "retention.ms", "1000000"),
		alter(kadm.SetConfig, "segment.bytes", "10485760"),
		hasConfig(ctx, c, topic, "retention.ms", "1000000"),
		hasConfig(ctx, c, topic, "segment.bytes", "10485760"),
		alter(kadm.DeleteConfig, "retention.ms", ""),
		hasConfig(ctx, c, topic, "retention.ms", "604800000"),
		alter(kadm.AppendConfig, "cleanup.policy", "compact"),
		hasConfig(ctx, c, topic, "cleanup.policy", "compact,delete"),
		alter(kadm.SubtractConfig, "cleanup.policy", "compact"),
		hasConfig(ctx, c, topic, "cleanup.policy", "delete"),
		func() error { return refused(kerr.InvalidConfig, alter(kadm.SetConfig, "retention.ms", "soon")()) },
	)
}

// alterConfigs is the old call, which replaces everything that was set before.
func alterConfigs(ctx context.Context, c *client) error {
	topic, err := c.topic(ctx, "alter_configs", 1)
	if err != nil {
		return err
	}
	alter := func(name, value string) func() error {
		return func() error {
			answer, err := c.admin.AlterTopicConfigsState(ctx, []kadm.AlterConfig{{Name: name, Value: &value}}, topic)
			if err != nil {
				return err
			}
			return answer[0].Err
		}
	}
	return allOf(
		alter("retention.ms", "1000000"),
		hasConfig(ctx, c, topic, "retention.ms", "1000000"),
		alter("segment.bytes", "10485760"),
		hasConfig(ctx, c, topic, "segment.bytes", "10485760"),
		hasConfig(ctx, c, topic, "retention.ms", "604800000"),
		func() error { return refused(kerr.InvalidConfig, alter("retention.ms", "soon")()) },
	)
}

func deleteRecords(ctx context.Context, c *client) error {
	topic, err := c.topic(ctx, "delete_records", 1)
	if err != nil {
		return err
	}
	deleteBefore := func(offset, expected int64) error {
		var offsets kadm.Offsets = make(kadm.Offsets)
		offsets.Add(kadm.Offset{Topic: topic, Partition: 0, At: offset})
		answer, err := c.admin.DeleteRecords(ctx, offsets)
		if err != nil {
			return err
		}
		one := answer[topic][0]
		return errors.Join(one.Err, same(expected, one.LowWatermark, "low watermark"))
	}
	left := func(count int, first int64) error {
		read, err := c.readAll(ctx, topic, 1)
		if err != nil {
			return err
		}
		if count > 0 && len(read) > 0 {
			err = same(first, read[0].Offset, "first offset left")
		}
		return errors.Join(err, same(count, len(read), "records left"))
	}
	return allOf(
		func() error { return c.produceNumbers(ctx, topic, 0, 0, 100) },
		func() error { return deleteBefore(40, 40) },
		func() error { return left(60, 40) },
		func() error { return deleteBefore(-1, 100) },
		func() error { return left(0, 0) },
		func() error { return c.produceNumbers(ctx, topic, 0, 100, 101) },
		func() error { return left(1, 100) },
		func() error { return refused(kerr.OffsetOutOfRange, deleteBefore(1000, 0)) },
	)
}

func deleteTopic(ctx context.Context, c *client) error {
	topic, err := c.topic(ctx, "delete_topic", 2)
	if err != nil {
		return err
	}
	if err := c.produceNumbers(ctx, topic, 0, 0, 10); err != nil {
		return err
	}
	first, err := c.detail(ctx, topic)
	if err != nil {
		return err
	}
	if _, err := c.admin.DeleteTopic(ctx, topic); err != nil {
		return err
	}
	gone := func() error {
		_, err := c.detail(ctx, topic)
		return refused(kerr.UnknownTopicOrPartition, err)
	}
	if err := eventually(gone); err != nil {
		return err
	}
	_, again := c.admin.DeleteTopic(ctx, topic)
	if err := refused(kerr.UnknownTopicOrPartition, again); err != nil {
		return err
	}
	second, err := c.create(ctx, topic, 1, nil)
	if err != nil {
		return err
	}
	if err := c.produceNumbers(ctx, topic, 0, 77, 78); err != nil {
		return err
	}
	read, err := c.readAll(ctx, topic, 1)
	if err != nil {
		return err
	}
	return allOf(
		func() error { return ensure(second.ID != first.ID, "the topic id was used again") },
		func() error { return same(1, len(read), "records of the second topic") },
		func() error { return same(int64(0), read[0].Offset, "its first offset") },
		func() error { return same("77", string(read[0].Value), "its first value") },
	)
}

func config(ctx context.Context, c *client, topic, name string) (kadm.Config, error) {
	resources, err := c.admin.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return kadm.Config{}, err
	}
	if resources[0].Err != nil {
		return kadm.Config{}, resources[0].Err
	}
	for _, config := range resources[0].Configs {
		if config.Key == name {
			return config, nil
		}
	}
	return kadm.Config{}, fmt.Errorf("no config %s", name)
}

// hasConfig is a step of allOf; a list is compared without its order.
func hasConfig(ctx context.Context, c *client, topic, name, expected string) func() error {
	shown := func() error {
		config, err := config(ctx, c, topic, name)
		if err != nil {
			return err
		}
		values := strings.Split(config.MaybeValue(), ",")
		slices.Sort(values)
		return same(expected, strings.Join(values, ","), name)
	}
	return func() error { return eventually(shown) }
}
