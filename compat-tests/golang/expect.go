// What a feature expects, and how long it waits for it. No sleeping for a guess: a condition is polled until a deadline.

package golang

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"reflect"
	"strings"
	"time"
)

const (
	// answerTime bounds every wait for an answer or a state of the group.
	answerTime = 30 * time.Second
	// pollEvery is how often a condition is looked at.
	pollEvery = 20 * time.Millisecond
)

func same(expected, actual any, what string) error {
	if !reflect.DeepEqual(expected, actual) {
		return fmt.Errorf("%s: expected %v, got %v", what, expected, actual)
	}
	return nil
}

func ensure(holds bool, otherwise string, arguments ...any) error {
	if !holds {
		return fmt.Errorf(otherwise, arguments...)
	}
	return nil
}

// refused is nil if err is the broker's error `code`, as the client's Code reads it.
func refused(code int, err error, read func(error) int) error {
	if err != nil && read(err) == code {
		return nil
	}
	return fmt.Errorf("expected error code %d, got: %v", code, err)
}

// eventually repeats a step until it passes, at most for answerTime; it returns the step's last failure.
func eventually(ctx context.Context, step func() error) error {
	return within(ctx, answerTime, step)
}

func within(ctx context.Context, limit time.Duration, step func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := step()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return fmt.Errorf("within %v: %w", limit, err)
		}
		time.Sleep(pollEvery)
	}
}

// allOf runs steps until one fails.
func allOf(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
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
