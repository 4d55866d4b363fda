// The features of reading at a place: assigned partitions, seeks, listed offsets, the end of the log and beyond it.

package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// The timestamp of record n is baseTime + n * step, in milliseconds, except where a feature says otherwise.
const (
	baseTime = 1_700_000_000_000
	step     = 1000
)

var offsetChecks = []check{
	{"assigned_partitions", assignedPartitions},
	{"seek_offset", seekOffset},
	{"seek_time", seekTime},
	{"list_offsets", listOffsets},
	{"max_timestamp", maxTimestamp},
	{"tail", tail},
	{"offset_out_of_range", offsetOutOfRange},
}

func assignedPartitions(ctx context.Context, c *client) error {
	topic, err := c.topic(ctx, "assigned_partitions", 3)
	if err != nil {
		return err
	}
	for partition := range 3 {
		if err := c.produceNumbers(ctx, topic, int32(partition), partition*1000, partition*1000+100); err != nil {
			return err
		}
	}
	read, err := c.readAll(ctx, topic, 3)
	if err != nil {
		return err
	}
	var next [3]int
	for _, record := range read {
		place := next[record.Partition]
		value := strconv.Itoa(int(record.Partition)*1000 + place)
		if record.Offset != int64(place) || string(record.Value) != value {
			return fmt.Errorf("partition %d: expected %d with %s, got %d with %s", record.Partition, place, value, record.Offset, record.Value)
		}
		next[record.Partition]++
	}
	only, err := c.readFrom(ctx, topic, []int32{1}, kgo.NewOffset().AtStart())
	for _, record := range only {
		err = errors.Join(err, same(int32(1), record.Partition, "the only assigned partition"))
	}
	return errors.Join(err, same([3]int{100, 100, 100}, next, "records by partition"))
}

func seekOffset(ctx context.Context, c *client) error {
	topic, err := c.topic(ctx, "seek_offset", 1)
	if err != nil {
		return err
	}
	if err := c.produceNumbers(ctx, topic, 0, 0, 500); err != nil {
		return err
	}
	consumer, err := c.consumer(topic, []int32{0}, kgo.NewOffset().At(317))
	if err != nil {
		return err
	}
	defer consumer.Close()
	// Odd places: inside a batch, back again, the first and the last record.
	for _, offset := range []int64{317, 42, 0, 499} {
		consumer.SetOffsets(map[string]map[int32]kgo.EpochOffset{topic: {0: {Epoch: -1, Offset: offset}}})
		record, err := pollOne(ctx, consumer)
		if err != nil {
			return err
		}
		if record.Offset != offset || string(record.Value) != strconv.FormatInt(offset, 10) {
			return fmt.Errorf("after the seek to %d: %d with %s", offset, record.Offset, record.Value)
		}
	}
	read, err := c.readFrom(ctx, topic, []int32{0}, kgo.NewOffset().AtEnd().Relative(-3))
	return errors.Join(err, same(3, len(read), "records from the third last on"))
}

func seekTime(ctx context.Context, c *client) error {
	topic, err := c.topic(ctx, "seek_time", 1)
	if err != nil {
		return err
	}
	// A call for every ten, so that the records stand in many batches.
	for from := 0; from < 100; from += 10 {
		var records []*kgo.Record
		for n := from; n < from+10; n++ {
			records = append(records, &kgo.Record{Topic: topic, Value: []byte(strconv.Itoa(n)), Timestamp: time.UnixMilli(int64(baseTime + n*step))})
		}
		if err := c.produce(ctx, records); err != nil {
			return err
		}
	}
	at := func(millis, offset, timestamp int64) func() error {
		return func() error {
			listed, err := c.admin.ListOffsetsAfterMilli(ctx, millis, topic)
			if err != nil {
				return err
			}
			one, _ := listed.Lookup(topic, 0)
			return errors.Join(one.Err, same([2]int64{offset, timestamp}, [2]int64{one.Offset, one.Timestamp}, "offset and timestamp found"))
		}
	}
	return allOf(
		at(baseTime+30*step, 30, baseTime+30*step),
		at(baseTime+30*step+1, 31, baseTime+31*step),
		at(1, 0, baseTime),
		at(baseTime+100*step, 100, -1), // kadm answers the end where there is no later record
		func() error {
			read, err := c.readFrom(ctx, topic, []int32{0}, kgo.NewOffset().AfterMilli(baseTime+70*step))
			return errors.Join(err, same(30, len(read), "records from a time on"))
		},
	)
}

