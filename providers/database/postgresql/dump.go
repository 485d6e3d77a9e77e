package postgresql

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"time"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/database"
)

// Keys of an artifact's facts.
const (
	factServerVersion = "server_version"
	factDatabase      = "database"
	factEncoding      = "encoding"
	factCollate       = "lc_collate"
	factCtype         = "lc_ctype"
	factRoles         = "roles"
	factOwners        = "owners"
	factSchemas       = "schemas"
	factClientVersion = "pg_dump_version"
	factAdminObjects  = "superuser_objects"
	factProperties    = "properties"
	factExtensions    = "extensions"
	factAccount       = "account"
)

const (
	dumpFailed = "dump of the database failed"
	// factsWithin is how long the server may take to describe a database.
	factsWithin = time.Minute
	// compression of the dump is light: the work folder then holds a fraction
	// of the database, and the jobs are still as quick as the server.
	compression = "1"
)

// Finish dumps the snapshot into the work folder. Once it succeeded, every
// connection of pg_dump has read from the one snapshot: a job that cannot
// take it over fails the whole dump.
func (s *strategy) Finish(ctx context.Context, a providers.Artifact) (providers.Artifact, error) {
	id, err := providers.ParseBackupID(a.Ref[refBackup])
	if err != nil {
		return a, err
	}
	if s.cfg.LockedDump {
		return s.finishLocked(a, id)
	}
	s.mu.Lock()
	held := s.held
	s.mu.Unlock()
	if held == nil || !held.exported {
		return a, s.lost(errors.New("this process holds no snapshot"))
	}
	facts, err := held.facts(ctx)
	var was layout
	if err == nil {
		was, err = readLayout(ctx, held.conn)
	}
	if ctx.Err() != nil {
		return a, context.Cause(ctx)
	}
	if err != nil {
		return a, s.lost(err)
	}
	client, missing := s.dumpTool(ctx, facts.version)
	if missing != nil {
		return a, missing
	}
	if err := database.RemoveOtherDumps(s.env.WorkDir, id); err != nil {
		return a, err
	}
	if err := s.dumpPatiently(ctx, held, client, id, snapshot{name: a.Ref[refSnapshot], tables: was}); err != nil {
		if ctx.Err() == nil && !held.answers(ctx, warmWithin) {
			return a, s.lost(err)
		}
		return a, errors.Join(err, os.RemoveAll(s.partial(id)))
	}
	if err := s.Close(); err != nil {
		return a, err
	}
	return s.artifact(a, id, client, facts)
}

func (h *session) facts(ctx context.Context) (facts, error) {
	ctx, cancel := context.WithTimeout(ctx, factsWithin)
	defer cancel()
	return databaseFacts(ctx, h.conn)
}

// artifact completes a with its tree and the facts of its database.
func (s *strategy) artifact(a providers.Artifact, id providers.BackupID, client tool, facts facts) (providers.Artifact, error) {
	a.Life, a.Trees, a.Ref = providers.Staged, providers.OneTree(s.tree(id)), nil
	a.Facts = map[string]string{
		factServerVersion: facts.version.String(), factClientVersion: client.version.String(),
		factDatabase: s.cfg.Database, factEncoding: facts.encoding,
		factCollate: facts.collate, factCtype: facts.ctype,
	}
	facts.account.Login = s.cfg.Username
	for name, value := range map[string]any{
		factExtensions: facts.extensions, factAccount: facts.account,
		factRoles: facts.roles, factOwners: facts.owners, factSchemas: facts.schemas, factAdminObjects: facts.objects, factProperties: facts.properties,
	} {
		text, err := json.Marshal(value)
		if err != nil {
			return a, err
		}
		a.Facts[name] = string(text)
	}
	return a, nil
}

func (s *strategy) lost(err error) error {
	return problem.Wrapf(err, snapshotLost,
		"the server or the network ended the session before all of the snapshot was read; see the server's log, then run the backup again",
		"database %q on %s", s.cfg.Database, s.cfg.Host)
}

// snapshot is one that a session holds, and what the tables are in it; without a
// name it is none.
type snapshot struct {
	name   string
	tables layout
	// jobs is how many tables are dumped at a time.
	jobs int
}

func (s *strategy) dump(ctx context.Context, client tool, id providers.BackupID, from snapshot) error {
	partial, final := s.partial(id), s.tree(id)
	if err := os.MkdirAll(s.env.WorkDir, 0o700); err != nil {
		return err
	}
	// pg_dump wants to make its folder itself.
	if err := errors.Join(os.RemoveAll(partial), os.RemoveAll(final)); err != nil {
		return err
	}
	size := func() providers.Progress { return sizeOf(partial) }
	err := database.Watch(ctx, s.env.Report, size, func(ctx context.Context) error {
		return s.dumpUnchanged(ctx, client, id, from)
	})
	if err != nil {
		var known *problem.Problem
		if ctx.Err() != nil || errors.As(err, &known) {
			return err
		}
		return problem.Wrapf(err, dumpFailed, "see the run's log", "database %q", s.cfg.Database)
	}
	return os.Rename(partial, final)
}

// dumpUnchanged runs pg_dump, and ends it when the tables are not those of the
// snapshot any more: that is also the better reason when pg_dump fails by it.
func (s *strategy) dumpUnchanged(ctx context.Context, client tool, id providers.BackupID, from snapshot) error {
	folder := s.partial(id)
	toolCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	done, failed := make(chan struct{}), error(nil)
	go func() {
		defer close(done)
		failed = s.runTool(toolCtx, client, s.passfile(id), dumpArgs(folder, from.name, from.jobs))
	}()
	var changed error
	if from.name != "" { // else nobody writes meanwhile
		if changed = s.checkLayout(ctx, from.tables, folder, done); changed != nil {
			cancel()
		}
	}
	<-done
	var known *problem.Problem
	if errors.As(changed, &known) && known.Summary == tablesChanged || failed == nil {
		return changed
	}
	return failed
}

// keepAlive are settings that have no variable; the rest comes from those. The
// first connection of several idles while the others read.
const keepAlive = "keepalives_idle=30 keepalives_interval=10 keepalives_count=6"

func dumpArgs(folder, snapshot string, jobs int) []string {
	args := []string{
		"--format=directory", "--file=" + folder, "--jobs=" + strconv.Itoa(jobs),
		"--compress=" + compression, "--no-password", "--dbname=" + keepAlive,
	}
	if snapshot == "" {
		return args
	}
	return append(args, "--snapshot="+snapshot)
}

// sizeOf adds up what is there at the moment; the folder may be coming or
// going.
func sizeOf(folder string) providers.Progress {
	var p providers.Progress
	entries, _ := os.ReadDir(folder)
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			p.Files++
			p.Bytes += info.Size()
		}
	}
	return p
}

// Restorer implements providers.Strategy. target is a database of the same server.
func (s *strategy) Restorer(target string) (providers.Restorer, error) {
	if target == "" {
		return restorer{strategy: s}, nil
	}
	cfg := s.cfg
	cfg.Database = target
	return restorer{strategy: newStrategy(cfg, s.env)}, nil
}

// restorer restores a dump into the database of its configuration.
type restorer struct {
	providers.BaseRestorer
	*strategy
}
