package engine

import (
	"fmt"
	"io"
	"runtime"
	"time"

	"bkp/internal/bitbucket"
	"bkp/internal/event"
	"bkp/internal/host"
	"bkp/internal/planner"
	"bkp/lang"
	"bkp/providers"
)

// opened is an instance with everything it names.
type opened struct {
	instance   *lang.Instance
	client     *bitbucket.Client // nil when offline
	parts      []planner.Part
	archives   []planner.Archive
	strategies map[string]providers.Strategy
	archivers  map[string]providers.Archiver
	keepers    map[string]providers.Keeper
}

func (o *opened) close() {
	if o.client != nil {
		o.client.Close()
	}
}

// open makes the strategies of an instance. Nothing is touched by it.
func (eng *Engine) open(i *lang.Instance, sink event.Sink, parallelism int) (*opened, error) {
	return eng.openWith(i, sink, parallelism, nil)
}

// openWith is open for a run, whose log takes the tools' own output.
func (eng *Engine) openWith(i *lang.Instance, sink event.Sink, parallelism int, log io.Writer) (*opened, error) {
	o := &opened{
		instance:   i,
		strategies: map[string]providers.Strategy{}, archivers: map[string]providers.Archiver{}, keepers: map[string]providers.Keeper{},
	}
	if !eng.Offline {
		var err error
		if o.client, err = eng.client(i); err != nil {
			return nil, err
		}
	}
	about := providers.Instance{Name: i.Name, EmbeddedDatabase: i.Database != nil && i.Database.Type == "embedded"}
	// The home comes first: the database may want to know where it is.
	for _, c := range []*lang.Component{i.Home, i.Database} {
		if c == nil {
			continue
		}
		strategy, err := c.Definition.Open(c.Config, eng.env(i, c, about, sink, parallelism, log))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Address, err)
		}
		if rooted, ok := strategy.(providers.Rooted); ok {
			about.Home, about.HomeAddress = rooted.Root(), c.Address
		}
		o.strategies[c.Address] = strategy
		if k, ok := strategy.(providers.Keeper); ok {
			o.keepers[c.Address] = k
		}
		o.parts = append(o.parts, planner.Part{Address: c.Address, Strategy: strategy, Yields: c.Definition.Yields()})
	}
	for _, c := range i.Archives {
		env := eng.env(i, c, about, sink, parallelism, log)
		env.Keepers = o.keepers
		a, err := c.Definition.OpenArchive(c.Config, env)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Address, err)
		}
		o.archivers[c.Address] = a
		o.archives = append(o.archives, planner.Archive{Address: c.Address, Archiver: a, Takes: c.Definition.Takes()})
	}
	return o, nil
}

func (eng *Engine) env(i *lang.Instance, c *lang.Component, about providers.Instance, sink event.Sink, parallelism int, log io.Writer) providers.Env {
	return providers.Env{
		Address: c.Address, WorkDir: eng.workDir(i, c.Address), Host: &host.Host{}, Instance: about, Log: log,
		Parallelism: max(parallelism, 2, runtime.NumCPU()),
		OnProgress: func(p providers.Progress) {
			sink.Emit(event.Event{
				Time: time.Now(), Kind: event.StepProgress, Address: c.Address,
				Files: p.Files, Bytes: p.Bytes, TotalFiles: p.TotalFiles, TotalBytes: p.TotalBytes,
			})
		},
		Warn: func(message string) {
			sink.Emit(event.Event{Time: time.Now(), Kind: event.Warning, Address: c.Address, Message: message})
		},
	}
}
