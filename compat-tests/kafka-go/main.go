// The kafka-go compatibility program: the features of all Go clients, done with kafka-go of segmentio. It starts no broker.
package main

import (
	_ "embed"
	"fmt"
	"os"

	"bateau/compat/golang"
)

//go:embed family.json
var description []byte

func main() {
	family := golang.Family{
		Name:        "kafka-go",
		Module:      "github.com/segmentio/kafka-go",
		Description: description,
		Open:        func(bootstrap string) (golang.Groups, error) { return open(bootstrap) },
	}
	client, err := open(os.Getenv("BOOTSTRAP"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "kafka-go:", err)
		os.Exit(1)
	}
	golang.Main(family, golang.Checks(family, client), golang.GroupChecks(family, client))
}
