//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "lies: error: it finds processes in /proc, which there is on Linux only")
	os.Exit(1)
}