func listOffsets(ctx context.Context, c *client) error {
	topic, err := c.topic(ctx, "list_offsets", 2)
	if err != nil {
		return err
	}
	if err := c.produceNumbers(ctx, topic, 1, 0, 250); err != nil {
		return err
	}
	list := func(by func(context.Context, ...string) (kadm.ListedOffsets, error), first, second int64) func() error {
		return func() error {
			listed, err := by(ctx, topic)
			if err != nil {
				return err
			}
			zero, _ := listed.Lookup(topic, 0)
			one, _ := listed.Lookup(topic, 1)
			return errors.Join(listed.Error(), same([2]int64{first, second}, [2]int64{zero.Offset, one.Offset}, "offsets"))
		}
	}
	return allOf(
		list(c.admin.ListStartOffsets, 0, 0),
		list(c.admin.ListEndOffsets, 0, 250),
		list(c.admin.ListCommittedOffsets, 0, 250),
	)
}

func maxTimestamp(ctx context.Context, c *client) error {
	topic, err := c.topic(ctx, "max_timestamp", 2)
	if err != nil {
		return err
	}
	for _, after := range []int64{5, 90, 40, 90, 10} {
		if err := c.produce(ctx, []*kgo.Record{{Topic: topic, Value: []byte("x"), Timestamp: time.UnixMilli(baseTime + after)}}); err != nil {
			return err
		}
	}
	listed, err := c.admin.ListMaxTimestampOffsets(ctx, topic)
	if err != nil {
		return err
	}
	full, _ := listed.Lookup(topic, 0)
	return errors.Join(
		listed.Error(),
		same([2]int64{1, baseTime + 90}, [2]int64{full.Offset, full.Timestamp}, "offset and timestamp of the greatest"),
	)
}

func tail(ctx context.Context, c *client) error {
	topic, err := c.topic(ctx, "tail", 1)
	if err != nil {
		return err
	}
	if err := c.produceNumbers(ctx, topic, 0, 0, 5); err != nil {
		return err
	}
	consumer, err := c.consumer(topic, []int32{0}, kgo.NewOffset().AtEnd(), kgo.FetchMaxWait(20*time.Second))
	if err != nil {
		return err
	}
	defer consumer.Close()
	silence, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if record, err := pollOne(silence, consumer); err == nil {
		return fmt.Errorf("a record beyond the end: %s", record.Value)
	}
	// The fetch waits on the broker by now; the record must end that wait, not the 20 s.
	start := time.Now()
	if err := c.produceNumbers(ctx, topic, 0, 5, 6); err != nil {
		return err
	}
	record, err := pollOne(ctx, consumer)
	if err != nil {
		return err
	}
	return errors.Join(
		same("5", string(record.Value), "value"),
		ensure(time.Since(start) < 10*time.Second, "the waiting fetch was not woken"),
	)
}

func offsetOutOfRange(ctx context.Context, c *client) error {
	topic, err := c.topic(ctx, "offset_out_of_range", 1)
	if err != nil {
		return err
	}
	if err := c.produceNumbers(ctx, topic, 0, 0, 5); err != nil {
		return err
	}
	beyond := kgo.NewOffset().At(1000)
	strict, err := c.consumer(topic, []int32{0}, beyond, kgo.ConsumeResetOffset(kgo.NoResetOffset()))
	if err != nil {
		return err
	}
	defer strict.Close()
	_, err = pollOne(ctx, strict)
	if err := refused(kerr.OffsetOutOfRange, err); err != nil {
		return err
	}
	lenient, err := c.consumer(topic, []int32{0}, beyond, kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer lenient.Close()
	record, err := pollOne(ctx, lenient)
	if err != nil {
		return err
	}
	return same(int64(0), record.Offset, "first offset after the reset")
}

// pollOne returns the first record of the next fetches that have any, or their error.
func pollOne(ctx context.Context, consumer *kgo.Client) (*kgo.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	for {
		fetches := consumer.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, err
		}
		if records := fetches.Records(); len(records) > 0 {
			return records[0], nil
		}
	}
}
