package guardian

import (
	"cmp"
	"context"
	"strings"
	"sync"

	"bkp/internal/host"
	"bkp/internal/secret"
	"bkp/providers"
)

// undo runs what ends the captures of the strategies, before users come back: a
// file system that is frozen would hold them up. What fails is logged and stops
// nothing, for the instance must be unlocked all the same.
func (c *child) undo() {
	var all sync.WaitGroup
	for _, command := range c.watch.Undo {
		all.Go(func() { c.undoOne(command) })
	}
	all.Wait()
}

func (c *child) undoOne(u providers.UndoCommand) {
	line := strings.Join(append([]string{u.Name}, u.Args...), " ")
	ctx, cancel := context.WithTimeout(context.Background(), min(providers.UndoTimeout, cmp.Or(u.Timeout, providers.UndoTimeout)))
	defer cancel()
	var secrets []secret.String
	for _, text := range u.Secrets {
		secrets = append(secrets, secret.New(text))
	}
	if _, err := (&host.Host{}).Run(ctx, host.Command{Name: u.Name, Args: u.Args, Env: u.Env, Secrets: secrets}); err != nil {
		c.log("could not undo by %q: %v", line, err)
		return
	}
	c.log("undone by %q", line)
}
