//go:build !(linux && amd64)

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "torture: error: it stops system calls, which it can on Linux on amd64 only")
	os.Exit(1)
}
