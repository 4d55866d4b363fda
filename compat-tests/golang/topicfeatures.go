// The admin features: topics, partitions, configs, records deleted, the cluster itself.

package golang

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// scene is one family's client in all features that need no group.
type scene struct {
	family Family
	Client
}

// Checks are all features without groups, over any client.
func Checks(family Family, client Client) []Check {
	s := scene{family, client}
	checks := []Check{
		{"describe_cluster", s.describeCluster},
		{"create_topic", s.createTopic},
		{"auto_create_topic", s.autoCreateTopic},
		{"unknown_topic", s.unknownTopic},
		{"create_partitions", s.createPartitions},
		{"describe_configs", s.describeConfigs},
		{"incremental_alter_configs", s.incrementalAlterConfigs},
		{"alter_configs", s.alterConfigs},
		{"delete_records", s.deleteRecords},
		{"delete_topic", s.deleteTopic},
	}
	return slices.Concat(checks, s.recordChecks(), s.offsetChecks(), s.restartChecks())
}

// topic creates a topic for one feature and returns its name.
func (s scene) topic(ctx context.Context, feature string, partitions int32) (string, error) {
	name := s.family.name(feature)
	return name, s.CreateTopic(ctx, name, partitions)
}

func (s scene) describeCluster(ctx context.Context) error {
	cluster, err := s.Cluster(ctx)
	shown := make(map[int32]string)
	for number, id := range cluster.NodeIDs {
		shown[id] = cluster.Addresses[number]
	}
	expected := make(map[int32]string)
	for number, address := range addresses() {
		expected[int32(number)+1] = address
	}
	return errors.Join(err, same(expected, shown, "advertised addresses by node id"),
		ensure(slices.Contains(nodes(), cluster.Controller), "controller %d", cluster.Controller))
}

func (s scene) createTopic(ctx context.Context) error {
	name := s.family.name("create_topic")
	create := func(name, retention string) error {
		return s.CreateTopicWith(ctx, name, 3, map[string]string{"retention.ms": retention})
	}
	return allOf(
		func() error { return create(name, "86400000") },
		func() error {
			return eventually(ctx, func() error {
				shown, err := s.Topic(ctx, name)
				if err != nil || len(shown) != 3 {
					return fmt.Errorf("expected 3 partitions, got %v, %w", shown, err)
				}
				for number, partition := range shown {
					if !slices.Contains(partition.ISR, partition.Leader) || !slices.Equal(nodes(), slices.Sorted(slices.Values(partition.ISR))) {
						return fmt.Errorf("partition %d is %v", number, partition)
					}
				}
				return nil
			})
		},
		s.hasConfig(ctx, name, "retention.ms", "86400000"),
		func() error { return refused(topicExistsCode, create(name, "86400000"), s.Code) },
		func() error { return refused(invalidTopicCode, create("not a name", "86400000"), s.Code) },
		func() error { return refused(invalidConfigCode, create(name+"-2", "soon"), s.Code) },
	)
}

func (s scene) autoCreateTopic(ctx context.Context) error {
	name := s.family.name("auto_create_topic")
	if err := s.produce(ctx, Sending{AutoCreate: true}, Record{Topic: name, Value: []byte("first")}); err != nil {
		return err
	}
	read, err := s.readAll(ctx, name, 1)
	return errors.Join(err, same([]string{"first"}, values(read), "values"))
}

func (s scene) unknownTopic(ctx context.Context) error {
	name := s.family.name("unknown_topic")
	err := s.produce(ctx, Sending{}, Record{Topic: name, Value: []byte("first")})
	if err := refused(unknownTopicCode, err, s.Code); err != nil {
		return err
	}
	_, err = s.Topic(ctx, name)
	return refused(unknownTopicCode, err, s.Code)
}

func (s scene) createPartitions(ctx context.Context) error {
	topic, err := s.topic(ctx, "create_partitions", 2)
	if err != nil {
		return err
	}
	return allOf(
		func() error { return s.CreatePartitions(ctx, topic, 5) },
		func() error {
			return eventually(ctx, func() error {
				grown, err := s.Topic(ctx, topic)
				return errors.Join(err, same(5, len(grown), "partitions"))
			})
		},
		func() error { return s.produce(ctx, Sending{}, numbers(topic, 4, 0, 1)...) },
		func() error {
			read, err := s.readAll(ctx, topic, 5)
			return errors.Join(err, same(1, len(read), "records"))
		},
		func() error { return refused(invalidPartitionsCode, s.CreatePartitions(ctx, topic, 3), s.Code) },
	)
}

func (s scene) describeConfigs(ctx context.Context) error {
	topic := s.family.name("describe_configs")
	if err := s.CreateTopicWith(ctx, topic, 1, map[string]string{"max.message.bytes": "500000"}); err != nil {
		return err
	}
	if err := s.hasConfig(ctx, topic, "max.message.bytes", "500000")(); err != nil {
		return err
	}
	configs, err := s.Configs(ctx, TopicConfigs, topic)
	if err != nil {
		return err
	}
	_, missing := s.Configs(ctx, TopicConfigs, topic+"-missing")
	brokers, err := s.Configs(ctx, BrokerConfigs, "1")
	return allOf(
		func() error { return err },
		func() error {
			return same(Config{"500000", fromTopic}, configs["max.message.bytes"], "a config that was set")
		},
		func() error { return same(Config{"604800000", byDefault}, configs["retention.ms"], "a default") },
		func() error { return refused(unknownTopicCode, missing, s.Code) },
		func() error { return ensure(len(brokers) > 0, "no broker configs") },
	)
}

