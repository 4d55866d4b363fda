// The broker is restarted or killed while an idempotent producer and a consumer are at work: no loss, no duplicate, no disorder.

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// around records come before the restart and again after it; between them one each millisecond, in total at most `most`.
	around            = 1000
	most              = 60_000
	restartPartitions = 2
)

var restartChecks = []check{
	{"restart_clean", func(ctx context.Context, c *client) error { return restart(ctx, c, "restart") }},
	{"restart_kill", func(ctx context.Context, c *client) error { return restart(ctx, c, "kill") }},
}

// control asks the harness to `restart` or `kill` the broker; it returns when the broker is ready again.
func control(command string) error {
	connection, err := net.Dial("tcp", os.Getenv("BROKER_CTL"))
	if err != nil {
		return err
	}
	defer connection.Close()
	if _, err := fmt.Fprintln(connection, command); err != nil {
		return err
	}
	answer, err := bufio.NewReader(connection).ReadString('\n')
	return errors.Join(err, same("ok", strings.TrimSpace(answer), command+" of the broker"))
}

func restart(ctx context.Context, c *client, how string) error {
	topic, err := c.topic(ctx, "restart_"+how, restartPartitions)
	if err != nil {
		return err
	}
	producer, err := c.producer()
	if err != nil {
		return err
	}
	defer producer.Close()
	// How many records there will be in all; not known, and so negative, until the restart is over.
	var total atomic.Int64
	total.Store(-1)
	followed := make(chan []*kgo.Record, 1)
	go func() { followed <- follow(ctx, c, topic, &total) }()

	var refusals kgo.FirstErrPromise
	sent := 0
	next := func() {
		record := &kgo.Record{Topic: topic, Partition: int32(sent % restartPartitions), Value: []byte(strconv.Itoa(sent))}
		producer.Produce(ctx, record, refusals.Promise())
		sent++
	}
	for range around {
		next()
	}
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
				next()
			}
		}
	}
	for range around {
		next()
	}
	if err := refusals.Err(); err != nil {
		return err
	}
	total.Store(int64(sent))
	if err := inOrder(<-followed, sent, "the consumer that lived through it"); err != nil {
		return err
	}
	read, err := c.readAll(ctx, topic, restartPartitions)
	if err != nil {
		return err
	}
	return inOrder(read, sent, "a new consumer")
}

// follow reads from the beginning until as many records as total says were seen, or ctx is over.
func follow(ctx context.Context, c *client, topic string, total *atomic.Int64) (read []*kgo.Record) {
	consumer, err := c.consumer(topic, []int32{0, 1}, kgo.NewOffset().AtStart())
	if err != nil {
		return nil
	}
	defer consumer.Close()
	for ctx.Err() == nil && (total.Load() < 0 || int64(len(read)) < total.Load()) {
		poll, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		// A lost connection is reported here too and cured by itself; what counts is what is read.
		read = append(read, consumer.PollFetches(poll).Records()...)
		cancel()
	}
	return read
}

func inOrder(read []*kgo.Record, total int, reader string) error {
	next := [restartPartitions]int{0, 1}
	for _, record := range read {
		number, err := strconv.Atoi(string(record.Value))
		if err != nil || next[record.Partition] != number {
			return fmt.Errorf("%s: next number of partition %d: expected %d, got %s", reader, record.Partition, next[record.Partition], record.Value)
		}
		next[record.Partition] += restartPartitions
	}
	return same(total, len(read), reader+", records")
}
