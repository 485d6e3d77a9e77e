package sqlserver

import (
	"context"
	"fmt"
	"os"

	"github.com/dustin/go-humanize"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/database"
)

// Summaries of what a check finds.
const (
	experimental  = "strategy is experimental"
	hostedServer  = "database server cannot back up to a disk"
	notOnline     = "database is not in use"
	readOnly      = "database is read-only"
	cannotBackUp  = "database login may not back up the database"
	folderMissing = "folder of the server's backups is not on this machine"
	otherChain    = "another backup takes differential backups of the database"
	notCompressed = "database server does not compress backups"
	encrypted     = "database is encrypted"
	wrongCase     = "database does not distinguish large and small letters"
	noSnapshots   = "database has READ_COMMITTED_SNAPSHOT off"
)

// Keys of facts.
const (
	factServer     = "server"
	factDatabase   = "database"
	factVersion    = "server_version"
	factEdition    = "edition"
	factCollation  = "collation"
	factRecovery   = "recovery_model"
	factSnapshots  = "read_committed_snapshot"
	factMethod     = "method"
	factCompressed = "compressed"
)

// Check implements providers.Strategy.
func (s *strategy) Check(ctx context.Context) (providers.Report, error) {
	var r providers.Report
	r.Add(problem.Warn(experimental, "it has been proven against a stand-in for SQL Server, and never against SQL Server itself",
		"restore a backup to another database and look at it, before you rely on any"))
	c, err := s.connect(ctx, "")
	if err != nil {
		return r, database.AddProblem(&r, err)
	}
	defer c.close()
	host, err := c.server(ctx)
	if err != nil {
		return r, err
	}
	props, err := c.properties(ctx, c.account.database)
	if err != nil {
		return r, fmt.Errorf("properties of the database: %w", err)
	}
	if r.Estimate.Bytes, err = c.size(ctx); err != nil {
		return r, fmt.Errorf("size of the database: %w", err)
	}
	r.Estimate.Files = 1
	s.checkServer(host, &r)
	checkProperties(c.account.database, props, &r)
	if err := s.checkRights(ctx, c, &r); err != nil {
		return r, err
	}
	s.checkFolder(&r)
	r.Trees = []string{s.cfg.folder()}
	r.Space = append(r.Space, providers.SpaceNeed{
		Path: s.cfg.folder(), Bytes: r.Estimate.Bytes, For: "backup of " + s.env.Address + ", at most: compressed, it is usually a fraction of the data",
	})
	if !s.compresses(host) {
		r.Space[0].For = "backup of " + s.env.Address
	}
	r.Facts = map[string]string{
		factServer: host.name, factDatabase: c.account.database, factVersion: host.version, factEdition: host.edition,
		factCollation: props.collation, factRecovery: props.recovery,
	}
	r.Does = s.does(c.account, r.Estimate)
	return r, nil
}

// compresses reports whether backups are to be compressed, by a server that can.
func (s *strategy) compresses(host server) bool { return s.cfg.Compression && host.engine != express }

func (s *strategy) checkServer(host server, r *providers.Report) {
	if product, ok := hosted[host.engine]; ok {
		r.Add(problem.New(hostedServer, "it is "+product, `use the backups of the service, and declare database "command" or "none"`))
	}
	if s.cfg.Compression && host.engine == express {
		r.Add(problem.Warn(notCompressed, "it is "+host.edition+", so backups take as much space as the data", "set compression = false, so that this is no surprise"))
	}
}

// checkProperties looks at what a backup needs, and at what Bitbucket does.
func checkProperties(name string, p properties, r *providers.Report) {
	const online = "ONLINE"
	if !p.exists || p.state != online {
		r.Add(problem.New(notOnline, fmt.Sprintf("database %q is %s", name, p.state), "bring it online, or name the server that Bitbucket uses"))
	}
	if p.readOnly {
		r.Add(problem.New(readOnly, fmt.Sprintf("database %q", name), "name the database that Bitbucket writes to"))
	}
	if p.encrypted {
		r.Add(problem.Warn(encrypted, fmt.Sprintf("database %q has transparent data encryption, and so have its backups", name),
			"keep the certificate and its private key elsewhere: without them no other server restores the backup:\n\n    BACKUP CERTIFICATE name TO FILE = … WITH PRIVATE KEY (…)\n"))
	}
	for _, p := range wantedByBitbucket(name, p) {
		r.Add(p)
	}
}

// checkVerify looks for the right that RESTORE VERIFYONLY needs.
func checkVerify(ctx context.Context, c *session, r *providers.Report) error {
	may, err := c.mayCreate(ctx)
	if err != nil {
		return fmt.Errorf("rights of the login: %w", err)
	}
	if !may {
		r.Add(c.lacksCreate())
	}
	return nil
}

// checkRights looks whether the login may do all that a run does, and who else backs up.
func (s *strategy) checkRights(ctx context.Context, c *session, r *providers.Report) error {
	may, err := c.mayBackUp(ctx, c.account.database)
	if err != nil {
		return fmt.Errorf("rights of the login: %w", err)
	}
	if !may {
		r.Add(problem.New(cannotBackUp, fmt.Sprintf("login %q lacks BACKUP DATABASE on %q", c.account.username, c.account.database),
			fmt.Sprintf("in that database, as an administrator:\n\n    ALTER ROLE db_backupoperator ADD MEMBER %s\n", name(c.account.username))))
	}
	if s.cfg.Verify {
		if err := checkVerify(ctx, c, r); err != nil {
			return err
		}
	}
	if s.cfg.Method == copyOnly {
		r.Add(database.WarnLocked(r.Estimate, "method copy_only makes the whole backup there", `set method = "differential", if nobody else takes differential backups`))
		return nil
	}
	n, err := c.others(ctx, c.account.database)
	if err != nil {
		return fmt.Errorf("history of backups: %w", err)
	}
	if n > 0 {
		r.Add(problem.Warn(otherChain, fmt.Sprintf("msdb has %d of %q within two weeks; they build on the newest full backup, which will be one of bkp", n, c.account.database),
			`set method = "copy_only", which leaves them alone but makes the lock window longer, or stop the other backup`))
	}
	return nil
}

func (s *strategy) checkFolder(r *providers.Report) {
	info, err := os.Stat(s.cfg.folder())
	if err == nil && info.IsDir() {
		return
	}
	detail := s.cfg.folder() + " is no folder"
	if err != nil {
		detail = err.Error()
	}
	r.Add(problem.New(folderMissing, detail, "mount the folder "+s.cfg.ServerPath+" of the database server here, set path to where it is, or run the strategy on that server: on = connection.…"))
}

func (s *strategy) does(a account, e providers.Estimate) map[providers.Verb]string {
	if s.cfg.Method == copyOnly {
		return map[providers.Verb]string{
			providers.Capture: database.LockedCapture(e, a.database, "BACKUP DATABASE"),
			providers.Finish:  "take the backup from " + s.cfg.folder(),
		}
	}
	return map[providers.Verb]string{
		providers.Prepare: fmt.Sprintf("back up database %q on %s, about %s, into %s", a.database, a.where(), humanize.Bytes(uint64(e.Bytes)), s.cfg.ServerPath),
		providers.Capture: fmt.Sprintf("back up what changed in database %q since then", a.database),
		providers.Finish:  "take the backups from " + s.cfg.folder(),
	}
}
