// Command aws-server serves an AWS that somebody else wrote, kumo, on loopback, and prints its address. It is
// a module of its own: what it needs is no part of astro-ci.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/sivchari/kumo"
)

func main() {
	s := kumo.NewServer()
	defer s.Close()
	fmt.Println(s.URL)
	_, _ = io.Copy(io.Discard, os.Stdin) // until whoever started it has gone
}
