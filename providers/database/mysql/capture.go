package mysql

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/database"
)

// Summaries of what goes wrong with a dump.
const (
	dumpFailed   = "dump of the database failed"
	dumpLost     = "dump of the database is gone"
	tableChanged = "table definition changed while the database was dumped"
)

// refBackup is the key of an artifact's Ref between Capture and Finish.
const refBackup = "backup"

// Keys of an artifact's facts.
const (
	factServerVersion = "server_version"
	factDatabase      = "database"
	factCharset       = "character_set"
	factCollation     = "collation"
	factPacket        = "max_allowed_packet"
	factLongest       = "longest_statement" // in bytes
	factDefiners      = "definers"          // JSON: account by object
	factBoundViews    = "bound_views"       // JSON
	factCounts        = "objects"           // JSON: number by kind
	factRights        = "rights"            // JSON
	factMode          = "sql_mode"
	factToolVersion   = "dump_tool_version"
	factAccount       = "account" // JSON
)

// prepared is what Capture needs and need not look for.
type prepared struct {
	tool  tool
	facts facts
	// definitions are those of before the lock.
	definitions []string
}

// Prepare finds out all that Capture needs, and rehearses the dump without its
// rows: a tool that cannot connect or may not read is found before the lock,
// and the machine has then loaded it.
func (s *strategy) Prepare(ctx context.Context, b providers.BackupID) error {
	if err := s.Close(); err != nil {
		return err
	}
	conn, err := s.connect(ctx, s.cfg.Database)
	if err != nil {
		return err
	}
	defer conn.close()
	f, err := conn.facts(ctx, s.cfg.Database)
	if err != nil {
		return err
	}
	t, finding := s.findTool(ctx, dumping(), f.version)
	if err := usable(finding); err != nil {
		return err
	}
	if err := s.rehearse(ctx, b, t); err != nil {
		return err
	}
	definitions, err := conn.definitions(ctx, s.cfg.Database)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prepared = &prepared{tool: t, facts: f, definitions: definitions}
	return nil
}

// Warm implements providers.Strategy: the dump tool connects under the lock, where
// a server that went away since Prepare would be found out too late.
func (s *strategy) Warm(ctx context.Context) error {
	conn, err := s.connect(ctx, s.cfg.Database)
	if err != nil {
		return err
	}
	conn.close()
	return nil
}

func (s *strategy) rehearse(ctx context.Context, b providers.BackupID, t tool) error {
	options := s.optionFile(b)
	if err := s.writeOptionFile(options, t); err != nil {
		return err
	}
	words := &speech{proof: newSignal(), log: s.env.Log}
	nothing := func() providers.Progress { return providers.Progress{} }
	err := database.Watch(ctx, func(providers.Progress) {}, nothing, func(ctx context.Context) error {
		_, err := s.env.Host.Run(ctx, host.Command{
			Name: t.path, Args: s.dumpArgs(t, options, "--no-data"), Env: toolEnv(options),
			Stderr: words, Secrets: s.secrets(),
		})
		return err
	})
	return errors.Join(s.explain(ctx, words.explain(err)), removeIfThere(options))
}

// Capture starts the dump, and returns as soon as its snapshot is proven to be
// taken; a dump inside the lock is waited for.
func (s *strategy) Capture(ctx context.Context, b providers.BackupID) (providers.Artifact, error) {
	if err := ctx.Err(); err != nil {
		return providers.Artifact{}, context.Cause(ctx)
	}
	ready := s.ready()
	if ready == nil {
		if err := s.Prepare(ctx, b); err != nil {
			return providers.Artifact{}, err
		}
		ready = s.ready()
	}
	begun := time.Now()
	d, err := s.start(ctx, b, ready.tool)
	if err != nil {
		return providers.Artifact{}, err
	}
	s.mu.Lock()
	s.running = d
	s.mu.Unlock()
	if err := s.captured(ctx, d); err != nil {
		return providers.Artifact{}, errors.Join(s.explain(ctx, err), s.Close())
	}
	at := time.Now()
	if err := removeIfThere(s.optionFile(b)); err != nil { // the tool has read it
		return providers.Artifact{}, errors.Join(err, s.Close())
	}
	if s.cfg.LockedDump {
		at = begun // nobody wrote since; the tables were locked soon after
	}
	return providers.Artifact{
		Life:    providers.Transient,
		Address: s.env.Address, Strategy: Definition().Name(), PointInTime: at.UTC(),
		Ref: map[string]string{refBackup: string(b)},
	}, nil
}

func (s *strategy) ready() *prepared {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.prepared
}

