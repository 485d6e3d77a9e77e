package engine

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"time"

	"bkp/internal/bitbucket"
	"bkp/internal/engine/planner"
	"bkp/internal/engine/remote"
	"bkp/internal/event"
	"bkp/internal/host"
	"bkp/lang"
	"bkp/providers"
)

// opened is an instance with everything it names.
type opened struct {
	instance *lang.Instance
	client   *bitbucket.Client // nil when offline
	parts    []planner.Part
	// archives are those that a run stores in, by address in archivers, too; copies
	// the others.
	archives, copies []planner.Archive
	strategies       map[string]providers.Strategy
	archivers        map[string]providers.Archiver
	keepers          map[string]providers.Keeper
	opener           *opener
}

// close ends what the instance has with other machines. It waits until they have left.
func (o *opened) close() {
	if o.opener != nil {
		o.opener.closeSessions()
	}
	if o.client != nil {
		o.client.Close()
	}
}

// nodes are the addresses of the Mesh nodes.
func (o *opened) nodes() []string {
	var out []string
	for _, part := range o.parts {
		if part.Node != "" {
			out = append(out, part.Address)
		}
	}
	return out
}

// undo is what ends the captures of a backup, for the guardian.
func (o *opened) undo(id providers.BackupID) []providers.UndoCommand {
	var out []providers.UndoCommand
	for _, part := range o.parts {
		if u, ok := providers.As[providers.Undoer](part.Strategy); ok {
			out = append(out, u.Undo(id)...)
		}
	}
	return out
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
	// A command that does not log in may have been started without what that takes.
	if !eng.Offline && len(eng.Config.Open()[i.Address]) == 0 {
		var err error
		if o.client, err = eng.client(i); err != nil {
			return nil, err
		}
	}
	opener := eng.opener(i, sink, parallelism, log)
	o.opener = opener
	bound := i.Bound(opener.open)
	if err := o.openParts(bound, opener); err != nil {
		return nil, err
	}
	opener.setKeepers(o.keepers)
	for _, ref := range bound.Shelves() {
		a, err := ref.Open()
		if err != nil {
			return nil, err
		}
		archive := planner.Archive{Address: ref.Address, Archiver: a, Definition: opener.definition(ref.Address), Retention: eng.retention(i, ref.Address)}
		if len(o.archives) < len(bound.Archives) {
			o.archivers[ref.Address] = a
			o.archives = append(o.archives, archive)
			continue
		}
		o.copies = append(o.copies, archive)
	}
	return o, nil
}

// shelves are all archives that may hold a backup, those that runs store in first.
func (o *opened) shelves() []planner.Archive { return slices.Concat(o.archives, o.copies) }

// shelf finds an archive by its address.
func (o *opened) shelf(address string) (planner.Archive, bool) {
	all := o.shelves()
	i := slices.IndexFunc(all, func(a planner.Archive) bool { return a.Address == address })
	if i < 0 {
		return planner.Archive{}, false
	}
	return all[i], true
}

// retention is what prunes an archive: its own, or else the instance's.
func (eng *Engine) retention(i *lang.Instance, archive string) *planner.Retention {
	address := i.Retention.Address
	if c, ok := eng.Config.Component(archive); ok {
		for _, to := range c.Refers {
			if _, ok := eng.Config.Retention(to); ok {
				address = to
			}
		}
	}
	if r, ok := eng.Config.Retention(address); ok {
		return &planner.Retention{Address: r.Address, Policy: r.Policy()}
	}
	return nil
}

func (o *opened) openParts(bound *lang.Instance, opener *opener) error {
	for _, ref := range bound.Parts() {
		strategy, err := ref.Open()
		if err != nil {
			return err
		}
		if home := remote.Elsewhere(strategy).Paths().Home; home != "" {
			opener.setHome(home, ref.Address)
		}
		o.strategies[ref.Address] = strategy
		if k, ok := providers.As[providers.Keeper](strategy); ok {
			o.keepers[ref.Address] = k
		}
		o.parts = append(o.parts, planner.Part{Address: ref.Address, Strategy: strategy, Definition: opener.definition(ref.Address), Node: opener.eng.node(ref.Address), On: opener.place(ref.Address)})
	}
	return nil
}

// opener opens components for one instance, each once: what two refer to is
// the same for both.
type opener struct {
	eng         *Engine
	instance    *lang.Instance
	sink        event.Sink
	parallelism int
	log         io.Writer

	mu      sync.Mutex
	about   providers.Instance
	keepers map[string]providers.Keeper
	made    map[string]func() (any, error)
	// sessions are those with other machines, by the address of the connection.
	sessions map[string]*remote.Session
	// strategies are those that were opened, for archives that read their trees.
	strategies map[string]providers.Strategy
}

