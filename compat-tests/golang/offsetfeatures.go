// The features of reading at a place: assigned partitions, seeks, listed offsets, the end of the log and beyond it.

package golang

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// The timestamp of record n is baseTime + n * step, in milliseconds, except where a feature says otherwise.
const (
	baseTime = 1_700_000_000_000
	step     = 1000
)

func (s scene) offsetChecks() []Check {
	return []Check{
		{"assigned_partitions", s.assignedPartitions},
		{"seek_offset", s.seekOffset},
		{"seek_time", s.seekTime},
		{"list_offsets", s.listOffsets},
		{"max_timestamp", s.maxTimestamp},
		{"tail", s.tail},
		{"offset_out_of_range", s.offsetOutOfRange},
	}
}

// readAll returns everything from the log start to the end offset of now, partition after partition.
func (s scene) readAll(ctx context.Context, topic string, partitions int32) (all []Record, err error) {
	for partition := range partitions {
		read, err := s.readPartition(ctx, Reading{Topic: topic, Partition: partition, From: AtStart})
		if err != nil {
			return all, fmt.Errorf("partition %d: %w", partition, err)
		}
		all = append(all, read...)
	}
	return all, nil
}

// readPartition returns everything from a place to the end offset of now.
func (s scene) readPartition(ctx context.Context, reading Reading) (read []Record, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	start, _, err := s.ListOffset(ctx, reading.Topic, reading.Partition, AtStart)
	if err != nil {
		return nil, err
	}
	end, _, err := s.ListOffset(ctx, reading.Topic, reading.Partition, AtEnd)
	if err != nil || max(start, reading.From) >= end {
		return nil, err
	}
	reader, err := s.Reader(reading)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	for len(read) == 0 || read[len(read)-1].Offset+1 < end {
		record, err := reader.Next(ctx)
		if err != nil {
			return read, fmt.Errorf("after %d records, before offset %d: %w", len(read), end, err)
		}
		read = append(read, record)
	}
	return read, nil
}

// next is the reader's next record within answerTime.
func next(ctx context.Context, reader Reader) (Record, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	return reader.Next(ctx)
}

func (s scene) assignedPartitions(ctx context.Context) error {
	topic, err := s.topic(ctx, "assigned_partitions", 3)
	if err != nil {
		return err
	}
	for partition := range 3 {
		if err := s.produce(ctx, Sending{}, numbers(topic, int32(partition), partition*1000, partition*1000+100)...); err != nil {
			return err
		}
	}
	read, err := s.readAll(ctx, topic, 3)
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
	return same([3]int{100, 100, 100}, next, "records by partition")
}

func (s scene) seekOffset(ctx context.Context) error {
	topic, err := s.topic(ctx, "seek_offset", 1)
	if err != nil {
		return err
	}
	if err := s.produce(ctx, Sending{}, numbers(topic, 0, 0, 500)...); err != nil {
		return err
	}
	reader, err := s.Reader(Reading{Topic: topic, From: 317})
	if err != nil {
		return err
	}
	defer reader.Close()
	// Odd places: inside a batch, back again, the first and the last record.
	for _, offset := range []int64{317, 42, 0, 499} {
		if err := reader.SeekTo(offset); err != nil {
			return err
		}
		record, err := next(ctx, reader)
		if err != nil {
			return err
		}
		if record.Offset != offset || string(record.Value) != strconv.FormatInt(offset, 10) {
			return fmt.Errorf("after the seek to %d: %d with %s", offset, record.Offset, record.Value)
		}
	}
	return nil
}