// captured waits until the dump holds the point in time.
func (s *strategy) captured(ctx context.Context, d *dump) error {
	if s.cfg.LockedDump {
		return s.wait(ctx, d)
	}
	select {
	case <-d.proven:
	case <-d.done:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case <-d.done: // also of a tool that failed right after
		return d.err
	default:
		return nil
	}
}

// Finish waits until the rest of the snapshot is dumped.
func (s *strategy) Finish(ctx context.Context, a providers.Artifact) (providers.Artifact, error) {
	id, err := providers.ParseBackupID(a.Ref[refBackup])
	if err != nil {
		return a, err
	}
	s.mu.Lock()
	d, ready := s.running, s.prepared
	s.mu.Unlock()
	if d == nil || ready == nil || d.id != id {
		return a, problem.New(dumpLost, "this process has not begun the dump of "+string(id), "run the backup again")
	}
	if err := database.RemoveOtherDumps(s.env.WorkDir, id); err != nil {
		return a, err
	}
	if err := s.wait(ctx, d); err != nil {
		return a, errors.Join(s.explain(ctx, err), s.Close(), os.RemoveAll(s.partial(id)))
	}
	if err := s.checkDefinitions(ctx, ready.definitions); err != nil {
		return a, errors.Join(err, s.Close(), os.RemoveAll(s.partial(id)))
	}
	if err := keep(s.partial(id), s.tree(id)); err != nil {
		return a, err
	}
	definers, err1 := json.Marshal(ready.facts.definers)
	views, err2 := json.Marshal(ready.facts.boundViews)
	counts, err3 := json.Marshal(ready.facts.counts)
	ready.facts.account.Login = s.cfg.Username
	account, err4 := json.Marshal(ready.facts.account)
	rights, err5 := json.Marshal(ready.facts.rights)
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return a, err
	}
	a.Life, a.Trees, a.Ref = providers.Staged, providers.OneTree(s.tree(id)), nil
	a.Facts = map[string]string{
		factServerVersion: ready.facts.version.String(), factToolVersion: ready.tool.version.String(),
		factDatabase: s.cfg.Database, factCharset: ready.facts.charset, factCollation: ready.facts.collation,
		factPacket: strconv.FormatInt(ready.facts.packet, 10), factDefiners: string(definers),
		factBoundViews: string(views), factCounts: string(counts),
		factAccount: string(account),
		factRights:  string(rights), factMode: ready.facts.mode,
		factLongest: strconv.FormatInt(d.longest.Load(), 10),
	}
	return a, s.Close()
}

// keep makes a complete dump last, under its own name.
func keep(partial, tree string) error {
	f, err := os.OpenFile(filepath.Join(partial, dumpName), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close(), os.RemoveAll(tree)); err != nil {
		return err
	}
	return os.Rename(partial, tree)
}

// mentions finds a number of the server's in what the tool said: "Error 1412: …"
// or "… (1146)".
func mentions(words string, number int) bool {
	return strings.Contains(words, fmt.Sprintf("Error %d:", number)) || strings.Contains(words, fmt.Sprintf("(%d)", number))
}

// explain makes a problem of a failed dump, unless the run was cancelled.
func (s *strategy) explain(ctx context.Context, err error) error {
	var known *problem.Problem
	if err == nil || ctx.Err() != nil || errors.As(err, &known) {
		return err
	}
	var exit *host.ExitError
	changed := errors.As(err, &exit) && slices.ContainsFunc([]int{errTableChanged, errUnknownTable, errDeadlock},
		func(number int) bool { return mentions(exit.Stderr, number) })
	if changed {
		return problem.Wrapf(err, tableChanged, "run the backup again while no one installs or updates Bitbucket or one of its apps", "database %q", s.cfg.Database)
	}
	return problem.Wrapf(err, dumpFailed, "see the run's log and the server's, then run the backup again", "database %q", s.cfg.Database)
}

// Release stops a dump that still runs.
func (s *strategy) Close() error {
	s.mu.Lock()
	d := s.running
	s.running = nil
	s.mu.Unlock()
	if d != nil {
		d.end()
	}
	return nil
}

// Discard removes the dump of b. The tool ends with the process that started
// it.
func (s *strategy) Discard(_ context.Context, b providers.BackupID) error {
	if _, err := providers.ParseBackupID(string(b)); err != nil {
		return err
	}
	err := s.Close()
	for _, path := range []string{s.optionFile(b), s.partial(b), s.tree(b)} {
		err = errors.Join(err, os.RemoveAll(path))
	}
	return err
}
