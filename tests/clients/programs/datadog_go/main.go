// The official client for Go.
package main

import (
	"log"
	"os"
	"strings"
	"time"

	"github.com/DataDog/datadog-go/v5/statsd"
)

func main() {
	address := strings.TrimPrefix(os.Args[1], "udp://")
	if path, found := strings.CutPrefix(address, "unix://"); found {
		address = "unixstream://" + path
	}
	client, err := statsd.New(address, statsd.WithoutTelemetry(), statsd.WithoutClientSideAggregation())
	if err != nil {
		log.Fatal(err)
	}
	for i := 0; i < 10; i++ {
		client.Count("matrix.count", 3, []string{"a:1"}, 1)
	}
	client.Gauge("matrix.gauge", 42.5, nil, 1)
	for i := 0; i < 5; i++ {
		client.Timing("matrix.time", 12*time.Millisecond, nil, 1)
	}
	for _, member := range []string{"x", "y", "x"} {
		client.Set("matrix.set", member, nil, 1)
	}
	if err := client.Close(); err != nil {
		log.Fatal(err)
	}
}
