// The journal of a member in a process of its own: one line for each event, for whoever judges a group of many clients.

package golang

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// flushEvery is how long a line may wait in memory.
const flushEvery = 100 * time.Millisecond

// journal appends to a file; a nil one does nothing.
type journal struct {
	mutex sync.Mutex
	out   *bufio.Writer
}

func openJournal(path string) (*journal, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	j := &journal{out: bufio.NewWriterSize(file, 1<<16)}
	go func() {
		for range time.Tick(flushEvery) {
			j.flush()
		}
	}()
	return j, nil
}

func (j *journal) assigned(owned []int32) {
	texts := make([]string, len(owned))
	for i, partition := range owned {
		texts[i] = fmt.Sprint(partition)
	}
	j.line(true, "A %d %s", time.Now().UnixMilli(), strings.Join(texts, ","))
}

func (j *journal) revoked() { j.line(true, "R %d", time.Now().UnixMilli()) }

func (j *journal) read(record Record) {
	j.line(false, "M %d %d %s", record.Partition, record.Offset, record.Value)
}

func (j *journal) committed(partition int32, next int64) { j.line(true, "C %d %d", partition, next) }

func (j *journal) line(now bool, format string, arguments ...any) {
	if j == nil {
		return
	}
	j.mutex.Lock()
	fmt.Fprintf(j.out, format+"\n", arguments...)
	j.mutex.Unlock()
	if now {
		j.flush()
	}
}

// flush ends the process if the disk refuses: a member whose journal has holes would be judged wrongly.
func (j *journal) flush() {
	if j == nil {
		return
	}
	j.mutex.Lock()
	defer j.mutex.Unlock()
	if err := j.out.Flush(); err != nil {
		fmt.Fprintln(os.Stderr, "journal:", err)
		os.Exit(1)
	}
}
