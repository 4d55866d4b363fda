// The features of records: codecs, keys, headers, null and empty values, sizes, acks, the idempotent producer.

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const codecRecords = 400

var recordChecks = []check{
	{"codec_none", codec("codec_none", kgo.NoCompression())},
	{"codec_gzip", codec("codec_gzip", kgo.GzipCompression())},
	{"codec_snappy", codec("codec_snappy", kgo.SnappyCompression())},
	{"codec_lz4", codec("codec_lz4", kgo.Lz4Compression())},
	{"codec_zstd", codec("codec_zstd", kgo.ZstdCompression())},
	{"keys", keys},
	{"headers", headers},
	{"tombstones", tombstones},
	{"empty_value", emptyValue},
	{"timestamps", timestamps},
	{"acks", acks},
	{"idempotent_producer", idempotentProducer},
	{"large_message", largeMessage},
	{"too_large_message", tooLargeMessage},
}

// roundTrip produces records to a topic of one partition and reads them back.
func roundTrip(ctx context.Context, c *client, feature string, records []*kgo.Record, options ...kgo.Opt) ([]*kgo.Record, error) {
	topic, err := c.topic(ctx, feature, 1)
	if err != nil {
		return nil, err
	}
	for _, record := range records {
		record.Topic = topic
	}
	if err := c.produce(ctx, records, options...); err != nil {
		return nil, err
	}
	read, err := c.readAll(ctx, topic, 1)
	if err != nil {
		return nil, err
	}
	return read, same(len(records), len(read), "records")
}

func codec(feature string, codec kgo.CompressionCodec) func(context.Context, *client) error {
	return func(ctx context.Context, c *client) error {
		random := rand.New(rand.NewSource(7))
		var records []*kgo.Record
		for n := range codecRecords {
			value := bytes.Repeat([]byte{byte(n)}, random.Intn(2000))
			if n%2 == 0 {
				random.Read(value)
			}
			records = append(records, &kgo.Record{Value: value})
		}
		read, err := roundTrip(ctx, c, feature, records, kgo.ProducerBatchCompression(codec))
		if err != nil {
			return err
		}
		for n, record := range read {
			if record.Offset != int64(n) || !bytes.Equal(record.Value, records[n].Value) {
				return fmt.Errorf("record %d differs", n)
			}
		}
		return nil
	}
}

func keys(ctx context.Context, c *client) error {
	topic, err := c.topic(ctx, "keys", 4)
	if err != nil {
		return err
	}
	var records []*kgo.Record
	for n := range 200 {
		key := fmt.Sprintf("key-%d", n%10)
		records = append(records, &kgo.Record{Topic: topic, Key: []byte(key), Value: []byte(strconv.Itoa(n))})
	}
	records = append(records, &kgo.Record{Topic: topic, Key: []byte{}, Value: []byte("empty key")})
	if err := c.produce(ctx, records, kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil))); err != nil {
		return err
	}
	read, err := c.readAll(ctx, topic, 4)
	if err != nil {
		return err
	}
	home, last := make(map[string]int32), make(map[string]int)
	for _, record := range read {
		key := string(record.Key)
		if key == "" {
			if record.Key == nil || string(record.Value) != "empty key" {
				return fmt.Errorf("the empty key came back as %v with %q", record.Key, record.Value)
			}
			continue
		}
		n, err := strconv.Atoi(string(record.Value))
		if err != nil {
			return err
		}
		if partition, known := home[key]; known && partition != record.Partition {
			return fmt.Errorf("%s is in partitions %d and %d", key, partition, record.Partition)
		}
		if before, known := last[key]; known && before >= n {
			return fmt.Errorf("%s is out of order: %d after %d", key, n, before)
		}
		home[key], last[key] = record.Partition, n
	}
	return errors.Join(same(201, len(read), "records"), same(10, len(home), "keys"))
}

func headers(ctx context.Context, c *client) error {
	put := []kgo.RecordHeader{
		{Key: "a", Value: []byte("1")}, {Key: "b", Value: nil}, {Key: "a", Value: []byte("2")},
		{Key: "c", Value: []byte{}}, {Key: "é", Value: []byte("ü")},
	}
	read, err := roundTrip(ctx, c, "headers", []*kgo.Record{{Value: []byte("value"), Headers: put}})
	if err != nil {
		return err
	}
	return same(put, read[0].Headers, "headers in order")
}

func tombstones(ctx context.Context, c *client) error {
	read, err := roundTrip(ctx, c, "tombstones", []*kgo.Record{{Key: []byte("k"), Value: []byte("v")}, {Key: []byte("k")}})
	if err != nil {
		return err
	}
	return errors.Join(same("k", string(read[1].Key), "key"), ensure(read[1].Value == nil, "value %v", read[1].Value))
}

