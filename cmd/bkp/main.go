// Command bkp declares, plans and applies consistent backups of Bitbucket
// Data Center.
package main

import (
	"os"

	"bkp/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
