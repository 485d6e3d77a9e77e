package mysql

import (
	"context"
	"fmt"
	"strings"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/database"
)

// Summaries of what a check finds.
const (
	unreadable      = "database account cannot read everything"
	onReplica       = "database server is read-only"
	outsideSnapshot = "tables not covered by a snapshot"
	targetNotEmpty  = "target database is not empty"
	cannotCreate    = "target database cannot be created"
	serverOlder     = "target server is older than the one that was backed up"
	serverOther     = "target server is of another kind than the one that was backed up"
	packetSmaller   = "target server takes smaller packets than the one that was backed up"
	packetTooSmall  = "target server takes no statement as long as the longest of the backup"
)

// Check implements providers.Strategy.
func (s *strategy) Check(ctx context.Context) (providers.Report, error) {
	var r providers.Report
	conn, err := s.connect(ctx, s.cfg.Database)
	if err != nil {
		return r, database.AddProblem(&r, err)
	}
	defer conn.close()
	f, err := conn.facts(ctx, s.cfg.Database)
	if err != nil {
		return r, err
	}
	t, finding := s.findTool(ctx, dumping(), f.version)
	if finding != nil {
		r.Add(finding)
	}
	if f.readOnly {
		r.Add(problem.New(onReplica, s.where()+" has read_only set",
			"name the server that Bitbucket writes to: a replica may lag behind, and would not hold the instant of the lock"))
	}
	if r.Estimate.Bytes, err = conn.size(ctx, s.cfg.Database, f.version); err != nil {
		return r, fmt.Errorf("size of the database: %w", err)
	}
	r.Estimate.Files = 1
	if err := s.checkGrants(ctx, conn, f.version, &r); err != nil {
		return r, err
	}
	if err := s.checkDefiners(ctx, conn, f, &r); err != nil {
		return r, err
	}
	if err := s.checkTables(ctx, conn, &r); err != nil {
		return r, err
	}
	if err := s.checkRows(ctx, conn, f, &r); err != nil {
		return r, err
	}
	s.checkLogIn(ctx, conn, t, f.version, &r)
	r.Space = append(r.Space, providers.SpaceNeed{
		Path: s.env.WorkDir, Bytes: r.Estimate.Bytes,
		For: "dump of " + s.env.Address + ", at most: compressed, it is usually a fraction of the tables' size",
	})
	r.Facts = map[string]string{"server": f.server, factDatabase: s.cfg.Database, factServerVersion: f.version.String()}
	r.Does = s.does(t, r.Estimate)
	return r, nil
}

// checkLogIn logs in with the dump tool, unless something else is wrong already:
// what the driver can connect to, the tool may not.
func (s *strategy) checkLogIn(ctx context.Context, conn *session, t tool, server version, r *providers.Report) {
	if r.Failed() {
		return
	}
	err := s.logIn(ctx, t)
	switch {
	case err == nil || ctx.Err() != nil:
	case strings.Contains(err.Error(), "insufficient privileges to SHOW CREATE"):
		r.Add(problem.Wrap(err, unreadable, "as the server's administrator, so that it may read routines of other accounts:\n\n    "+s.routineGrant(ctx, conn, server)+"\n"))
	default:
		r.Add(problem.Wrap(err, toolRefused, "run it by hand with the settings of the database block; bkp gives it no option files and no MYSQL variables"))
	}
}

// routineGrant lets the account read routines that belong to others.
func (s *strategy) routineGrant(ctx context.Context, conn *session, server version) string {
	account := []string{s.cfg.Username + "@%"}
	if found, err := conn.names(ctx, `SELECT CURRENT_USER()`); err == nil {
		account = found
	}
	to := " TO " + quoteAccount(account[0])
	switch {
	case server.kind == kindMySQL:
		return "GRANT SHOW_ROUTINE ON *.*" + to
	case server.series() >= 11003:
		return "GRANT SHOW CREATE ROUTINE ON " + quoteName(s.cfg.Database) + ".*" + to
	default:
		return "GRANT SELECT ON `mysql`.`proc`" + to
	}
}

func (s *strategy) does(t tool, e providers.Estimate) map[providers.Verb]string {
	prepare := fmt.Sprintf("connect to database %q on %s, and rehearse the dump without rows", s.cfg.Database, s.where())
	if s.cfg.LockedDump {
		return map[providers.Verb]string{
			providers.Prepare: prepare,
			providers.Capture: database.LockedCapture(e, s.cfg.Database, t.String()),
			providers.Finish:  "keep the dump",
		}
	}
	return map[providers.Verb]string{
		providers.Prepare: prepare,
		providers.Capture: fmt.Sprintf("start %s on database %q, and wait for its snapshot", t, s.cfg.Database),
		providers.Finish:  "wait until the snapshot is dumped",
	}
}

// checkGrants wants privileges for the database as a whole: what an account
// may not see, the server does not even name, and the tool leaves it out.
func (s *strategy) checkGrants(ctx context.Context, conn *session, v version, r *providers.Report) error {
	held, err := conn.privileges(ctx, s.cfg.Database, v)
	if err != nil {
		return fmt.Errorf("privileges of the account: %w", err)
	}
	wanted := []string{"SELECT", "SHOW VIEW", "TRIGGER", "EVENT"}
	if s.cfg.LockedDump {
		wanted = append(wanted, "LOCK TABLES")
	}
	missing := held.missing(wanted...)
	if len(missing) == 0 {
		return nil
	}
	var account string
	if err := conn.conn.QueryRowContext(ctx, `SELECT CURRENT_USER()`).Scan(&account); err != nil {
		return err
	}
	r.Add(problem.New(unreadable, fmt.Sprintf("account %q lacks %s on database %q", account, strings.Join(missing, ", "), s.cfg.Database),
		fmt.Sprintf("as the server's administrator:\n\n    GRANT %s ON %s TO %s\n", strings.Join(missing, ", "),
			wholeDatabase(s.cfg.Database), quoteAccount(account))))
	return nil
}

// quoteAccount writes what CURRENT_USER() returns for SQL.
func quoteAccount(account string) string {
	at := strings.LastIndexByte(account, '@')
	if at < 0 {
		return quoteName(account)
	}
	return quoteName(account[:at]) + "@" + quoteName(account[at+1:])
}

// checkTables looks for tables that a dump after the unlock would get wrong.
func (s *strategy) checkTables(ctx context.Context, conn *session, r *providers.Report) error {
	outside, err := conn.names(ctx, outsideSnapshotQuery, s.cfg.Database)
	if err != nil {
		return fmt.Errorf("engines of the tables: %w", err)
	}
	switch {
	case len(outside) > 0 && !s.cfg.LockedDump:
		r.Add(problem.New(outsideSnapshot, fmt.Sprintf("%s in database %q", database.List(outside), s.cfg.Database),
			"convert each to InnoDB:\n\n    ALTER TABLE name ENGINE=InnoDB\n\n"+
				"or set locked_dump = true: the whole database is then dumped inside the lock, which grows with it"))
	case len(outside) > 0:
		r.Add(database.WarnLocked(r.Estimate, "no snapshot covers "+database.List(outside), "convert these tables to InnoDB, and remove locked_dump"))
	case s.cfg.LockedDump:
		r.Add(database.WarnLocked(r.Estimate, "", ""))
	}
	return nil
}