func (s scene) seekTime(ctx context.Context) error {
	topic, err := s.topic(ctx, "seek_time", 1)
	if err != nil {
		return err
	}
	// A call for every ten, so that the records stand in many batches.
	for from := 0; from < 100; from += 10 {
		records := numbers(topic, 0, from, from+10)
		for i := range records {
			records[i].Time = time.UnixMilli(int64(baseTime + (from+i)*step))
		}
		if err := s.produce(ctx, Sending{}, records...); err != nil {
			return err
		}
	}
	found := func(millis, expected int64) func() error {
		return func() error {
			offset, _, err := s.ListOffset(ctx, topic, 0, millis)
			return errors.Join(err, same(expected, offset, fmt.Sprintf("offset of time %d", millis)))
		}
	}
	return allOf(
		found(baseTime+30*step, 30),
		found(baseTime+30*step+1, 31),
		found(1, 0),
		found(baseTime+100*step, -1),
		func() error {
			offset, _, err := s.ListOffset(ctx, topic, 0, baseTime+70*step)
			if err != nil {
				return err
			}
			read, err := s.readPartition(ctx, Reading{Topic: topic, From: offset})
			return errors.Join(err, same(30, len(read), "records from a time on"))
		},
	)
}

func (s scene) listOffsets(ctx context.Context) error {
	topic, err := s.topic(ctx, "list_offsets", 2)
	if err != nil {
		return err
	}
	if err := s.produce(ctx, Sending{}, numbers(topic, 1, 0, 250)...); err != nil {
		return err
	}
	listed := func(partition int32, at, expected int64) func() error {
		return func() error {
			offset, _, err := s.ListOffset(ctx, topic, partition, at)
			return errors.Join(err, same(expected, offset, fmt.Sprintf("offset %d of partition %d", at, partition)))
		}
	}
	return allOf(listed(0, AtStart, 0), listed(1, AtStart, 0), listed(0, AtEnd, 0), listed(1, AtEnd, 250))
}

func (s scene) maxTimestamp(ctx context.Context) error {
	topic, err := s.topic(ctx, "max_timestamp", 2)
	if err != nil {
		return err
	}
	for _, after := range []int64{5, 90, 40, 90, 10} {
		if err := s.produce(ctx, Sending{}, Record{Topic: topic, Value: []byte("x"), Time: time.UnixMilli(baseTime + after)}); err != nil {
			return err
		}
	}
	offset, timestamp, err := s.ListOffset(ctx, topic, 0, AtMaxTimestamp)
	return errors.Join(err, same([2]int64{1, baseTime + 90}, [2]int64{offset, timestamp}, "offset and timestamp of the greatest"))
}

func (s scene) tail(ctx context.Context) error {
	topic, err := s.topic(ctx, "tail", 1)
	if err != nil {
		return err
	}
	if err := s.produce(ctx, Sending{}, numbers(topic, 0, 0, 5)...); err != nil {
		return err
	}
	reader, err := s.Reader(Reading{Topic: topic, From: AtEnd, MaxWait: 5 * time.Second})
	if err != nil {
		return err
	}
	defer reader.Close()
	silence, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if record, err := reader.Next(silence); err == nil {
		return fmt.Errorf("a record beyond the end: %s", record.Value)
	}
	// The fetch waits on the broker by now; the record must end that wait, not the 5 s.
	start := time.Now()
	if err := s.produce(ctx, Sending{}, numbers(topic, 0, 5, 6)...); err != nil {
		return err
	}
	record, err := next(ctx, reader)
	return errors.Join(err, same("5", string(record.Value), "value"),
		ensure(time.Since(start) < 2500*time.Millisecond, "the waiting fetch was not woken"))
}

func (s scene) offsetOutOfRange(ctx context.Context) error {
	topic, err := s.topic(ctx, "offset_out_of_range", 1)
	if err != nil {
		return err
	}
	if err := s.produce(ctx, Sending{}, numbers(topic, 0, 0, 5)...); err != nil {
		return err
	}
	reader, err := s.Reader(Reading{Topic: topic, From: 1000})
	if err != nil {
		return refused(offsetOutOfRangeCode, err, s.Code)
	}
	defer reader.Close()
	_, err = next(ctx, reader)
	return refused(offsetOutOfRangeCode, err, s.Code)
}
