package sqlserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/database"
)

// Summaries of what keeps a restore from working.
const (
	restoreFailed = "restore of the database failed"
	targetExists  = "target database exists"
	cannotCreate  = "database login may not create databases"
	serverOlder   = "target server is older than the one that was backed up"
	cannotRead    = "database server cannot read the backup"
	halfRestored  = "target database is only partly restored"
	orphanedUsers = "users of the database have no login on this server"
)

// restorer restores into the database of its configuration.
type restorer struct {
	*strategy
}

// Stage implements providers.Restorer: beside the folder's other files, so that they need not
// be copied.
func (r *restorer) Stage(b providers.BackupID) string {
	return filepath.Join(r.cfg.folder(), providers.RestorePrefix+strings.TrimPrefix(r.prefix(), "bkp-")+string(b))
}

// Leavings implements providers.Restorer.
func (r *restorer) Leavings(providers.Artifact) []string {
	return []string{r.lent(fullPart), r.lent(diffPart)}
}

// lent is where the server reads a part.
func (r *restorer) lent(part string) string {
	return filepath.Join(r.cfg.folder(), providers.RestorePrefix+strings.TrimPrefix(r.prefix(), "bkp-")+part)
}

// Check implements providers.Restorer.
func (r *restorer) Check(ctx context.Context, a providers.Artifact) (providers.Report, error) {
	var report providers.Report
	c, err := r.connect(ctx, master)
	if err != nil {
		return report, database.AddProblem(&report, err)
	}
	defer c.close()
	host, err := c.server(ctx)
	if err != nil {
		return report, err
	}
	if err := r.refuse(ctx, c, host, a); err != nil {
		if err := database.AddProblem(&report, err); err != nil {
			return report, err
		}
	}
	r.checkFolder(&report)
	r.checkLeft(&report)
	report.Facts = map[string]string{factDatabase: c.account.database, factVersion: host.version}
	report.Does = map[providers.Verb]string{providers.Restore: fmt.Sprintf("create and restore database %q on %s", c.account.database, c.account.where())}
	return report, nil
}

// refuse returns the problem of a target that must not, or cannot, be restored to.
func (r *restorer) refuse(ctx context.Context, c *session, host server, a providers.Artifact) error {
	p, err := c.properties(ctx, c.account.database)
	if err != nil {
		return err
	}
	if p.exists {
		return problem.New(targetExists, fmt.Sprintf("database %q on %s is %s", c.account.database, c.account.where(), p.state),
			"restore to another database with --database, or drop this one first if nobody needs it:\n\n    DROP DATABASE "+name(c.account.database)+"\n")
	}
	if was := a.Facts[factVersion]; major(was) > major(host.version) {
		return problem.New(serverOlder, fmt.Sprintf("it is %s, the backup is of %s", host.version, was), "restore to a server of the same version or a newer one")
	}
	may, err := c.mayCreate(ctx)
	if err != nil || may {
		return err
	}
	return c.lacksCreate()
}

func (c *session) lacksCreate() *problem.Problem {
	return problem.New(cannotCreate, fmt.Sprintf("login %q on %s", c.account.username, c.account.where()),
		fmt.Sprintf("as an administrator:\n\n    ALTER SERVER ROLE dbcreator ADD MEMBER %s\n", name(c.account.username)))
}

// Restore implements providers.Restorer. A database that it made is dropped again when
// it fails.
func (r *restorer) Restore(ctx context.Context, a providers.Artifact) (err error) {
	parts, err := partsOf(a)
	if err != nil {
		return err
	}
	c, err := r.connect(ctx, master)
	if err != nil {
		return err
	}
	defer c.close()
	host, err := c.server(ctx)
	if err != nil {
		return err
	}
	if err := r.refuse(ctx, c, host, a); err != nil {
		return err
	}
	if err := r.sweep(ctx, c); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.takeBack()) }()
	for _, part := range parts {
		if err := r.lend(ctx, filepath.Join(a.Dir(), part), r.lent(part)); err != nil {
			return err
		}
	}
	if err := r.refuse(ctx, c, host, a); err != nil { // copying may have taken an hour
		return err
	}
	m := made{name: workingName()}
	if err := r.note(c.account, m.name); err != nil {
		return err
	}
	if err = r.load(ctx, c, host, parts, &m); err == nil {
		err = r.place(ctx, c, &m)
	}
	if err == nil {
		r.lookAfter(ctx, c)
		return r.forget()
	}
	undone := r.undo(ctx, m)
	if undone != nil {
		undone = problem.Wrapf(undone, halfRestored, "drop it; otherwise the next restore does so", "database %q on %s", m.name, c.account.where())
	}
	return errors.Join(r.explainRestore(ctx, err, c.account), undone)
}

