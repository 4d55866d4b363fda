// The franz-go compatibility program: runs each feature against BOOTSTRAP and prints `PASS name` or `FAIL name: reason`.
// It starts no broker.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"
)

// featureTime is the longest time that one feature may take; restarts of a real Kafka are the slowest.
const featureTime = 150 * time.Second

type check struct {
	name string
	run  func(context.Context, *client) error
}

func main() {
	var checks []check
	for _, some := range [][]check{topicChecks, recordChecks, offsetChecks, restartChecks} {
		checks = append(checks, some...)
	}
	only, failed := os.Getenv("FEATURE"), 0
	for _, one := range checks {
		if only != "" && only != one.name {
			continue
		}
		if err := runOne(one); err != nil {
			failed++
			fmt.Printf("FAIL %s: %s\n", one.name, strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			fmt.Printf("PASS %s\n", one.name)
		}
	}
	if failed > 0 {
		os.Exit(1)
	}
}

// runOne runs a feature with clients of its own; a panic is a failure of that feature only.
func runOne(one check) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), featureTime)
	defer cancel()
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panicked: %v", cause)
		}
	}()
	c, err := newClient()
	if err != nil {
		return err
	}
	defer c.close()
	return one.run(ctx, c)
}
