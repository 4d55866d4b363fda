// Producing by the AsyncProducer and reading by the Consumer of single partitions.

package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"bateau/compat/golang"

	"github.com/IBM/sarama"
)

// patience is how many retries a producer or member makes, one each 100 ms: more than a restart of a real Kafka takes.
const patience = 600

type producer struct {
	sarama.AsyncProducer
	waiting sync.WaitGroup
	mutex   sync.Mutex
	refusal error
}

var codecs = map[string]sarama.CompressionCodec{
	"": sarama.CompressionNone, "none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
	"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
}

var acks = map[string]sarama.RequiredAcks{"": sarama.WaitForAll, "all": sarama.WaitForAll, "1": sarama.WaitForLocal, "0": sarama.NoResponse}

// Pump is idempotent.
func (c *client) Pump() (golang.Producer, error) { return c.Producer(golang.Sending{Idempotent: true}) }

// Producer starts one with connections of its own.
func (c *client) Producer(sending golang.Sending) (golang.Producer, error) {
	config := settings()
	config.Producer.Return.Successes = true
	config.Producer.RequiredAcks = acks[sending.Acks]
	config.Producer.Compression = codecs[sending.Codec]
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Metadata.AllowAutoTopicCreation = sending.AutoCreate
	if sending.ByKey {
		config.Producer.Partitioner = sarama.NewHashPartitioner
	}
	if sending.MaxBytes > 0 {
		config.Producer.MaxMessageBytes = sending.MaxBytes
	}
	if sending.Idempotent {
		config.Producer.Idempotent = true
		config.Net.MaxOpenRequests = 1
		config.Producer.Retry.Max = patience
		config.Metadata.Retry.Max = patience
	}
	inner, err := sarama.NewAsyncProducer(c.bootstrap, config)
	if err != nil {
		return nil, err
	}
	p := &producer{AsyncProducer: inner}
	go func() {
		for range inner.Successes() {
			p.waiting.Done()
		}
	}()
	go func() {
		for refused := range inner.Errors() {
			p.mutex.Lock()
			if p.refusal == nil {
				p.refusal = refused.Err
			}
			p.mutex.Unlock()
			p.waiting.Done()
		}
	}()
	return p, nil
}

// Send waits only while the producer's buffer is full.
func (p *producer) Send(record golang.Record) {
	message := &sarama.ProducerMessage{Topic: record.Topic, Partition: record.Partition, Timestamp: record.Time}
	if record.Key != nil {
		message.Key = sarama.ByteEncoder(record.Key)
	}
	if record.Value != nil {
		message.Value = sarama.ByteEncoder(record.Value)
	}
	for _, header := range record.Headers {
		message.Headers = append(message.Headers, sarama.RecordHeader{Key: []byte(header.Key), Value: header.Value})
	}
	p.waiting.Add(1)
	p.Input() <- message
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

// Close ends it; sarama sends what is buffered first.
func (p *producer) Close() { p.AsyncClose() }

type reader struct {
	reading  golang.Reading
	consumer sarama.Consumer
	open     sarama.PartitionConsumer
}

// Reader starts one with connections of its own.
func (c *client) Reader(reading golang.Reading) (golang.Reader, error) {
	config := settings()
	config.Consumer.Return.Errors = true
	config.Consumer.Retry.Backoff = 100 * time.Millisecond
	if reading.MaxWait > 0 {
		config.Consumer.MaxWaitTime = reading.MaxWait
	}
	if reading.MaxBytes > 0 {
		config.Consumer.Fetch.Default = int32(reading.MaxBytes)
		config.Consumer.Fetch.MaxBytes = int32(reading.MaxBytes)
	}
	consumer, err := sarama.NewConsumer(c.bootstrap, config)
	if err != nil {
		return nil, err
	}
	r := &reader{reading: reading, consumer: consumer}
	if err := r.SeekTo(reading.From); err != nil {
		consumer.Close()
		return nil, err
	}
	return r, nil
}

// SeekTo consumes the partition anew, which is how sarama seeks.
func (r *reader) SeekTo(offset int64) (err error) {
	if r.open != nil {
		if err := r.open.Close(); err != nil {
			return err
		}
	}
	r.open, err = r.consumer.ConsumePartition(r.reading.Topic, r.reading.Partition, offset)
	return err
}

// Next returns errors too; sarama goes on by itself after those of the network.
func (r *reader) Next(ctx context.Context) (golang.Record, error) {
	select {
	case message, more := <-r.open.Messages():
		if !more {
			return golang.Record{}, errors.New("the partition consumer ended by itself")
		}
		return taken(message), nil
	case err := <-r.open.Errors():
		return golang.Record{}, err
	case <-ctx.Done():
		return golang.Record{}, ctx.Err()
	}
}

// Close drops what was fetched; it goes on in the background, for it waits for the fetch that is on its way.
func (r *reader) Close() {
	r.open.AsyncClose()
	go func() {
		for range r.open.Errors() {
		}
	}()
	go func() {
		for range r.open.Messages() {
		}
		r.consumer.Close()
	}()
}

func taken(message *sarama.ConsumerMessage) golang.Record {
	record := golang.Record{
		Topic: message.Topic, Partition: message.Partition, Offset: message.Offset,
		Key: message.Key, Value: message.Value, Time: message.Timestamp,
	}
	for _, header := range message.Headers {
		record.Headers = append(record.Headers, golang.Header{Key: string(header.Key), Value: header.Value})
	}
	return record
}
