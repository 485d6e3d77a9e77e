// Command bitbucket-sandbox is a Bitbucket to try bkp on.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"bkp/internal/lab/sandbox/command"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := command.Run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
