// The franz-go compatibility program: runs each feature against BOOTSTRAP and prints `PASS name` or `FAIL name: reason`.
// It starts no broker. What it has of its own are topics, records and offsets; groups are those of all Go clients.
package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"

	"bateau/compat/golang"
)

//go:embed family.json
var description []byte

type check struct {
	name string
	run  func(context.Context, *client) error
}

func main() {
	family := golang.Family{
		Name:        "franz-go",
		Module:      "github.com/twmb/franz-go",
		Description: description,
		Open:        func(bootstrap string) (golang.Groups, error) { return newClient(bootstrap) },
	}
	var own []golang.Check
	for _, some := range [][]check{topicChecks, recordChecks, offsetChecks, restartChecks} {
		for _, one := range some {
			own = append(own, golang.Check{Name: one.name, Run: withClient(one.run)})
		}
	}
	groups, err := newClient(os.Getenv("BOOTSTRAP"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "franz-go:", err)
		os.Exit(1)
	}
	golang.Main(family, own, golang.GroupChecks(family, groups))
}

// withClient gives a feature a client of its own.
func withClient(run func(context.Context, *client) error) func(context.Context) error {
	return func(ctx context.Context) error {
		c, err := newClient(os.Getenv("BOOTSTRAP"))
		if err != nil {
			return err
		}
		defer c.Close()
		return run(ctx, c)
	}
}
