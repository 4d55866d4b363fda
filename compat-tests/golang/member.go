// Member mode: the program as one member of a group that others, of any client, belong to. It decides nothing about right or wrong.

package golang

import (
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

// commitEvery is how often a member commits what it has processed.
const commitEvery = 500 * time.Millisecond

// fatalCodes are refusals that no waiting cures.
var fatalCodes = []int{
	inconsistentGroupProtocolCode, invalidGroupIDCode, invalidSessionTimeoutCode, groupAuthorizationFailedCode, fencedInstanceIDCode,
}

// member runs until SIGTERM; it returns the exit code.
func member(family Family) int {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	watch := NewWatch()
	var err error
	if watch.journal, err = openJournal(os.Getenv("OUT_FILE")); err != nil {
		return fatal(err)
	}
	defer watch.journal.flush()
	client, err := family.Open(os.Getenv("BOOTSTRAP"))
	if err != nil {
		return fatal(err)
	}
	defer client.Close()
	watch.fatal = func(err error) bool { return slices.Contains(fatalCodes, client.Code(err)) }
	joined, err := client.Join(Joining{
		Group:       os.Getenv("GROUP"),
		Topic:       os.Getenv("TOPIC"),
		ClientID:    os.Getenv("CLIENT_ID"),
		InstanceID:  os.Getenv("INSTANCE_ID"),
		CommitEvery: commitEvery,
	}, watch)
	if err != nil {
		return fatal(err)
	}
	<-stop
	if err := joined.Close(); err != nil {
		return fatal(err)
	}
	return 0
}

func fatal(err error) int {
	fmt.Fprintln(os.Stderr, "member:", err)
	return 1
}
