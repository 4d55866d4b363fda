// The features of records: codecs, keys, headers, null and empty values, sizes, acks, the idempotent producer.

package golang

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand"
	"slices"
	"strconv"
	"time"
)

const codecRecords = 400

func (s scene) recordChecks() (checks []Check) {
	for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		checks = append(checks, Check{"codec_" + codec, func(ctx context.Context) error { return s.codec(ctx, codec) }})
	}
	return append(checks, []Check{
		{"keys", s.keys},
		{"headers", s.headers},
		{"tombstones", s.tombstones},
		{"empty_value", s.emptyValue},
		{"timestamps", s.timestamps},
		{"acks", s.acks},
		{"idempotent_producer", s.idempotentProducer},
		{"large_message", s.largeMessage},
		{"too_large_message", s.tooLargeMessage},
	}...)
}

// produce sends by a producer of its own and waits until all is acknowledged.
func (s scene) produce(ctx context.Context, sending Sending, records ...Record) error {
	producer, err := s.Producer(sending)
	if err != nil {
		return err
	}
	defer producer.Close()
	for _, record := range records {
		producer.Send(record)
	}
	return producer.Flush(ctx)
}

// numbers are the records from (inclusive) to (exclusive) as text.
func numbers(topic string, partition int32, from, to int) (records []Record) {
	for n := from; n < to; n++ {
		records = append(records, Record{Topic: topic, Partition: partition, Value: []byte(strconv.Itoa(n))})
	}
	return records
}

func values(records []Record) (all []string) {
	for _, record := range records {
		all = append(all, string(record.Value))
	}
	return all
}

// roundTrip produces records to a topic of one partition and reads them back.
func (s scene) roundTrip(ctx context.Context, feature string, sending Sending, records ...Record) ([]Record, error) {
	topic, err := s.topic(ctx, feature, 1)
	if err != nil {
		return nil, err
	}
	for i := range records {
		records[i].Topic = topic
	}
	if err := s.produce(ctx, sending, records...); err != nil {
		return nil, err
	}
	read, err := s.readAll(ctx, topic, 1)
	if err != nil {
		return nil, err
	}
	return read, same(len(records), len(read), "records")
}

