// The feature of a member that dies without a goodbye: a child process in member mode, killed.

package golang

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// memberLost kills a child process in member mode, which cannot say goodbye.
func (s groupScene) memberLost(ctx context.Context) error {
	topic, err := s.topic(ctx, "member_lost", 4)
	if err != nil {
		return err
	}
	stays, err := s.join(Joining{Group: topic, Topic: topic, CommitEvery: commitEvery})
	if err != nil {
		return err
	}
	defer stays.leave()
	journal := filepath.Join(scratch(), topic)
	child, err := startMember(topic, journal)
	if err != nil {
		return err
	}
	defer func() { child.Process.Kill(); child.Wait() }()
	var lost []int32
	if err := eventually(ctx, func() error {
		lost = lastAssignment(journal)
		return errors.Join(same(2, len(lost), "partitions of the child"), same(2, len(stays.Owned()), "partitions of the other member"))
	}); err != nil {
		return err
	}
	if err := s.send(ctx, topic, 4, 0, 100); err != nil {
		return err
	}
	hundred := map[int32]Committed{0: {Offset: 100}, 1: {Offset: 100}, 2: {Offset: 100}, 3: {Offset: 100}}
	if err := s.committed(ctx, topic, 4, hundred); err != nil {
		return err
	}
	killed, before := time.Now(), len(stays.read())
	if err := child.Process.Kill(); err != nil {
		return err
	}
	if err := s.send(ctx, topic, 4, 100, 150); err != nil {
		return err
	}
	if err := spread(ctx, 4, []int{4}, stays); err != nil {
		return err
	}
	took := time.Since(killed)
	if took < SessionTimeout-2*HeartbeatInterval {
		return fmt.Errorf("the dead member lost its partitions after %v already", took)
	}
	return eventually(ctx, func() error {
		first := stays.first(before)
		for _, partition := range lost {
			if err := same(int64(100), first[partition], fmt.Sprintf("first offset taken over in partition %d", partition)); err != nil {
				return err
			}
		}
		return same(4*150-100*len(lost), distinct(stays.read()), "records read by the member that stays")
	})
}

func distinct(records []Record) int {
	seen := make(map[string]bool)
	for _, record := range records {
		seen[fmt.Sprint(record.Partition, " ", record.Offset)] = true
	}
	return len(seen)
}

func scratch() string {
	if directory := os.Getenv("SCRATCH"); directory != "" {
		return directory
	}
	return os.TempDir()
}

// startMember starts this program in member mode.
func startMember(topic, journal string) (*exec.Cmd, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	child := exec.Command(program, "member")
	child.Env = append(os.Environ(), "GROUP="+topic, "TOPIC="+topic, "OUT_FILE="+journal, "CLIENT_ID=child")
	child.Stderr = os.Stderr
	return child, child.Start()
}

// lastAssignment is the last `A` line of a journal.
func lastAssignment(path string) (partitions []int32) {
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) < 2 || words[0] != "A" {
			continue
		}
		partitions = nil
		if len(words) == 3 {
			for _, text := range strings.Split(words[2], ",") {
				if partition, err := strconv.ParseInt(text, 10, 32); err == nil {
					partitions = append(partitions, int32(partition))
				}
			}
		}
	}
	return partitions
}