// partsOf are the parts that a backup has, in the order of their restore.
func partsOf(a providers.Artifact) ([]string, error) {
	if a.Dir() == "" {
		return nil, problem.New("no backup to restore", "it lies in no folder", "fetch the backup again, or verify it")
	}
	if err := database.CheckDump(a.Dir()); err != nil {
		return nil, err
	}
	parts := []string{fullPart}
	if a.Facts[factMethod] != copyOnly {
		parts = append(parts, diffPart)
	}
	for _, part := range parts {
		if _, err := os.Stat(filepath.Join(a.Dir(), part)); err != nil {
			return nil, problem.Wrap(err, "no backup to restore", "fetch the backup again, or verify it")
		}
	}
	return parts, nil
}

// made is the database of a restore.
type made struct {
	// name that it has until it is whole: nobody else's can have it.
	name string
	// id is the server's number of it, once it is whole; "" before.
	id string
}

// load restores the parts into a database of the name of m.
func (r *restorer) load(ctx context.Context, c *session, host server, parts []string, m *made) error {
	full := r.cfg.atServer(filepath.Base(r.lent(fullPart)))
	files, err := c.files(ctx, full)
	if err != nil {
		return err
	}
	for i, part := range parts {
		options := []string{"CHECKSUM", "STATS = 1", "NORECOVERY"}
		if i == len(parts)-1 {
			options[2] = "RECOVERY"
		}
		if part == fullPart {
			options = append(options, r.moves(c.account.database, host, files)...)
		}
		info, err := os.Stat(r.lent(part))
		if err != nil {
			return err
		}
		statement := fmt.Sprintf("RESTORE DATABASE %s FROM DISK = %s WITH %s", name(m.name),
			literal(r.cfg.atServer(filepath.Base(r.lent(part)))), strings.Join(options, ", "))
		if err := r.move(ctx, c, movement{statement: statement, total: info.Size(), patient: true}); err != nil {
			return err
		}
	}
	p, err := c.properties(ctx, m.name)
	if err == nil && p.state != "ONLINE" {
		err = problem.New(restoreFailed, fmt.Sprintf("database %q is %s and not ONLINE", m.name, p.state), "see the server's error log")
	}
	m.id = p.id
	return err
}

// moves are the options that give the files of the database new places: those of the
// original may be in use, or on no disk of this server.
func (r *restorer) moves(database string, host server, files []file) []string {
	folder, log := host.dataFolder, host.logFolder
	if r.cfg.Restore.DataFolder != "" {
		folder = r.cfg.Restore.DataFolder
	}
	if r.cfg.Restore.LogFolder != "" {
		log = r.cfg.Restore.LogFolder
	}
	base := strings.Map(func(c rune) rune {
		if strings.ContainsRune(`/\:*?"<>|`, c) {
			return '_'
		}
		return c
	}, database)
	var out []string
	for i, f := range files {
		to := joined(folder, fmt.Sprintf("%s_%d.ndf", base, i))
		switch {
		case i == 0:
			to = joined(folder, base+".mdf")
		case f.kind == "L":
			to = joined(log, fmt.Sprintf("%s_%d.ldf", base, i))
		}
		out = append(out, fmt.Sprintf("MOVE %s TO %s", literal(f.logical), literal(to)))
	}
	return out
}

func (r *restorer) explainRestore(ctx context.Context, err error, a account) error {
	var known *problem.Problem
	if ctx.Err() != nil || errors.As(err, &known) {
		return err
	}
	detail := fmt.Sprintf("database %q on %s: %s", a.database, a.where(), reason(err))
	if number(err) == errDevice {
		return problem.New(cannotRead, detail, "let the account of the SQL Server service read files in "+r.cfg.ServerPath+": run bkp as root, or make the folder's files its own")
	}
	return problem.New(restoreFailed, detail, "see the server's error log, then restore again")
}

// lookAfter warns of what a restored database lacks for Bitbucket.
func (r *restorer) lookAfter(ctx context.Context, c *session) {
	orphans, err := c.orphans(ctx, c.account.database)
	var p properties
	if err == nil {
		p, err = c.properties(ctx, c.account.database)
	}
	if err != nil {
		if ctx.Err() == nil {
			r.env.Warning("the database is restored, and whether its users have logins is unknown: " + reason(err))
		}
		return
	}
	left := wantedByBitbucket(c.account.database, p)
	if len(orphans) > 0 {
		left = append(left, r.orphaned(c.account.database, orphans))
	}
	for _, l := range left {
		r.env.Warning(l.Error() + "; " + l.Remedy)
	}
}

// orphaned is the warning of users without a login, with what gives them one.
func (r *restorer) orphaned(databaseName string, users []string) *problem.Problem {
	text := "create the login if it is missing, and join the user to it, as an administrator:\n\n    USE " + name(databaseName) + "\n"
	for _, u := range users {
		text += fmt.Sprintf("    ALTER USER %s WITH LOGIN = %s\n", name(u), name(u))
	}
	return problem.Warn(orphanedUsers, database.List(users), text)
}
