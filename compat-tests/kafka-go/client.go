// The connected client: topics and configs by requests of the Client. Its Transport answers from a cache of metadata, so each
// question goes through a Transport of its own.

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"bateau/compat/golang"

	"github.com/segmentio/kafka-go"
)

const (
	// requestTime bounds one request.
	requestTime = 20 * time.Second
	// shownTime is the longest time in which a topic must be shown.
	shownTime = 15 * time.Second
	pollEvery = 20 * time.Millisecond
)

type client struct {
	bootstrap string
}

func open(bootstrap string) (*client, error) {
	if bootstrap == "" {
		return nil, errors.New("BOOTSTRAP is not set")
	}
	return &client{bootstrap: bootstrap}, nil
}

// Close has nothing to end: no connection outlives its question.
func (c *client) Close() {}

// ask gives a Client to one question.
func ask[T any](c *client, question func(*kafka.Client) (T, error)) (T, error) {
	transport := &kafka.Transport{ClientID: "kafka-go"}
	defer transport.CloseIdleConnections()
	return question(&kafka.Client{Addr: kafka.TCP(strings.Split(c.bootstrap, ",")...), Timeout: requestTime, Transport: transport})
}

// Code is the broker's error code in err.
func (c *client) Code(err error) int {
	var code kafka.Error
	if errors.As(err, &code) {
		return int(code)
	}
	return -1
}

func (c *client) metadata(ctx context.Context, topics ...string) (*kafka.MetadataResponse, error) {
	return ask(c, func(client *kafka.Client) (*kafka.MetadataResponse, error) {
		return client.Metadata(ctx, &kafka.MetadataRequest{Topics: topics})
	})
}

// Cluster is what Metadata says.
func (c *client) Cluster(ctx context.Context) (golang.Cluster, error) {
	metadata, err := c.metadata(ctx)
	if err != nil {
		return golang.Cluster{}, err
	}
	cluster := golang.Cluster{Controller: int32(metadata.Controller.ID)}
	for _, broker := range metadata.Brokers {
		cluster.NodeIDs = append(cluster.NodeIDs, int32(broker.ID))
		cluster.Addresses = append(cluster.Addresses, net.JoinHostPort(broker.Host, strconv.Itoa(broker.Port)))
	}
	return cluster, nil
}

// Topic asks the broker.
func (c *client) Topic(ctx context.Context, name string) (map[int32]golang.Partition, error) {
	metadata, err := c.metadata(ctx, name)
	if err != nil {
		return nil, err
	}
	if len(metadata.Topics) != 1 {
		return nil, fmt.Errorf("%d topics described", len(metadata.Topics))
	}
	partitions := make(map[int32]golang.Partition)
	for _, one := range metadata.Topics[0].Partitions {
		partition := golang.Partition{Leader: int32(one.Leader.ID)}
		for _, replica := range one.Isr {
			partition.ISR = append(partition.ISR, int32(replica.ID))
		}
		partitions[int32(one.ID)] = partition
	}
	return partitions, metadata.Topics[0].Error
}

// CreateTopic returns when the topic is shown.
func (c *client) CreateTopic(ctx context.Context, name string, partitions int32) error {
	if err := c.CreateTopicWith(ctx, name, partitions, nil); err != nil {
		return err
	}
	for deadline := time.Now().Add(shownTime); ; time.Sleep(pollEvery) {
		shown, err := c.Topic(ctx, name)
		if err == nil && len(shown) == int(partitions) {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("topic %s: %d of %d partitions shown: %w", name, len(shown), partitions, err)
		}
	}
}

// CreateTopicWith takes configs.
func (c *client) CreateTopicWith(ctx context.Context, name string, partitions int32, configs map[string]string) error {
	topic := kafka.TopicConfig{Topic: name, NumPartitions: int(partitions), ReplicationFactor: golang.Replicas()}
	for key, value := range configs {
		topic.ConfigEntries = append(topic.ConfigEntries, kafka.ConfigEntry{ConfigName: key, ConfigValue: value})
	}
	answer, err := ask(c, func(client *kafka.Client) (*kafka.CreateTopicsResponse, error) {
		return client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{topic}})
	})
	if err != nil {
		return err
	}
	return answer.Errors[name]
}

