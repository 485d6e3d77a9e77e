package sqlserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"bkp/internal/problem"
	"bkp/providers"
)

// Summaries of what goes wrong with a backup.
const (
	backupFailed   = "backup of the database failed"
	cannotWrite    = "database server cannot write its backup"
	notHere        = "backup of the database is not where it was expected"
	foreignBase    = "somebody else made a full backup of the database meanwhile"
	wrongBackup    = "backup of the database is not what was asked for"
	verifyFailed   = "database server cannot read its backup again"
	refBackup      = "backup"
	runBackupAgain = "run the backup again"
)

// Prepare makes the full backup. Of earlier runs nothing stays in the folder.
func (s *strategy) Prepare(ctx context.Context, b providers.BackupID) error {
	if s.cfg.Method == copyOnly {
		return nil
	}
	if err := s.Close(); err != nil {
		return err
	}
	c, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	if err := s.removeOthers(b); err != nil {
		return err
	}
	full, err := s.backUp(ctx, c, b, fullPart)
	if err != nil {
		return err
	}
	if full.kind != kindFull || full.copyOnly {
		return problem.New(wrongBackup, fmt.Sprintf("msdb calls the full backup %s", full.kind), "report this: bkp does not know this server")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.base, s.of = full.id, b
	return nil
}

// Warm connects for Capture, and looks whether the differential backup will build on
// Prepare's: a foreign one is found before anybody is locked out.
func (s *strategy) Warm(ctx context.Context) error {
	c, err := s.open(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	old, base, b := s.held, s.base, s.of
	s.held = c
	s.mu.Unlock()
	if old != nil {
		old.close()
	}
	if s.cfg.Method == copyOnly || base == "" {
		return nil
	}
	now, err := c.base(ctx)
	if err == nil {
		err = s.arrived(s.written(b, fullPart), 0)
	}
	if err != nil {
		return err
	}
	return sameBase(now, base)
}

func sameBase(now, ours string) error {
	if now == ours {
		return nil
	}
	return problem.New(foreignBase, fmt.Sprintf("a differential backup would build on %q, and not on %q, which this run made", now, ours),
		`run the backup again at another time than the other one, or set method = "copy_only"`)
}

// Capture makes the differential backup, or a copy-only one. Its state is that of its
// end.
func (s *strategy) Capture(ctx context.Context, b providers.BackupID) (providers.Artifact, error) {
	if err := ctx.Err(); err != nil {
		return providers.Artifact{}, context.Cause(ctx)
	}
	base, c, err := s.ready(ctx, b)
	if err != nil {
		return providers.Artifact{}, err
	}
	part := diffPart
	if s.cfg.Method == copyOnly {
		part = fullPart
	}
	done, err := s.backUp(ctx, c, b, part)
	if err != nil {
		return providers.Artifact{}, err
	}
	at := time.Now()
	switch {
	case s.cfg.Method == copyOnly && (done.kind != kindFull || !done.copyOnly), s.cfg.Method == differential && done.kind != kindDifferential:
		return providers.Artifact{}, problem.New(wrongBackup, fmt.Sprintf("msdb calls it %s", done.kind), "report this: bkp does not know this server")
	case s.cfg.Method == differential:
		if err := sameBase(done.base, base); err != nil {
			return providers.Artifact{}, err
		}
	}
	return providers.Artifact{
		Life: providers.Transient, Address: s.env.Address, Strategy: Definition().Name(), PointInTime: at.UTC(),
		Ref: map[string]string{refBackup: string(b)}, Facts: c.facts,
	}, nil
}

// ready returns what Prepare and Warm made, or makes it.
func (s *strategy) ready(ctx context.Context, b providers.BackupID) (base string, c *opened, err error) {
	s.mu.Lock()
	base, c = s.base, s.held
	s.mu.Unlock()
	if s.cfg.Method == differential && (base == "" || s.arrived(s.written(b, fullPart), 0) != nil) {
		if err := s.Prepare(ctx, b); err != nil {
			return "", nil, err
		}
		c = nil
	}
	if c == nil {
		if err := s.Warm(ctx); err != nil {
			return "", nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.base, s.held, nil
}

// opened is a connection with what was asked beforehand, so that nothing is under the lock.
type opened struct {
	*session
	host  server
	facts map[string]string
	// total is the size of the data in bytes.
	total int64
}

func (s *strategy) open(ctx context.Context) (*opened, error) {
	c, err := s.connect(ctx, "")
	if err != nil {
		return nil, err
	}
	o := &opened{session: c}
	if err := s.look(ctx, o); err != nil {
		c.close()
		return nil, err
	}
	return o, nil
}

func (s *strategy) look(ctx context.Context, o *opened) (err error) {
	if _, err = o.number(ctx); err != nil {
		return err
	}
	if o.host, err = o.server(ctx); err != nil {
		return err
	}
	if o.total, err = o.size(ctx); err != nil {
		return err
	}
	p, err := o.properties(ctx, o.account.database)
	o.facts = map[string]string{
		factServer: o.host.name, factDatabase: o.account.database, factVersion: o.host.version, factEdition: o.host.edition, factCollation: p.collation, factRecovery: p.recovery,
		factSnapshots: strconv.FormatBool(p.snapshots), factMethod: s.cfg.Method, factCompressed: strconv.FormatBool(s.compresses(o.host)),
	}
	return err
}

// backUp makes one part, and proves that the server has recorded it and that it lies where
// this machine looks.
func (s *strategy) backUp(ctx context.Context, c *opened, b providers.BackupID, part string) (record, error) {
	file := s.written(b, part)
	if err := s.move(ctx, c.session, movement{statement: s.statement(c, b, part), total: c.total}); err != nil {
		return record{}, s.explain(ctx, err, c.account)
	}
	done, err := c.recorded(ctx, s.cfg.atServer(file))
	if err != nil {
		return record{}, err
	}
	if done.damaged || !done.checksum {
		return record{}, problem.New(wrongBackup, "msdb says that "+file+" is damaged, or has no checksums", "look for damaged pages: DBCC CHECKDB")
	}
	return done, s.arrived(file, done.bytes)
}

// statement is the BACKUP of a part.
func (s *strategy) statement(c *opened, b providers.BackupID, part string) string {
	options := []string{"FORMAT", "INIT", "CHECKSUM", "STATS = 1"}
	switch {
	case s.compresses(c.host):
		options = append(options, "COMPRESSION")
	case c.host.engine != express: // whose servers may compress by default
		options = append(options, "NO_COMPRESSION")
	}
	switch {
	case part == diffPart:
		options = append(options, "DIFFERENTIAL")
	case s.cfg.Method == copyOnly:
		options = append(options, "COPY_ONLY")
	}
	return fmt.Sprintf("BACKUP DATABASE %s TO DISK = %s WITH %s, NAME = %s", name(c.account.database),
		literal(s.cfg.atServer(s.written(b, part))), strings.Join(options, ", "), literal("bkp "+string(b)))
}

// arrived reports whether a file is where this machine looks for it: the two paths of the
// folder may be of different ones.
func (s *strategy) arrived(file string, least int64) error {
	path := filepath.Join(s.cfg.folder(), file)
	info, err := os.Stat(path)
	if err == nil && info.Size() >= least && info.Mode().IsRegular() {
		return nil
	}
	detail := "the server wrote " + s.cfg.atServer(file)
	if err != nil {
		detail += ", and here it is not: " + err.Error()
	} else {
		detail += fmt.Sprintf(" of %d bytes, and %s has %d", least, path, info.Size())
	}
	return problem.New(notHere, detail, "let server_path and path name the same folder, once as the server sees it and once as this machine does")
}

// explain makes a problem of a failed BACKUP, unless the run was cancelled.
func (s *strategy) explain(ctx context.Context, err error, a account) error {
	var known *problem.Problem
	if ctx.Err() != nil || errors.As(err, &known) {
		return err
	}
	detail := fmt.Sprintf("database %q on %s: %s", a.database, a.where(), reason(err))
	switch number(err) {
	case errDevice:
		return problem.New(cannotWrite, detail, "let the account of the SQL Server service write into "+s.cfg.ServerPath+", or name another folder of that server")
	case errNoRight, errNoRights:
		return problem.New(cannotBackUp, detail, fmt.Sprintf("in that database, as an administrator:\n\n    ALTER ROLE db_backupoperator ADD MEMBER %s\n", name(a.username)))
	}
	return problem.New(backupFailed, detail, "see the server's error log, then "+runBackupAgain)
}

// Finish takes the parts into a folder of their own.
func (s *strategy) Finish(ctx context.Context, a providers.Artifact) (providers.Artifact, error) {
	b, err := providers.ParseBackupID(a.Ref[refBackup])
	if err != nil {
		return a, err
	}
	if s.cfg.Verify {
		if err := s.verify(ctx, b); err != nil {
			return a, err
		}
	}
	if err := s.removeOthers(b); err != nil {
		return a, err
	}
	const private = 0o700
	tree := s.tree(b)
	if err := os.MkdirAll(tree, private); err != nil {
		return a, problem.Wrap(err, notHere, "let this user write into the folder of backups")
	}
	for _, part := range s.parts() {
		if err := os.Rename(filepath.Join(s.cfg.folder(), s.written(b, part)), filepath.Join(tree, part)); err != nil {
			return a, problem.Wrap(err, notHere, "let this user move files within the folder of backups, then "+runBackupAgain)
		}
	}
	a.Life, a.Ref, a.Trees = providers.Staged, nil, providers.OneTree(tree)
	return a, s.Close()
}

// parts are those of a backup.
func (s *strategy) parts() []string {
	if s.cfg.Method == copyOnly {
		return []string{fullPart}
	}
	return []string{fullPart, diffPart}
}

// verify lets the server read what it wrote.
func (s *strategy) verify(ctx context.Context, b providers.BackupID) error {
	c, err := s.connect(ctx, master)
	if err != nil {
		return err
	}
	defer c.close()
	for _, part := range s.parts() {
		path := s.cfg.atServer(s.written(b, part))
		if err := s.move(ctx, c, movement{statement: "RESTORE VERIFYONLY FROM DISK = " + literal(path) + " WITH CHECKSUM, STATS = 1"}); err != nil {
			if ctx.Err() != nil {
				return err
			}
			return problem.New(verifyFailed, path+": "+reason(err), "run the backup again; if it says so again, look at the server's disk")
		}
	}
	return nil
}

// Close ends the connection for Capture.
func (s *strategy) Close() error {
	s.mu.Lock()
	c := s.held
	s.held = nil
	s.mu.Unlock()
	if c != nil {
		c.close()
	}
	return nil
}

// Discard removes the files of b. A BACKUP that still runs ends with the connection of the
// process that began it.
func (s *strategy) Discard(_ context.Context, b providers.BackupID) error {
	if _, err := providers.ParseBackupID(string(b)); err != nil {
		return err
	}
	err := errors.Join(s.Close(), os.RemoveAll(s.tree(b)))
	for _, part := range []string{fullPart, diffPart} {
		err = errors.Join(err, os.RemoveAll(filepath.Join(s.cfg.folder(), s.written(b, part))))
	}
	return err
}

// removeOthers frees the space of this component's earlier backups: their homes are gone
// from the working copy by now.
func (s *strategy) removeOthers(keep providers.BackupID) error {
	entries, err := os.ReadDir(s.cfg.folder())
	if err != nil {
		return problem.Wrap(err, folderMissing, "mount the folder "+s.cfg.ServerPath+" of the database server here, or set path to where it is")
	}
	for _, e := range entries {
		rest, ours := strings.CutPrefix(e.Name(), s.prefix())
		if !ours || strings.HasPrefix(rest, string(keep)) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(s.cfg.folder(), e.Name())); err != nil {
			return err
		}
	}
	return nil
}