func (eng *Engine) opener(i *lang.Instance, sink event.Sink, parallelism int, log io.Writer) *opener {
	o := &opener{eng: eng, instance: i, sink: sink, parallelism: parallelism, log: log, made: map[string]func() (any, error){}, sessions: map[string]*remote.Session{}, strategies: map[string]providers.Strategy{}}
	o.about = providers.Instance{Name: i.Name, URL: i.URL, HasMeshNodes: len(i.MeshNodes) > 0, Stays: len(i.Archives) > 0}
	d := o.definition(i.Database.Address)
	o.about.Database = providers.Database{Address: i.Database.Address, Engines: d.Engines, Empty: d.Empty}
	for _, r := range i.Archives {
		o.about.Stays = o.about.Stays && !slices.Contains(o.definition(r.Address).Takes(), providers.Staged)
	}
	for _, r := range i.Parts() {
		folders := eng.folders(r.Address)
		o.about.Folders = append(o.about.Folders, folders...)
		o.about.EmbeddedDatabase = o.about.EmbeddedDatabase || o.definition(r.Address).Inside != nil && len(folders) == 0
	}
	return o
}

// folders are those that a component wants captured with the home.
func (eng *Engine) folders(address string) []providers.Folder {
	c, ok := eng.Config.Component(address)
	if !ok {
		return nil
	}
	housed, ok := c.Config.(providers.Housed)
	if !ok {
		return nil
	}
	out := slices.Clone(housed.Folders())
	for i := range out {
		out[i].Address = address
	}
	return out
}

// node is the Mesh node that a component stands for, "" if it is none.
func (eng *Engine) node(address string) string {
	if c, ok := eng.Config.Component(address); ok {
		if n, ok := c.Config.(providers.NodeNamer); ok {
			return n.NodeName(address)
		}
	}
	return ""
}

// definition is that of the component at an address.
func (o *opener) definition(address string) providers.Definition {
	if c, ok := o.eng.Config.Component(address); ok {
		return c.Definition.For(c.Config)
	}
	return providers.Definition{}
}

// setHome is for what is opened from now on.
func (o *opener) setHome(root, address string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.about.Home, o.about.HomeAddress = root, address
}

// setKeepers is for the archives, which are opened last.
func (o *opener) setKeepers(keepers map[string]providers.Keeper) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.keepers = keepers
}

// open implements providers.Opener. The lock is not held while a component is
// opened, because that may open others. They cannot wait for each other: a
// configuration with a cycle is refused.
func (o *opener) open(address string) (any, error) {
	o.mu.Lock()
	made, known := o.made[address]
	if !known {
		made = sync.OnceValues(func() (any, error) { return o.make(address) })
		o.made[address] = made
	}
	o.mu.Unlock()
	return made()
}

func (o *opener) make(address string) (any, error) {
	c, ok := o.eng.Config.Component(address)
	if !ok {
		return nil, errors.New(address + " is not declared")
	}
	if on := o.place(address); on != "" && !o.eng.Offline {
		return o.abroad(c, on)
	}
	made, err := c.Definition.Open(c.Config, o.env(c))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", address, err)
	}
	return made, nil
}

func (o *opener) env(c *lang.Component) providers.Env {
	o.mu.Lock()
	defer o.mu.Unlock()
	return providers.Env{
		Address: c.Address, WorkDir: o.eng.workDir(o.instance, c.Address), Host: &host.Host{}, Instance: o.about, Log: o.log,
		Parallelism: max(o.parallelism, 2, runtime.NumCPU()), Open: o.open, Keepers: o.keepers,
		Identities: o.eng.Identities, AcceptUnencrypted: o.eng.AcceptUnencrypted,
		Far: remote.Trees{Strategy: o.strategy, Archive: o.eng.abroad(o.instance, c)},
		OnProgress: func(p providers.Progress) {
			o.sink.Emit(event.Event{
				Time: time.Now(), Kind: event.StepProgress, Address: c.Address,
				Files: p.Files, Bytes: p.Bytes, TotalFiles: p.TotalFiles, TotalBytes: p.TotalBytes,
			})
		},
		Warn: func(message string) {
			o.sink.Emit(event.Event{Time: time.Now(), Kind: event.Warning, Address: c.Address, Message: message})
		},
	}
}

// refers are, by address, what the components of an instance refer to, and
// what these refer to.
func (eng *Engine) refers(i *lang.Instance) map[string][]string {
	out := map[string][]string{}
	var follow func(address string)
	follow = func(address string) {
		c, ok := eng.Config.Component(address)
		if _, seen := out[address]; seen || !ok || len(c.Refers) == 0 {
			return
		}
		out[address] = c.Refers
		for _, to := range c.Refers {
			follow(to)
		}
	}
	for _, r := range i.Parts() {
		follow(r.Address)
	}
	for _, r := range i.Shelves() {
		follow(r.Address)
	}
	return out
}