// CreatePartitions grows a topic to a total.
func (c *client) CreatePartitions(ctx context.Context, topic string, total int32) error {
	answer, err := ask(c, func(client *kafka.Client) (*kafka.CreatePartitionsResponse, error) {
		wanted := []kafka.TopicPartitionsConfig{{Name: topic, Count: total}}
		return client.CreatePartitions(ctx, &kafka.CreatePartitionsRequest{Topics: wanted})
	})
	if err != nil {
		return err
	}
	return answer.Errors[topic]
}

// DeleteTopic deletes it by name.
func (c *client) DeleteTopic(ctx context.Context, topic string) error {
	answer, err := ask(c, func(client *kafka.Client) (*kafka.DeleteTopicsResponse, error) {
		return client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{topic}})
	})
	if err != nil {
		return err
	}
	return answer.Errors[topic]
}

// Configs describes a topic or broker.
func (c *client) Configs(ctx context.Context, kind int, name string) (map[string]golang.Config, error) {
	resource := kafka.DescribeConfigRequestResource{ResourceType: kafka.ResourceType(kind), ResourceName: name}
	answer, err := ask(c, func(client *kafka.Client) (*kafka.DescribeConfigsResponse, error) {
		wanted := []kafka.DescribeConfigRequestResource{resource}
		return client.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{Resources: wanted})
	})
	if err != nil {
		return nil, err
	}
	if len(answer.Resources) != 1 {
		return nil, fmt.Errorf("%d resources described", len(answer.Resources))
	}
	configs := make(map[string]golang.Config)
	for _, one := range answer.Resources[0].ConfigEntries {
		configs[one.ConfigName] = golang.Config{Value: one.ConfigValue, Source: int(one.ConfigSource)}
	}
	return configs, answer.Resources[0].Error
}

// AlterConfigs replaces all that is set.
func (c *client) AlterConfigs(ctx context.Context, topic string, configs map[string]string) error {
	resource := kafka.AlterConfigRequestResource{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic}
	for name, value := range configs {
		resource.Configs = append(resource.Configs, kafka.AlterConfigRequestConfig{Name: name, Value: value})
	}
	answer, err := ask(c, func(client *kafka.Client) (*kafka.AlterConfigsResponse, error) {
		return client.AlterConfigs(ctx, &kafka.AlterConfigsRequest{Resources: []kafka.AlterConfigRequestResource{resource}})
	})
	if err != nil {
		return err
	}
	return answer.Errors[kafka.AlterConfigsResponseResource{Type: int8(kafka.ResourceTypeTopic), Name: topic}]
}

// IncrementalAlterConfigs changes one by one.
func (c *client) IncrementalAlterConfigs(ctx context.Context, topic string, changes []golang.Change) error {
	resource := kafka.IncrementalAlterConfigsRequestResource{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic}
	for _, change := range changes {
		resource.Configs = append(resource.Configs, kafka.IncrementalAlterConfigsRequestConfig{
			Name: change.Name, Value: change.Value, ConfigOperation: kafka.ConfigOperation(change.Op),
		})
	}
	answer, err := ask(c, func(client *kafka.Client) (*kafka.IncrementalAlterConfigsResponse, error) {
		wanted := []kafka.IncrementalAlterConfigsRequestResource{resource}
		return client.IncrementalAlterConfigs(ctx, &kafka.IncrementalAlterConfigsRequest{Resources: wanted})
	})
	if err != nil {
		return err
	}
	if len(answer.Resources) != 1 {
		return fmt.Errorf("%d resources in the answer", len(answer.Resources))
	}
	return answer.Resources[0].Error
}

// DeleteRecords is not among the client's requests.
func (c *client) DeleteRecords(context.Context, string, int32, int64) error {
	return errors.ErrUnsupported
}

// ListOffset is one ListOffsets request.
func (c *client) ListOffset(ctx context.Context, topic string, partition int32, at int64) (int64, int64, error) {
	wanted := map[string][]kafka.OffsetRequest{topic: {{Partition: int(partition), Timestamp: at}}}
	answer, err := ask(c, func(client *kafka.Client) (*kafka.ListOffsetsResponse, error) {
		return client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: wanted})
	})
	if err != nil {
		return -1, -1, err
	}
	for _, one := range answer.Topics[topic] {
		switch {
		case one.Error != nil:
			return -1, -1, one.Error
		case at == golang.AtStart:
			return one.FirstOffset, -1, nil
		case at == golang.AtEnd:
			return one.LastOffset, -1, nil
		}
		for offset, timestamp := range one.Offsets {
			return offset, timestamp.UnixMilli(), nil
		}
	}
	return -1, -1, nil
}
