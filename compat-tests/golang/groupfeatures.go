// The features of one group at a time: reading as a group, commits, resuming, metadata, patterns.

package golang

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// groupScene is one family's client in the group features.
type groupScene struct {
	family Family
	Groups
}

// GroupChecks are all features of groups, over any client.
func GroupChecks(family Family, client Groups) []Check {
	s := groupScene{family, client}
	return []Check{
		{"group_consume", s.groupConsume},
		{"commit_resume", s.commitResume},
		{"offset_metadata", s.offsetMetadata},
		{"group_grows", s.groupGrows},
		{"group_shrinks", s.groupShrinks},
		{"member_lost", s.memberLost},
		{"static_member", s.staticMember},
		{"cooperative", s.cooperative},
		{"pattern_subscribe", s.patternSubscribe},
		{"group_restart", func(ctx context.Context) error { return s.groupRestart(ctx, "group_restart", "restart") }},
		{"group_kill", func(ctx context.Context) error { return s.groupRestart(ctx, "group_kill", "kill") }},
		{"list_groups", s.listGroups},
		{"describe_group", s.describeGroup},
		{"alter_group_offsets", s.alterGroupOffsets},
		{"delete_group_offsets", s.deleteGroupOffsets},
		{"delete_group", s.deleteGroup},
	}
}

// topic creates a topic for one feature; the name is also that of its group.
func (s groupScene) topic(ctx context.Context, feature string, partitions int32) (string, error) {
	name := s.family.name(feature)
	return name, s.CreateTopic(ctx, name, partitions)
}

// filled creates a topic with the numbers 0 to each-1 as text in each partition.
func (s groupScene) filled(ctx context.Context, feature string, partitions int32, each int) (string, error) {
	topic, err := s.topic(ctx, feature, partitions)
	if err != nil {
		return topic, err
	}
	return topic, s.send(ctx, topic, partitions, 0, each)
}

// send sends the numbers from (inclusive) to (exclusive) as text to each partition.
func (s groupScene) send(ctx context.Context, topic string, partitions int32, from, to int) error {
	producer, err := s.Pump()
	if err != nil {
		return err
	}
	defer producer.Close()
	for n := from; n < to; n++ {
		for partition := range partitions {
			producer.Send(Record{Topic: topic, Partition: partition, Value: []byte(strconv.Itoa(n))})
		}
	}
	return producer.Flush(ctx)
}

// joined is a member with its watch.
type joined struct {
	Member
	*Watch
	once sync.Once
}

// leave closes the member, once.
func (j *joined) leave() (err error) {
	j.once.Do(func() { err = j.Close() })
	return err
}

func (s groupScene) join(joining Joining) (*joined, error) {
	watch := NewWatch()
	member, err := s.Join(joining, watch)
	if err != nil {
		return nil, err
	}
	return &joined{Member: member, Watch: watch}, nil
}

// reads waits until the members together have read every partition's numbers below `each`.
func reads(ctx context.Context, each int, partitions int32, members ...*joined) error {
	return eventually(ctx, func() error {
		seen := make(map[string]bool)
		for _, member := range members {
			for _, record := range member.read() {
				seen[fmt.Sprintf("%d %s", record.Partition, record.Value)] = true
			}
		}
		return same(each*int(partitions), len(seen), "different records read")
	})
}

func (s groupScene) groupConsume(ctx context.Context) error {
	topic, err := s.filled(ctx, "group_consume", 3, 100)
	if err != nil {
		return err
	}
	member, err := s.join(Joining{Group: topic, Topic: topic, CommitEvery: commitEvery})
	if err != nil {
		return err
	}
	defer member.leave()
	if err := reads(ctx, 100, 3, member); err != nil {
		return err
	}
	next := make(map[int32]int64)
	for _, record := range member.read() {
		if record.Offset != next[record.Partition] || string(record.Value) != strconv.FormatInt(record.Offset, 10) {
			return fmt.Errorf("partition %d: expected %d, got %d with %s", record.Partition, next[record.Partition], record.Offset, record.Value)
		}
		next[record.Partition]++
	}
	return same([]int32{0, 1, 2}, member.Owned(), "owned partitions")
}

