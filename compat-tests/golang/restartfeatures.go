// The broker is restarted or killed while a producer and a reader are at work: no loss, no disorder, and no duplicate if the
// producer is idempotent.

package golang

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// around records come before the restart and again after it; between them one each millisecond, in total at most `most`.
	around = 1000
	most   = 60_000
)

// addresses are those of the nodes 1, 2, ... of the broker.
func addresses() []string { return strings.Split(os.Getenv("BOOTSTRAP"), ",") }

// nodes are their ids.
func nodes() []int32 {
	var ids []int32
	for number := range addresses() {
		ids = append(ids, int32(number)+1)
	}
	return ids
}

// Replicas is how many replicas a topic has: one on each node.
func Replicas() int { return len(addresses()) }

func (s scene) restartChecks() []Check {
	return []Check{
		{"restart_clean", func(ctx context.Context) error { return s.restart(ctx, "restart_clean", "restart") }},
		{"restart_kill", func(ctx context.Context) error { return s.restart(ctx, "restart_kill", "kill") }},
	}
}

func (s scene) restart(ctx context.Context, feature, how string) error {
	topic, err := s.topic(ctx, feature, 1)
	if err != nil {
		return err
	}
	producer, err := s.Pump()
	if err != nil {
		return err
	}
	defer producer.Close()
	// How many records there will be in all; not known, and so negative, until the restart is over.
	var total atomic.Int64
	total.Store(-1)
	reader, err := s.Reader(Reading{Topic: topic, From: AtStart})
	if err != nil {
		return err
	}
	defer reader.Close()
	followed := make(chan []Record, 1)
	go func() { followed <- follow(ctx, reader, &total) }()
	sent := 0
	send := func(count int) {
		for _, record := range numbers(topic, 0, sent, sent+count) {
			producer.Send(record)
		}
		sent += count
	}
	send(around)
	if err := producer.Flush(ctx); err != nil {
		return err
	}
	restarted := make(chan error, 1)
	go func() { restarted <- control(how) }()
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	for waiting := true; waiting; {
		select {
		case err := <-restarted:
			if err != nil {
				return err
			}
			waiting = false
		case <-pace.C:
			if sent < most {
				send(1)
			}
		}
	}
	send(around)
	if err := producer.Flush(ctx); err != nil {
		return err
	}
	total.Store(int64(sent))
	if err := s.inOrder(<-followed, sent, "the reader that lived through it"); err != nil {
		return err
	}
	read, err := s.readAll(ctx, topic, 1)
	if err != nil {
		return err
	}
	return s.inOrder(read, sent, "a new reader")
}

// follow reads until the last record was seen, or ctx is over.
func follow(ctx context.Context, reader Reader, total *atomic.Int64) (read []Record) {
	for ctx.Err() == nil {
		if len(read) > 0 && total.Load() >= 0 && string(read[len(read)-1].Value) == strconv.FormatInt(total.Load()-1, 10) {
			return read
		}
		wait, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		record, err := reader.Next(wait)
		cancel()
		if err == nil {
			read = append(read, record)
			continue
		}
		// A lost connection is reported here too and cured by itself; what counts is what is read.
		time.Sleep(pollEvery)
	}
	return read
}

// inOrder accepts a number that came before only of a producer that is not idempotent: such a one sends again what may have arrived.
func (s scene) inOrder(read []Record, total int, reader string) error {
	next, again := 0, s.family.lacks("idempotent_producer")
	for _, record := range read {
		number, err := strconv.Atoi(string(record.Value))
		switch {
		case err == nil && number == next:
			next++
		case err == nil && number < next && again:
		default:
			return fmt.Errorf("%s: next number: expected %d, got %s", reader, next, record.Value)
		}
	}
	return same(total, next, reader+", numbers in order")
}
