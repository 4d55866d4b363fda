// Producing by the Writer and reading by the Reader of single partitions.

package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"bateau/compat/golang"

	"github.com/segmentio/kafka-go"
)

// patience is how many attempts a producer makes, one each 100 ms: more than a restart of a real Kafka takes.
const patience = 600

// metadataAge is how soon a producer looks for the broker again; by default it may take 6 s to see that it is back.
const metadataAge = 500 * time.Millisecond

type producer struct {
	writer  *kafka.Writer
	patient bool
	waiting sync.WaitGroup
	mutex   sync.Mutex
	refusal error
}

var codecs = map[string]kafka.Compression{"gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd}

var acks = map[string]kafka.RequiredAcks{"": kafka.RequireAll, "all": kafka.RequireAll, "1": kafka.RequireOne, "0": kafka.RequireNone}

// named sends each message to the partition that it names, which the Writer hands through as data of ours.
var named = kafka.BalancerFunc(func(message kafka.Message, partitions ...int) int { return message.WriterData.(int) })

// Pump has the most that the Writer can promise: all that is refused for a while is sent again, so it may arrive twice.
func (c *client) Pump() (golang.Producer, error) { return c.Producer(golang.Sending{Idempotent: true}) }

// Producer starts a Writer with connections of its own.
func (c *client) Producer(sending golang.Sending) (golang.Producer, error) {
	p := &producer{patient: sending.Idempotent || sending.AutoCreate}
	p.writer = &kafka.Writer{
		Addr:                   kafka.TCP(strings.Split(c.bootstrap, ",")...),
		Transport:              &kafka.Transport{ClientID: "kafka-go", MetadataTTL: metadataAge},
		Balancer:               named,
		BatchTimeout:           5 * time.Millisecond,
		WriteBackoffMin:        100 * time.Millisecond,
		WriteBackoffMax:        100 * time.Millisecond,
		RequiredAcks:           acks[sending.Acks],
		Compression:            codecs[sending.Codec],
		Async:                  true,
		Completion:             p.completed,
		AllowAutoTopicCreation: sending.AutoCreate,
	}
	if sending.ByKey {
		p.writer.Balancer = &kafka.Hash{}
	}
	if sending.MaxBytes > 0 {
		p.writer.BatchBytes = int64(sending.MaxBytes)
	}
	if p.patient {
		p.writer.MaxAttempts = patience
	}
	return p, nil
}

func (p *producer) completed(messages []kafka.Message, err error) {
	p.refuse(err)
	for range messages {
		p.waiting.Done()
	}
}

func (p *producer) refuse(err error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.refusal == nil {
		p.refusal = err
	}
}

// Send waits while the Writer cannot find out about the topic's partitions, which it asks before it takes a message: the broker is
// down, or creates the topic at this moment.
func (p *producer) Send(record golang.Record) {
	message := kafka.Message{Topic: record.Topic, Key: record.Key, Value: record.Value, Time: record.Time, WriterData: int(record.Partition)}
	for _, header := range record.Headers {
		message.Headers = append(message.Headers, kafka.Header{Key: header.Key, Value: header.Value})
	}
	p.waiting.Add(1)
	for attempt := 1; ; attempt++ {
		err := p.writer.WriteMessages(context.Background(), message)
		if err == nil {
			return
		}
		if !p.patient || attempt == patience {
			p.refuse(err)
			p.waiting.Done()
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// Flush waits for all answers.
func (p *producer) Flush(ctx context.Context) error {
	answered := make(chan struct{})
	go func() { p.waiting.Wait(); close(answered) }()
	select {
	case <-answered:
	case <-ctx.Done():
		return fmt.Errorf("not all records were acknowledged: %w", ctx.Err())
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.refusal
}

// Close ends the Writer in the background, for it waits for what is not flushed.
func (p *producer) Close() { go p.writer.Close() }

type reader struct{ *kafka.Reader }

// Reader starts one with connections of its own.
func (c *client) Reader(reading golang.Reading) (golang.Reader, error) {
	config := readerConfig(c.bootstrap, reading.Topic, reading.Partition)
	if reading.MaxWait > 0 {
		config.MaxWait = reading.MaxWait
	}
	if reading.MaxBytes > 0 {
		config.MaxBytes = reading.MaxBytes
	}
	r := reader{kafka.NewReader(config)}
	return r, r.SetOffset(reading.From)
}

func readerConfig(bootstrap, topic string, partition int32) kafka.ReaderConfig {
	return kafka.ReaderConfig{
		Brokers:               strings.Split(bootstrap, ","),
		Topic:                 topic,
		Partition:             int(partition),
		MaxWait:               500 * time.Millisecond,
		ReadBackoffMin:        10 * time.Millisecond,
		ReadBackoffMax:        200 * time.Millisecond,
		OffsetOutOfRangeError: true,
	}
}

// SeekTo drops what was fetched.
func (r reader) SeekTo(offset int64) error { return r.SetOffset(offset) }

// Next returns errors too; the Reader goes on by itself after those of the network.
func (r reader) Next(ctx context.Context) (golang.Record, error) {
	message, err := r.ReadMessage(ctx)
	return taken(message), err
}

// Close ends the Reader in the background, for it waits for the fetch that is on its way.
func (r reader) Close() { go r.Reader.Close() }

func taken(message kafka.Message) golang.Record {
	record := golang.Record{
		Topic: message.Topic, Partition: int32(message.Partition), Offset: message.Offset,
		Key: message.Key, Value: message.Value, Time: message.Time,
	}
	for _, header := range message.Headers {
		record.Headers = append(record.Headers, golang.Header{Key: header.Key, Value: header.Value})
	}
	return record
}
