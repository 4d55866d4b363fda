// Package golang is what the programs of the Go clients share: how they report, how they wait, and the features that are told
// once for all of them in terms of Client and Groups. It names no client library; each family folder brings one.
package golang

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"time"
)

// featureTime is the longest time that one feature may take; restarts of a real Kafka are the slowest.
const featureTime = 150 * time.Second

// Check is one feature: nil means that the client can do it.
type Check struct {
	Name string
	Run  func(ctx context.Context) error
}

// Family is one client's program.
type Family struct {
	// Name is the folder's; it makes topic and group names unique in a run.
	Name string
	// Module is the client library's, whose version is reported.
	Module string
	// Description is the content of family.json; features that it says are lacking are not run.
	Description []byte
	// Open returns a client of the broker, only for member mode.
	Open func(bootstrap string) (Groups, error)
}

// Main runs the checks in order, or one member if the last argument is `member`, and ends the process.
func Main(family Family, checks ...[]Check) {
	if os.Args[len(os.Args)-1] == "member" {
		os.Exit(member(family))
	}
	fmt.Printf("VERSION %s %s\n", family.Name, version(family.Module))
	only, failed := os.Getenv("FEATURE"), 0
	for _, some := range checks {
		for _, one := range some {
			if only != "" && only != one.Name || family.lacks(one.Name) {
				continue
			}
			if err := runOne(one); err != nil {
				failed++
				fmt.Printf("FAIL %s: %s\n", one.Name, strings.ReplaceAll(err.Error(), "\n", " "))
			} else {
				fmt.Printf("PASS %s\n", one.Name)
			}
		}
	}
	if failed > 0 {
		os.Exit(1)
	}
}

// name is one that no other feature, family or run uses.
func (f Family) name(feature string) string {
	return f.Name + "-" + feature + "-" + os.Getenv("RUN_ID")
}

func (f Family) lacks(feature string) bool {
	var described struct {
		Lacking map[string]string `json:"lacking"`
	}
	if err := json.Unmarshal(f.Description, &described); err != nil {
		panic(fmt.Sprintf("family.json of %s: %v", f.Name, err))
	}
	_, lacks := described.Lacking[feature]
	return lacks
}

// runOne runs a feature within its time; a panic is a failure of that feature only.
func runOne(one Check) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), featureTime)
	defer cancel()
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panicked: %v", cause)
		}
	}()
	return one.Run(ctx)
}

// version is the one that the program was built with.
func version(module string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, dependency := range info.Deps {
		if dependency.Path == module {
			return strings.TrimPrefix(dependency.Version, "v")
		}
	}
	return "unknown"
}