func (s scene) codec(ctx context.Context, codec string) error {
	random := rand.New(rand.NewSource(7))
	var records []Record
	for n := range codecRecords {
		value := bytes.Repeat([]byte{byte(n)}, 1+random.Intn(2000))
		if n%2 == 0 {
			random.Read(value)
		}
		records = append(records, Record{Value: value})
	}
	read, err := s.roundTrip(ctx, "codec_"+codec, Sending{Codec: codec}, records...)
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

func (s scene) keys(ctx context.Context) error {
	topic, err := s.topic(ctx, "keys", 4)
	if err != nil {
		return err
	}
	var records []Record
	for n := range 200 {
		key := fmt.Sprintf("key-%d", n%10)
		records = append(records, Record{Topic: topic, Key: []byte(key), Value: []byte(strconv.Itoa(n))})
	}
	if err := s.produce(ctx, Sending{ByKey: true}, records...); err != nil {
		return err
	}
	read, err := s.readAll(ctx, topic, 4)
	if err != nil {
		return err
	}
	home, last := make(map[string]int32), make(map[string]int)
	for _, record := range read {
		key := string(record.Key)
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
	return errors.Join(same(200, len(read), "records"), same(10, len(home), "keys"))
}

func (s scene) headers(ctx context.Context) error {
	put := []Header{
		{Key: "a", Value: []byte("1")}, {Key: "b", Value: []byte("")}, {Key: "a", Value: []byte("2")}, {Key: "é", Value: []byte("ü")},
	}
	read, err := s.roundTrip(ctx, "headers", Sending{}, Record{Value: []byte("value"), Headers: put})
	if err != nil {
		return err
	}
	return same(fmt.Sprintf("%q", put), fmt.Sprintf("%q", read[0].Headers), "headers in order")
}

func (s scene) tombstones(ctx context.Context) error {
	key := []byte("k")
	read, err := s.roundTrip(ctx, "tombstones", Sending{}, Record{Key: key, Value: []byte("v")}, Record{Key: key})
	if err != nil {
		return err
	}
	return errors.Join(same("k", string(read[1].Key), "key"), ensure(read[1].Value == nil, "value %v", read[1].Value))
}

func (s scene) emptyValue(ctx context.Context) error {
	read, err := s.roundTrip(ctx, "empty_value", Sending{}, Record{Value: []byte{}})
	if err != nil {
		return err
	}
	return errors.Join(
		ensure(read[0].Value != nil && len(read[0].Value) == 0, "value %v", read[0].Value),
		ensure(read[0].Key == nil, "key %v", read[0].Key),
	)
}

func (s scene) timestamps(ctx context.Context) error {
	before := time.Now().Truncate(time.Millisecond)
	set := time.UnixMilli(1_600_000_000_123)
	read, err := s.roundTrip(ctx, "timestamps", Sending{}, Record{Value: []byte("set"), Time: set}, Record{Value: []byte("now")})
	if err != nil {
		return err
	}
	return errors.Join(
		ensure(read[0].Time.Equal(set), "timestamp that was set: %v", read[0].Time),
		ensure(!read[1].Time.Before(before) && !read[1].Time.After(time.Now()), "timestamp of now: %v", read[1].Time),
	)
}

func (s scene) acks(ctx context.Context) error {
	topic, err := s.topic(ctx, "acks", 1)
	if err != nil {
		return err
	}
	all := []string{"0", "1", "all"}
	for _, acks := range all {
		if err := s.produce(ctx, Sending{Acks: acks}, Record{Topic: topic, Value: []byte(acks)}); err != nil {
			return fmt.Errorf("acks=%s: %w", acks, err)
		}
	}
	// acks=0 promises neither an order against later connections nor an answer to wait for, so the set is awaited.
	return eventually(ctx, func() error {
		read, err := s.readAll(ctx, topic, 1)
		got := values(read)
		slices.Sort(got)
		return errors.Join(err, same(all, got, "values"))
	})
}

func (s scene) idempotentProducer(ctx context.Context) error {
	topic, err := s.topic(ctx, "idempotent_producer", 2)
	if err != nil {
		return err
	}
	var producers [2]Producer
	for i := range producers {
		if producers[i], err = s.Producer(Sending{Idempotent: true}); err != nil {
			return err
		}
		defer producers[i].Close()
	}
	for n := range 4000 {
		producers[n%2].Send(Record{Topic: topic, Partition: int32(n % 4 / 2), Value: []byte(strconv.Itoa(n))})
	}
	for _, producer := range producers {
		if err := producer.Flush(ctx); err != nil {
			return err
		}
	}
	read, err := s.readAll(ctx, topic, 2)
	if err != nil {
		return err
	}
	next := [4]int{0, 1, 2, 3}
	for _, record := range read {
		n, err := strconv.Atoi(string(record.Value))
		if err != nil || next[n%4] != n {
			return fmt.Errorf("next number of one producer in one partition: expected %d, got %s", next[n%4], record.Value)
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

func (s scene) largeMessage(ctx context.Context) error {
	topic, err := s.topic(ctx, "large_message", 1)
	if err != nil {
		return err
	}
	value := noise(900_000)
	if err := s.produce(ctx, Sending{}, Record{Topic: topic, Value: value}); err != nil {
		return err
	}
	// A fetch that may carry less than the batch must still return it whole.
	read, err := s.readPartition(ctx, Reading{Topic: topic, From: AtStart, MaxBytes: 10_000})
	if err != nil {
		return err
	}
	return ensure(len(read) == 1 && bytes.Equal(value, read[0].Value), "the value differs")
}

func (s scene) tooLargeMessage(ctx context.Context) error {
	topic, err := s.topic(ctx, "too_large_message", 1)
	if err != nil {
		return err
	}
	err = s.produce(ctx, Sending{MaxBytes: 8_000_000}, Record{Topic: topic, Value: noise(2_000_000)})
	if err := refused(messageTooLargeCode, err, s.Code); err != nil {
		return err
	}
	if err := s.produce(ctx, Sending{}, numbers(topic, 0, 0, 1)...); err != nil {
		return err
	}
	read, err := s.readAll(ctx, topic, 1)
	return errors.Join(err, same(1, len(read), "records"))
}