func emptyValue(ctx context.Context, c *client) error {
	read, err := roundTrip(ctx, c, "empty_value", []*kgo.Record{{Value: []byte{}}})
	if err != nil {
		return err
	}
	return errors.Join(
		ensure(read[0].Value != nil && len(read[0].Value) == 0, "value %v", read[0].Value),
		ensure(read[0].Key == nil, "key %v", read[0].Key),
	)
}

func timestamps(ctx context.Context, c *client) error {
	before := time.Now().Truncate(time.Millisecond)
	set := time.UnixMilli(1_600_000_000_123)
	read, err := roundTrip(ctx, c, "timestamps", []*kgo.Record{{Value: []byte("set"), Timestamp: set}, {Value: []byte("now")}})
	if err != nil {
		return err
	}
	return errors.Join(
		ensure(read[0].Timestamp.Equal(set), "timestamp that was set: %v", read[0].Timestamp),
		ensure(!read[1].Timestamp.Before(before) && !read[1].Timestamp.After(time.Now()), "timestamp of now: %v", read[1].Timestamp),
	)
}

func acks(ctx context.Context, c *client) error {
	topic, err := c.topic(ctx, "acks", 1)
	if err != nil {
		return err
	}
	for name, acks := range map[string]kgo.Acks{"0": kgo.NoAck(), "1": kgo.LeaderAck(), "all": kgo.AllISRAcks()} {
		record := &kgo.Record{Topic: topic, Value: []byte(name)}
		if err := c.produce(ctx, []*kgo.Record{record}, kgo.RequiredAcks(acks), kgo.DisableIdempotentWrite()); err != nil {
			return fmt.Errorf("acks=%s: %w", name, err)
		}
	}
	// acks=0 promises neither an order against later connections nor an answer to wait for, so the set is awaited.
	deadline := time.Now().Add(answerTime)
	var values []string
	for len(values) < 3 && time.Now().Before(deadline) {
		read, err := c.readAll(ctx, topic, 1)
		if err != nil {
			return err
		}
		values = nil
		for _, record := range read {
			values = append(values, string(record.Value))
		}
	}
	slices.Sort(values)
	return same([]string{"0", "1", "all"}, values, "values")
}

func idempotentProducer(ctx context.Context, c *client) error {
	topic, err := c.topic(ctx, "idempotent_producer", 2)
	if err != nil {
		return err
	}
	var producers [2]*kgo.Client
	for i := range producers {
		if producers[i], err = c.producer(); err != nil {
			return err
		}
		defer producers[i].Close()
	}
	var refusals kgo.FirstErrPromise = kgo.FirstErrPromise{}
	for n := range 4000 {
		record := &kgo.Record{Topic: topic, Partition: int32(n % 4 / 2), Value: []byte(strconv.Itoa(n))}
		producers[n%2].Produce(ctx, record, refusals.Promise())
	}
	if err := refusals.Err(); err != nil {
		return err
	}
	for _, producer := range producers {
		if id, _, err := producer.ProducerID(ctx); err != nil || id < 0 {
			return fmt.Errorf("producer id %d, %v", id, err)
		}
	}
	read, err := c.readAll(ctx, topic, 2)
	if err != nil {
		return err
	}
	next := [4]int{0, 1, 2, 3}
	for _, record := range read {
		n, err := strconv.Atoi(string(record.Value))
		if err != nil || next[n%4] != n {
			return fmt.Errorf("next number of one producer in one partition: expected %d, got %d", next[n%4], n)
		}
		next[n%4] += 4
	}
	return same(4000, len(read), "records")
}

func noise(length int) []byte {
	value := make([]byte, length)
	rand.New(rand.NewSource(9)).Read(value)
	return value
}

func largeMessage(ctx context.Context, c *client) error {
	topic, err := c.topic(ctx, "large_message", 1)
	if err != nil {
		return err
	}
	value := noise(900_000)
	if err := c.produce(ctx, []*kgo.Record{{Topic: topic, Value: value}}); err != nil {
		return err
	}
	// A fetch that may carry less than the batch must still return it whole.
	read, err := c.readFrom(ctx, topic, []int32{0}, kgo.NewOffset().AtStart(), kgo.FetchMaxBytes(10_000), kgo.FetchMaxPartitionBytes(10_000))
	if err != nil {
		return err
	}
	return ensure(bytes.Equal(value, read[0].Value), "the value differs")
}

func tooLargeMessage(ctx context.Context, c *client) error {
	topic, err := c.topic(ctx, "too_large_message", 1)
	if err != nil {
		return err
	}
	err = c.produce(ctx, []*kgo.Record{{Topic: topic, Value: noise(2_000_000)}}, kgo.ProducerBatchMaxBytes(8_000_000))
	if err := refused(kerr.MessageTooLarge, err); err != nil {
		return err
	}
	if err := c.produceNumbers(ctx, topic, 0, 0, 1); err != nil {
		return err
	}
	read, err := c.readAll(ctx, topic, 1)
	return errors.Join(err, same(1, len(read), "records"))
}