func (s scene) incrementalAlterConfigs(ctx context.Context) error {
	topic, err := s.topic(ctx, "incremental_alter_configs", 1)
	if err != nil {
		return err
	}
	alter := func(op Op, name, value string) func() error {
		return func() error { return s.IncrementalAlterConfigs(ctx, topic, []Change{{op, name, value}}) }
	}
	return allOf(
		alter(Set, "retention.ms", "1000000"),
		alter(Set, "segment.bytes", "10485760"),
		s.hasConfig(ctx, topic, "retention.ms", "1000000"),
		s.hasConfig(ctx, topic, "segment.bytes", "10485760"),
		alter(Delete, "retention.ms", ""),
		s.hasConfig(ctx, topic, "retention.ms", "604800000"),
		alter(Append, "cleanup.policy", "compact"),
		s.hasConfig(ctx, topic, "cleanup.policy", "compact,delete"),
		alter(Subtract, "cleanup.policy", "compact"),
		s.hasConfig(ctx, topic, "cleanup.policy", "delete"),
		func() error { return refused(invalidConfigCode, alter(Set, "retention.ms", "soon")(), s.Code) },
	)
}

// alterConfigs is the old call, which replaces everything that was set before.
func (s scene) alterConfigs(ctx context.Context) error {
	topic, err := s.topic(ctx, "alter_configs", 1)
	if err != nil {
		return err
	}
	alter := func(name, value string) func() error {
		return func() error { return s.AlterConfigs(ctx, topic, map[string]string{name: value}) }
	}
	return allOf(
		alter("retention.ms", "1000000"),
		s.hasConfig(ctx, topic, "retention.ms", "1000000"),
		alter("segment.bytes", "10485760"),
		s.hasConfig(ctx, topic, "segment.bytes", "10485760"),
		s.hasConfig(ctx, topic, "retention.ms", "604800000"),
		func() error { return refused(invalidConfigCode, alter("retention.ms", "soon")(), s.Code) },
	)
}

// hasConfig is a step of allOf; a list is compared without its order.
func (s scene) hasConfig(ctx context.Context, topic, name, expected string) func() error {
	return func() error {
		return eventually(ctx, func() error {
			configs, err := s.Configs(ctx, TopicConfigs, topic)
			if err != nil {
				return err
			}
			values := strings.Split(configs[name].Value, ",")
			slices.Sort(values)
			return same(expected, strings.Join(values, ","), name)
		})
	}
}

func (s scene) deleteRecords(ctx context.Context) error {
	topic, err := s.topic(ctx, "delete_records", 1)
	if err != nil {
		return err
	}
	left := func(count int, first int64) func() error {
		return func() error {
			read, err := s.readAll(ctx, topic, 1)
			if err == nil && len(read) > 0 {
				err = same(first, read[0].Offset, "first offset left")
			}
			return errors.Join(err, same(count, len(read), "records left"))
		}
	}
	return allOf(
		func() error { return s.produce(ctx, Sending{}, numbers(topic, 0, 0, 100)...) },
		func() error { return s.DeleteRecords(ctx, topic, 0, 40) },
		left(60, 40),
		func() error { return s.DeleteRecords(ctx, topic, 0, -1) },
		left(0, 0),
		func() error { return s.produce(ctx, Sending{}, numbers(topic, 0, 100, 101)...) },
		left(1, 100),
		func() error { return refused(offsetOutOfRangeCode, s.DeleteRecords(ctx, topic, 0, 1000), s.Code) },
	)
}

func (s scene) deleteTopic(ctx context.Context) error {
	topic, err := s.topic(ctx, "delete_topic", 2)
	if err != nil {
		return err
	}
	return allOf(
		func() error { return s.produce(ctx, Sending{}, numbers(topic, 0, 0, 10)...) },
		func() error { return s.DeleteTopic(ctx, topic) },
		func() error {
			return eventually(ctx, func() error {
				_, err := s.Topic(ctx, topic)
				return refused(unknownTopicCode, err, s.Code)
			})
		},
		func() error { return refused(unknownTopicCode, s.DeleteTopic(ctx, topic), s.Code) },
		func() error { return s.CreateTopic(ctx, topic, 1) },
		func() error { return s.produce(ctx, Sending{}, numbers(topic, 0, 77, 78)...) },
		func() error {
			read, err := s.readAll(ctx, topic, 1)
			if err != nil || len(read) != 1 {
				return fmt.Errorf("expected one record of the second topic, got %d, %w", len(read), err)
			}
			return errors.Join(same(int64(0), read[0].Offset, "its offset"), same("77", string(read[0].Value), "its value"))
		},
	)
}
