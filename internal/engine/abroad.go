package engine

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"bkp/internal/engine/remote"
	"bkp/internal/engine/restore"
	"bkp/internal/engine/stage"
	"bkp/internal/event"
	"bkp/internal/problem"
	"bkp/lang"
	"bkp/providers"
)

// place is the address of the connection to the machine on which a component runs,
// "" for this one. What lies in the home runs where the home does.
func (o *opener) place(address string) string {
	c, ok := o.eng.Config.Component(address)
	if !ok {
		return ""
	}
	if p, ok := c.Config.(providers.Placeable); ok {
		return p.Place().Address
	}
	if home := o.instance.Home.Address; c.Definition.Inside != nil && home != address {
		return o.place(home)
	}
	return ""
}

// abroad opens a strategy on another machine. Nothing is touched by it: the session
// begins with the first verb.
func (o *opener) abroad(c *lang.Component, on string) (providers.Strategy, error) {
	out, err := o.remote(c, on)
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.strategies[c.Address] = out
	return out, nil
}

// remote is a component on the machine of a connection, whether it is declared to run
// there or not.
func (o *opener) remote(c *lang.Component, on string) (providers.Strategy, error) {
	s, err := o.session(on)
	if err != nil {
		return nil, err
	}
	out, err := remote.Open(remote.Opening{
		Session: s, Definition: c.Definition, Config: c.Config, Env: o.env(c), Work: o.eng.abroad(o.instance, c).Work, Packer: o.eng.Packer,
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Address, err)
	}
	return out, nil
}

// machineOf takes the place of a restore apart that names a machine, such as
// connection.ssh.standby:/srv/home; on is "" without one.
func machineOf(place string) (on, there string) {
	if !strings.HasPrefix(place, providers.Connections.Name()+".") {
		return "", place
	}
	quoted := false
	for i, c := range place {
		switch {
		case c == '"':
			quoted = !quoted
		case c == ':' && !quoted:
			return place[:i], place[i+1:]
		}
	}
	return "", place
}

// namesNoPlace reports whether the place of a restore names a machine alone. Restored
// into a folder of that name, nobody would find it.
func namesNoPlace(place string) bool {
	on, there := machineOf(place)
	if on != "" {
		return there == ""
	}
	words := strings.Split(place, ".")
	return len(words) == 3 && words[0] == providers.Connections.Name() && !strings.Contains(place, "/") //nolint:mnd // kind, type and name
}

// restoredOn is the strategy of a component for a restore to another machine than the
// one where it runs.
func (o *opener) restoredOn(address, on string) (providers.Strategy, error) {
	machine, declared := o.eng.Config.Component(on)
	if !declared || machine.Definition.Kind.Name() != providers.Connections.Name() {
		return nil, problem.Usagef("%s is not declared, so nothing can be restored there", on)
	}
	c, ok := o.eng.Config.Component(address)
	if !ok {
		return nil, fmt.Errorf("%s is not declared", address)
	}
	if _, placed := c.Config.(providers.Placeable); !placed && c.Definition.Inside == nil {
		return nil, problem.Usagef("%s cannot run on another machine, so it cannot be restored to %s", address, on)
	}
	return o.remote(c, on)
}

// abroad is what another machine knows of a component: its folder there lies below the
// state folder as it does here.
func (eng *Engine) abroad(i *lang.Instance, c *lang.Component) remote.Archive {
	work, _ := filepath.Rel(eng.Config.StateDir, eng.workDir(i, c.Address)) // it is below it
	return remote.Archive{Definition: c.Definition, Address: c.Address, Work: work}
}

// connection is the one at an address.
func (o *opener) connection(on string) (providers.Connection, error) {
	made, err := o.open(on)
	if err != nil {
		return nil, err
	}
	c, ok := made.(providers.Connection)
	if !ok {
		return nil, fmt.Errorf("%s is a %T, and not a connection", on, made)
	}
	return c, nil
}

// session is the one with the machine of a connection.
func (o *opener) session(on string) (*remote.Session, error) {
	c, err := o.connection(on)
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if s, ok := o.sessions[on]; ok {
		return s, nil
	}
	s := remote.NewSession(on, c, func(message string) {
		o.sink.Emit(event.Event{Time: time.Now(), Kind: event.Warning, Address: on, Message: message})
	})
	o.sessions[on] = s
	return s, nil
}

// tidy removes what restores of a component left on another machine.
func (o *opener) tidy(ctx context.Context, t stage.There) error {
	s, err := o.session(t.On)
	if err == nil {
		err = s.Tidy(ctx, t.Work)
	}
	if err == nil {
		return nil
	}
	return problem.Wrapf(err, "what a restore left on another machine is not removed",
		fmt.Sprintf("if the machine is gone for good, remove %s; otherwise see that it can be reached, and run:\n\n    bkp recover\n", restore.RecordPath(o.eng.Config.StateDir)), "%s, of %s", t.On, t.Backup)
}

// tidyTimeout bounds what an agent that has lost its connection may still need, and what is
// then removed.
const tidyTimeout = 5 * time.Minute

// tidyThere is tidy with a session of its own. The connection has to be declared, and
// neither the component nor its instance.
func (eng *Engine) tidyThere(ctx context.Context, t stage.There) error {
	inst := &lang.Instance{}
	if id, err := providers.ParseBackupID(string(t.Backup)); err == nil {
		if known, ok := eng.Config.Instance(id.Instance()); ok {
			inst = known
		}
	}
	o := eng.opener(inst, event.Discard{}, 1, nil)
	defer o.closeSessions()
	ctx, cancel := context.WithTimeout(ctx, tidyTimeout)
	defer cancel()
	return o.tidy(ctx, t)
}

// strategy is one that runs on another machine.
func (o *opener) strategy(address string) (providers.Strategy, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s, ok := o.strategies[address]
	return s, ok
}

// closeSessions ends all, each without waiting for the others.
func (o *opener) closeSessions() {
	o.mu.Lock()
	defer o.mu.Unlock()
	var all sync.WaitGroup
	for _, s := range o.sessions {
		all.Go(s.Close)
	}
	all.Wait()
}
