package main

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"bkp/internal/lab/sqlserver"
	"bkp/internal/lab/tds"
)

// TestScriptsOfSQLServer backs up a database of a stand-in in this process. `sqlserver` starts
// it, as another account than root on its disk, and sets SQL_URL, SQL_COPY_URL, SQL_PORT,
// SQL_PASSWORD, SQL_BACKUP and SQL_BACKUP_SERVER, the folder of backups as this machine and as the
// server sees it. `login NAME RIGHT…` makes a login without rights, with the
// same password. `fault WORDS cut|lose|hold|NUMBER [SKIP]` disturbs a statement. `lies N`
// counts what is in the folder of backups, and `databases NAMES` compares what the server has.
// `foreign` makes a full backup as somebody else does.
func TestScriptsOfSQLServer(t *testing.T) {
	p := scripts("../../testdata/script/sqlserver")
	var all sync.Map // by port: scripts run at the same time
	of := func(ts *testscript.TestScript) *sqlserver.Server {
		s, _ := all.Load(ts.Getenv("SQL_PORT"))
		return s.(*sqlserver.Server)
	}
	p.Cmds["sqlserver"] = func(ts *testscript.TestScript, _ bool, _ []string) {
		o := sqlserver.Options{Dir: ts.MkAbs("sql")}
		if os.Geteuid() == 0 {
			o.Account = 12345
		}
		s, err := sqlserver.Start(o)
		ts.Check(err)
		ts.Defer(func() { ts.Check(s.Close()) })
		s.CreateDatabase("bitbucket")
		s.AddUser("bitbucket", "sa")
		port := strconv.Itoa(s.Port())
		all.Store(port, s)
		for name, value := range map[string]string{
			"SQL_PORT": port, "SQL_URL": s.URL("bitbucket"), "SQL_COPY_URL": s.URL("copy"), "SQL_PASSWORD": s.Password(),
			"SQL_BACKUP": s.Disk(sqlserver.BackupFolder), "SQL_BACKUP_SERVER": sqlserver.BackupFolder,
		} {
			ts.Setenv(name, value)
		}
	}
	p.Cmds["login"] = func(ts *testscript.TestScript, _ bool, args []string) {
		s := of(ts)
		s.CreateLogin(args[0], s.Password(), args[1:]...)
	}
	p.Cmds["fault"] = func(ts *testscript.TestScript, _ bool, args []string) {
		f := tds.Fault{At: args[0]}
		switch args[1] {
		case "cut":
			f.Cut = true
		case "lose":
			f.Lose = true
		case "hold":
			f.Hold = make(chan struct{})
		default:
			n, err := strconv.ParseInt(args[1], 10, 32)
			ts.Check(err)
			f.Refuse = &tds.Error{Number: int32(n), Message: "The stand-in refuses."}
		}
		if len(args) > 2 {
			n, err := strconv.Atoi(args[2])
			ts.Check(err)
			f.Skip = n
		}
		of(ts).Disturb(f)
	}
	p.Cmds["lies"] = func(ts *testscript.TestScript, _ bool, args []string) {
		entries, err := os.ReadDir(ts.Getenv("SQL_BACKUP"))
		ts.Check(err)
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		if strconv.Itoa(len(names)) != args[0] {
			ts.Fatalf("the folder of backups has %q", names)
		}
	}
	p.Cmds["databases"] = func(ts *testscript.TestScript, _ bool, args []string) {
		if have := of(ts).Databases(); strings.Join(have, " ") != strings.Join(args, " ") {
			ts.Fatalf("the server has %q", have)
		}
	}
	// foreign makes a full backup as somebody else does.
	p.Cmds["foreign"] = func(ts *testscript.TestScript, _ bool, _ []string) { ts.Check(of(ts).BackUp("bitbucket", "theirs")) }
	testscript.Run(t, p)
}
