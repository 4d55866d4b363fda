// The connected client: its settings, and topics and configs by the ClusterAdmin.

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"bateau/compat/golang"

	"github.com/IBM/sarama"
)

const (
	// shownTime is the longest time in which a topic must be shown.
	shownTime = 15 * time.Second
	pollEvery = 20 * time.Millisecond
)

type client struct {
	bootstrap []string
	connected sarama.Client
	sarama.ClusterAdmin
}

// settings are those of every connection; an answer may be waited for while the broker restarts.
func settings() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.V4_3_0_0
	config.ClientID = "sarama"
	config.Metadata.AllowAutoTopicCreation = false
	config.Metadata.Retry.Backoff = 100 * time.Millisecond
	config.Admin.Retry.Max = 10
	return config
}

func open(bootstrap string) (*client, error) {
	addresses := strings.Split(bootstrap, ",")
	connected, err := sarama.NewClient(addresses, settings())
	if err != nil {
		return nil, err
	}
	admin, err := sarama.NewClusterAdminFromClient(connected)
	return &client{bootstrap: addresses, connected: connected, ClusterAdmin: admin}, err
}

// Close ends the admin and the connections that it shares.
func (c *client) Close() { c.ClusterAdmin.Close() }

// Code is the broker's error code in err.
func (c *client) Code(err error) int {
	var code sarama.KError
	if errors.As(err, &code) {
		return int(code)
	}
	return -1
}

// Cluster is what DescribeCluster says.
func (c *client) Cluster(context.Context) (golang.Cluster, error) {
	brokers, controller, err := c.DescribeCluster()
	cluster := golang.Cluster{Controller: controller}
	for _, broker := range brokers {
		cluster.NodeIDs = append(cluster.NodeIDs, broker.ID())
		cluster.Addresses = append(cluster.Addresses, broker.Addr())
	}
	return cluster, err
}

// Topic asks the controller.
func (c *client) Topic(_ context.Context, name string) (map[int32]golang.Partition, error) {
	topics, err := c.DescribeTopics([]string{name})
	if err != nil {
		return nil, err
	}
	if len(topics) != 1 {
		return nil, fmt.Errorf("%d topics described", len(topics))
	}
	if topics[0].Err != sarama.ErrNoError {
		return nil, topics[0].Err
	}
	partitions := make(map[int32]golang.Partition)
	for _, one := range topics[0].Partitions {
		partitions[one.ID] = golang.Partition{Leader: one.Leader, ISR: one.Isr}
	}
	return partitions, nil
}

// CreateTopic returns when the topic is shown.
func (c *client) CreateTopic(ctx context.Context, name string, partitions int32) error {
	if err := c.CreateTopicWith(ctx, name, partitions, nil); err != nil {
		return err
	}
	for deadline := time.Now().Add(shownTime); ; time.Sleep(pollEvery) {
		shown, err := c.Topic(ctx, name)
		if err == nil && len(shown) == int(partitions) {
			return c.connected.RefreshMetadata(name)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("topic %s: %d of %d partitions shown: %w", name, len(shown), partitions, err)
		}
	}
}

// CreateTopicWith takes configs.
func (c *client) CreateTopicWith(_ context.Context, name string, partitions int32, configs map[string]string) error {
	detail := &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: int16(golang.Replicas()), ConfigEntries: pointers(configs)}
	return c.ClusterAdmin.CreateTopic(name, detail, false)
}

// CreatePartitions grows a topic to a total.
func (c *client) CreatePartitions(_ context.Context, topic string, total int32) error {
	return c.ClusterAdmin.CreatePartitions(topic, total, nil, false)
}

// DeleteTopic deletes it by name.
func (c *client) DeleteTopic(_ context.Context, topic string) error {
	return c.ClusterAdmin.DeleteTopic(topic)
}

// Configs describes a topic or broker.
func (c *client) Configs(_ context.Context, kind int, name string) (map[string]golang.Config, error) {
	resource := &sarama.ConfigResource{Type: sarama.ConfigResourceType(kind), Name: name}
	results, err := c.DescribeConfigs([]*sarama.ConfigResource{resource}, sarama.DescribeConfigsOptions{})
	if err != nil {
		return nil, err
	}
	if len(results) != 1 {
		return nil, fmt.Errorf("%d resources described", len(results))
	}
	if results[0].ErrorCode != sarama.ErrNoError {
		return nil, results[0].ErrorCode
	}
	configs := make(map[string]golang.Config)
	for _, one := range results[0].Configs {
		configs[one.Name] = golang.Config{Value: one.Value, Source: int(one.Source)}
	}
	return configs, nil
}

// AlterConfigs replaces all that is set.
func (c *client) AlterConfigs(_ context.Context, topic string, configs map[string]string) error {
	return c.AlterConfig(sarama.TopicResource, topic, pointers(configs), false)
}

// IncrementalAlterConfigs changes one by one.
func (c *client) IncrementalAlterConfigs(_ context.Context, topic string, changes []golang.Change) error {
	entries := make(map[string]sarama.IncrementalAlterConfigsEntry)
	for _, change := range changes {
		entry := sarama.IncrementalAlterConfigsEntry{Operation: sarama.IncrementalAlterConfigsOperation(change.Op)}
		if change.Op != golang.Delete {
			entry.Value = &change.Value
		}
		entries[change.Name] = entry
	}
	return c.IncrementalAlterConfig(sarama.TopicResource, topic, entries, false)
}

// DeleteRecords moves the log start; -1 is the high watermark.
func (c *client) DeleteRecords(_ context.Context, topic string, partition int32, before int64) error {
	return c.ClusterAdmin.DeleteRecords(topic, map[int32]int64{partition: before})
}

// ListOffset is one ListOffsets request.
func (c *client) ListOffset(_ context.Context, topic string, partition int32, at int64) (int64, int64, error) {
	if err := c.connected.RefreshMetadata(topic); err != nil {
		return -1, -1, err
	}
	listed, err := c.ListOffsets(map[string]map[int32]int64{topic: {partition: at}}, nil)
	if err != nil {
		return -1, -1, err
	}
	one := listed[topic][partition]
	if one == nil {
		return -1, -1, fmt.Errorf("no answer for partition %d", partition)
	}
	if errors.Is(one.Err, sarama.ErrNoError) {
		return one.Offset, one.Timestamp, nil
	}
	return one.Offset, one.Timestamp, one.Err
}

func pointers(values map[string]string) map[string]*string {
	all := make(map[string]*string)
	for name, value := range values {
		all[name] = &value
	}
	return all
}
