// A Watch is one member's life as the features see it: what it owns, what it read, what it committed.

package golang

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
)

// Watch is told by a client's member what happens, from any goroutine, and keeps the positions that are to be committed.
type Watch struct {
	mutex     sync.Mutex
	owned     []int32
	given     int
	revoked   map[int32]bool
	records   []Record
	positions map[int32]int64
	committed map[int32]int64
	trouble   string
	// journal takes everything in member mode, where records are not kept and what is fatal ends the process.
	journal *journal
	fatal   func(error) bool
}

// NewWatch returns one that keeps every record.
func NewWatch() *Watch {
	return &Watch{revoked: map[int32]bool{}, positions: map[int32]int64{}, committed: map[int32]int64{}}
}

// Assigned adds partitions to the owned ones at the end of a rebalance; the list may be empty.
func (w *Watch) Assigned(added []int32) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.given++
	for _, partition := range added {
		if !slices.Contains(w.owned, partition) {
			w.owned = append(w.owned, partition)
		}
	}
	slices.Sort(w.owned)
	w.journal.assigned(w.owned)
}

// Revoked takes partitions away, by agreement or because they are lost.
func (w *Watch) Revoked(lost []int32) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.owned = slices.DeleteFunc(w.owned, func(one int32) bool { return slices.Contains(lost, one) })
	for _, partition := range lost {
		w.revoked[partition] = true
		delete(w.positions, partition)
		delete(w.committed, partition)
	}
	w.journal.revoked()
}

// Read takes a processed record.
func (w *Watch) Read(record Record) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.positions[record.Partition] = record.Offset + 1
	if w.journal != nil {
		w.journal.read(record)
		return
	}
	w.records = append(w.records, record)
}

// Due is the position of each partition with records that are processed and not committed. What was read is in the journal then.
func (w *Watch) Due() map[int32]Committed {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	due := make(map[int32]Committed)
	for partition, next := range w.positions {
		if w.committed[partition] < next {
			due[partition] = Committed{Offset: next}
		}
	}
	if len(due) > 0 {
		w.journal.flush()
	}
	return due
}

// Committed takes an acknowledged commit.
func (w *Watch) Committed(offsets map[int32]Committed) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	for _, partition := range slices.Sorted(maps.Keys(offsets)) {
		w.committed[partition] = offsets[partition].Offset
		w.journal.committed(partition, offsets[partition].Offset)
	}
}

// Trouble takes an error that the member lives on with, unless it is fatal; it is shown once, however often it comes in a row.
func (w *Watch) Trouble(err error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if text := err.Error(); text != w.trouble {
		w.trouble = text
		fmt.Fprintln(os.Stderr, "member:", text)
	}
	if w.fatal != nil && w.fatal(err) {
		w.journal.flush()
		os.Exit(1)
	}
}

// Owned is what the member owns now, in order.
func (w *Watch) Owned() []int32 {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return slices.Clone(w.owned)
}

// rebalances counts the assignments that were given.
func (w *Watch) rebalances() int {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.given
}

// kept is how many of the owned partitions were never revoked.
func (w *Watch) kept() (kept int) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	for _, partition := range w.owned {
		if !w.revoked[partition] {
			kept++
		}
	}
	return kept
}

// read is every record so far.
func (w *Watch) read() []Record {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return slices.Clone(w.records)
}

// first is the offset of the first record read of each partition, counting from the record number `after` on.
func (w *Watch) first(after int) map[int32]int64 {
	first := make(map[int32]int64)
	for _, record := range w.read()[after:] {
		if _, known := first[record.Partition]; !known {
			first[record.Partition] = record.Offset
		}
	}
	return first
}