func (s groupScene) commitResume(ctx context.Context) error {
	topic, err := s.filled(ctx, "commit_resume", 3, 100)
	if err != nil {
		return err
	}
	first, err := s.join(Joining{Group: topic, Topic: topic})
	if err != nil {
		return err
	}
	defer first.leave()
	middle := map[int32]int64{0: 37, 1: 50, 2: 99}
	if err := allOf(
		func() error { return reads(ctx, 100, 3, first) },
		func() error { return first.Commit(ctx, at(middle)) },
		first.leave,
	); err != nil {
		return err
	}
	second, err := s.join(Joining{Group: topic, Topic: topic})
	if err != nil {
		return err
	}
	defer second.leave()
	return eventually(ctx, func() error { return same(middle, second.first(0), "first offset by partition") })
}

func at(offsets map[int32]int64) map[int32]Committed {
	committed := make(map[int32]Committed)
	for partition, offset := range offsets {
		committed[partition] = Committed{Offset: offset}
	}
	return committed
}

func (s groupScene) offsetMetadata(ctx context.Context) error {
	topic, err := s.filled(ctx, "offset_metadata", 2, 10)
	if err != nil {
		return err
	}
	member, err := s.join(Joining{Group: topic, Topic: topic})
	if err != nil {
		return err
	}
	defer member.leave()
	put := map[int32]Committed{0: {7, "seven, said the member"}, 1: {9, "größer"}}
	return allOf(
		func() error { return reads(ctx, 10, 2, member) },
		func() error { return member.Commit(ctx, put) },
		func() error { return s.committed(ctx, topic, 2, put) },
	)
}

// committed waits until a group's offsets in its topic are the expected ones.
func (s groupScene) committed(ctx context.Context, topic string, partitions int32, expected map[int32]Committed) error {
	return eventually(ctx, func() error {
		found, err := s.Offsets(ctx, topic, topic, partitions)
		return errors.Join(err, same(expected, found, "committed offsets"))
	})
}

func (s groupScene) patternSubscribe(ctx context.Context) error {
	group := s.family.name("pattern_subscribe")
	member, err := s.join(Joining{Group: group, Pattern: "^" + group + "-[ab]$"})
	if err != nil {
		return err
	}
	defer member.leave()
	for n, suffix := range []string{"-a", "-other", "-b"} {
		topic := group + suffix
		if err := s.CreateTopic(ctx, topic, 1); err != nil {
			return err
		}
		if err := s.send(ctx, topic, 1, n*10, n*10+10); err != nil {
			return err
		}
		// Each topic is there alone before the next one, so that the second is found by a member that reads already.
		expected := map[string]int{group + "-a": 10}
		if suffix == "-b" {
			expected[topic] = 10
		}
		found := func() error {
			read, seen := make(map[string]int), make(map[string]bool)
			for _, record := range member.read() {
				// A rebalance begins anew at the start, for nothing is committed here.
				if place := fmt.Sprint(record.Topic, " ", record.Offset); !seen[place] {
					seen[place] = true
					read[record.Topic]++
				}
			}
			return same(expected, read, "different records by topic")
		}
		if err := eventually(ctx, found); err != nil {
			return err
		}
	}
	return nil
}

// pump sends numbers round robin to the partitions of a topic, one each millisecond, until it is stopped.
type pump struct {
	producer Producer
	stop     chan struct{}
	sent     chan int
}

func (s groupScene) pump(topic string, partitions int32) (*pump, error) {
	producer, err := s.Pump()
	if err != nil {
		return nil, err
	}
	p := &pump{producer: producer, stop: make(chan struct{}), sent: make(chan int, 1)}
	go func() {
		pace := time.NewTicker(2 * time.Millisecond)
		defer pace.Stop()
		for n := 0; ; n++ {
			select {
			case <-p.stop:
				p.sent <- n
				return
			case <-pace.C:
				producer.Send(Record{Topic: topic, Partition: int32(n) % partitions, Value: []byte(strconv.Itoa(n))})
			}
		}
	}()
	return p, nil
}

// finish stops it, sends `more` records and returns how many there are in all.
func (p *pump) finish(ctx context.Context, topic string, partitions int32, more int) (int, error) {
	defer p.producer.Close()
	close(p.stop)
	sent := <-p.sent
	for n := sent; n < sent+more; n++ {
		p.producer.Send(Record{Topic: topic, Partition: int32(n) % partitions, Value: []byte(strconv.Itoa(n))})
	}
	return sent + more, p.producer.Flush(ctx)
}

// readPumped waits until the members together have read each of the numbers below `total`.
func readPumped(ctx context.Context, total int, members ...*joined) error {
	return eventually(ctx, func() error {
		seen := make(map[string]bool)
		for _, member := range members {
			for _, record := range member.read() {
				seen[string(record.Value)] = true
			}
		}
		return same(total, len(seen), "different records read")
	})
}
