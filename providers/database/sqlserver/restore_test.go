package sqlserver

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bkp/internal/lab/sqlserver"
	"bkp/internal/lab/tds"
	"bkp/internal/secret"
	"bkp/providers"
)

func restorerOf(t *testing.T, o opening, target string) providers.Restorer {
	t.Helper()
	r, err := o.new().Restorer(target)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestAFailedRestoreLeavesNothing: neither a database nor a file, no matter where it fails.
func TestAFailedRestoreLeavesNothing(t *testing.T) {
	for name, fault := range map[string]tds.Fault{
		"the list of files is refused": {At: "FILELISTONLY", Refuse: &tds.Error{Number: 3241, Message: "incorrectly formed"}},
		"cut before the full":          {At: "NORECOVERY", Cut: true},
		"cut after the full":           {At: "NORECOVERY", Lose: true},
		"cut before the differential":  {At: ", RECOVERY", Cut: true},
		"cut after the differential":   {At: ", RECOVERY", Lose: true},
		"cut before the last step":     {At: "MODIFY NAME", Cut: true},
		"the last step is refused":     {At: "MODIFY NAME", Refuse: &tds.Error{Number: 5011, Message: "no permission"}},
		"refused":                      {At: ", RECOVERY", Refuse: &tds.Error{Number: 3136, Message: "correct earlier state"}},
	} {
		t.Run(name, func(t *testing.T) {
			server := newServer(t)
			o := newOpening(t, server, "bitbucket")
			a := complete(t, o.new())
			before := left(t, server)
			server.Disturb(fault)
			if err := restorerOf(t, o, "copy").Restore(t.Context(), a); err == nil {
				t.Fatal("it counts as restored")
			}
			if names := server.Databases(); !slices.Equal(names, []string{"bitbucket"}) {
				t.Errorf("the server has %q", names)
			}
			if names := left(t, server); !slices.Equal(names, before) {
				t.Errorf("left are %q, and before %q", names, before)
			}
			if err := restorerOf(t, o, "copy").Restore(t.Context(), a); err != nil {
				t.Errorf("and once more: %v", err)
			}
		})
	}
}

// TestADatabaseThatIsNotOursStays: one that somebody made meanwhile is not dropped.
func TestADatabaseThatIsNotOursStays(t *testing.T) {
	server := newServer(t)
	o := newOpening(t, server, "bitbucket")
	a := complete(t, o.new())
	held, release := make(chan struct{}), make(chan struct{})
	server.Disturb(tds.Fault{At: "NORECOVERY", Hold: release, Held: held})
	go func() {
		<-held
		server.CreateDatabase("copy")
		close(release)
	}()
	wants(t, restorerOf(t, o, "copy").Restore(t.Context(), a), targetExists)
	if names := server.Databases(); !slices.Equal(names, []string{"bitbucket", "copy"}) {
		t.Errorf("the server has %q", names)
	}
}

// TestADatabaseThatIsRestoringStays: one of the target's name whose restore somebody else began
// at the same moment.
func TestADatabaseThatIsRestoringStays(t *testing.T) {
	server := newServer(t)
	o := newOpening(t, server, "bitbucket")
	a := complete(t, o.new())
	held, release := make(chan struct{}), make(chan struct{})
	server.Disturb(tds.Fault{At: "NORECOVERY", Hold: release, Held: held})
	server.Disturb(tds.Fault{At: ", RECOVERY", Refuse: &tds.Error{Number: 3136, Message: "correct earlier state"}})
	go func() {
		<-held
		server.CreateDatabase("copy")
		server.Change("copy", func(p *sqlserver.Properties) { p.IsRestoring = true })
		close(release)
	}()
	wants(t, restorerOf(t, o, "copy").Restore(t.Context(), a), restoreFailed)
	if names := server.Databases(); !slices.Equal(names, []string{"bitbucket", "copy"}) {
		t.Errorf("the server has %q", names)
	}
}

// TestWhatAKilledRestoreLeft is dropped by the next one, and nothing else is.
func TestWhatAKilledRestoreLeft(t *testing.T) {
	server := newServer(t)
	o := newOpening(t, server, "bitbucket")
	a := complete(t, o.new())
	server.CreateDatabase("bkp-restore-OF-SOMEBODY-ELSE")
	server.CreateDatabase("bkp-restore-KILLED")
	r := &restorer{strategy: o.new()}
	c, err := r.account()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.note(c, "bkp-restore-KILLED"); err != nil {
		t.Fatal(err)
	}
	report, err := restorerOf(t, o, "copy").Check(t.Context(), a)
	if err != nil || report.Failed() || len(report.Findings) != 1 || report.Findings[0].Summary != "a restore was interrupted" {
		t.Errorf("%v %v", err, report.Findings)
	}
	for range 2 {
		server.Drop("copy")
		if err := restorerOf(t, o, "copy").Restore(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		if names := server.Databases(); !slices.Equal(names, []string{"bitbucket", "bkp-restore-OF-SOMEBODY-ELSE", "copy"}) {
			t.Errorf("the server has %q", names)
		}
	}
	if report, err = restorerOf(t, o, "again").Check(t.Context(), a); err != nil || len(report.Findings) > 0 {
		t.Errorf("%v %v", err, report.Findings)
	}
}

// TestTheLastStep: monitoring may look into a database that has just been restored, and the
// answer may be lost.
func TestTheLastStep(t *testing.T) {
	for name, fault := range map[string]tds.Fault{
		"in use":      {At: "MODIFY NAME", Refuse: &tds.Error{Number: errUsed, Message: "could not be exclusively locked"}},
		"answer lost": {At: "MODIFY NAME", Lose: true},
	} {
		t.Run(name, func(t *testing.T) {
			server := newServer(t)
			o := newOpening(t, server, "bitbucket")
			a := complete(t, o.new())
			server.Disturb(fault)
			if err := restorerOf(t, o, "copy").Restore(t.Context(), a); err != nil {
				t.Fatal(err)
			}
			if server.Undisturbed() > 0 {
				t.Error("the fault did not come to pass")
			}
			if names := server.Databases(); !slices.Equal(names, []string{"bitbucket", "copy"}) {
				t.Errorf("the server has %q", names)
			}
		})
	}
}

// TestAnotherServer: users without a login are named, with what to do, and an older server is
// refused.
func TestAnotherServer(t *testing.T) {
	server := newServer(t)
	server.CreateLogin("bit'bucket", "x")
	server.AddUser("bitbucket", "bit'bucket")
	server.Change("bitbucket", func(p *sqlserver.Properties) { p.Snapshots = false })
	a := complete(t, newOpening(t, server, "bitbucket").new())

	newer := newServer(t, func(o *sqlserver.Options) { o.Version = "17.0.100.1" })
	newer.Drop("bitbucket")
	o := newOpening(t, newer, "bitbucket")
	if err := restorerOf(t, o, "").Restore(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"ALTER USER [bit'bucket] WITH LOGIN = [bit'bucket]", "READ_COMMITTED_SNAPSHOT"} {
		if !strings.Contains(o.warnings.String(), want) {
			t.Errorf("%q is not in %s", want, o.warnings)
		}
	}
	if strings.Contains(o.warnings.String(), "ALTER USER [sa]") {
		t.Error("sa has a login")
	}

	older := newServer(t, func(o *sqlserver.Options) { o.Version = "15.0.1.1" })
	older.Drop("bitbucket")
	wants(t, restorerOf(t, newOpening(t, older, "bitbucket"), "").Restore(t.Context(), a), serverOlder)
}

// TestTheServerMayReadWhatItRestores: it is no root, and an archive's files are root's.
func TestTheServerMayReadWhatItRestores(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives files to another account; run the tests as root")
	}
	server := newServer(t)
	o := newOpening(t, server, "bitbucket")
	a := complete(t, o.new())
	for _, part := range []string{fullPart, diffPart} {
		path := filepath.Join(a.Dir(), part)
		if err := os.Chown(path, 0, 0); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := restorerOf(t, o, "copy").Restore(t.Context(), a); err != nil {
		t.Error(err)
	}
}

// TestADamagedBackupIsNotRestored: the server reads checksums.
func TestADamagedBackupIsNotRestored(t *testing.T) {
	server := newServer(t)
	o := newOpening(t, server, "bitbucket")
	a := complete(t, o.new())
	path := filepath.Join(a.Dir(), diffPart)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), "FULL", "FOUL", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	wants(t, restorerOf(t, o, "copy").Restore(t.Context(), a), restoreFailed)
	if slices.Contains(server.Databases(), "copy") {
		t.Error("half of it is there")
	}
}

// TestNoRightToRestore: it is said by the check, with what to grant.
func TestNoRightToRestore(t *testing.T) {
	server := newServer(t)
	server.CreateLogin("weak", "x", rightCreate)
	o := newOpening(t, server, "bitbucket")
	a := complete(t, o.new())
	o.cfg.Username, o.cfg.Password = "weak", secret.New("x")
	wants(t, restorerOf(t, o, "copy").Restore(t.Context(), a), cannotCreate)
}
