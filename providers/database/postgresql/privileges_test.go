package postgresql

import (
	"strings"
	"testing"

	"bkp/internal/problem"
)

// TestTargetOfAnotherOwnerIsRefusedFirst: since PostgreSQL 15 only its owner
// creates tables in public, and the home would be restored before that shows.
func TestTargetOfAnotherOwnerIsRefusedFirst(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "foreign source")
	a := backup(t, newTest(t, server, "foreign source", asOddRole), nil)
	const other = `foreign "target"`
	if err := server.Exec(t.Context(), "postgres", "CREATE DATABASE "+quoteName(other)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dropDatabase(t, server, other) })
	into := newTest(t, server, other, asOddRole)
	r, err := (restorer{strategy: into}).Check(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	var found *problem.Problem
	for i := range r.Findings {
		if f := r.Findings[i]; f.Summary == cannotFill {
			found = &f
		}
	}
	if found == nil || found.Severity == problem.Warning {
		t.Fatalf("findings %v", r.Findings)
	}
	wantProblem(t, (restorer{strategy: into}).Restore(t.Context(), a), cannotFill)

	_, grants, _ := strings.Cut(found.Remedy, "\n\n")
	for _, grant := range strings.Split(grants, ";\n") {
		if err := server.Exec(t.Context(), other, grant); err != nil {
			t.Fatal(err)
		}
	}
	if err := (restorer{strategy: into}).Restore(t.Context(), a); err != nil {
		t.Fatalf("after the remedy: %v", err)
	}
	if got := ask(t, server, other, "SELECT count(*) || '' FROM push"); got != "1000" {
		t.Errorf("restored %s rows", got)
	}
}

func TestDatabaseWithoutEncodingIsRefusedBeforeTheLock(t *testing.T) {
	server := sharedServer(t)
	if err := server.Exec(t.Context(), "postgres", "CREATE DATABASE bytes TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dropDatabase(t, server, "bytes") })
	r, err := newTest(t, server, "bytes", nil).Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Findings {
		if f.Summary == withoutEncoding && f.Severity != problem.Warning {
			return
		}
	}
	t.Errorf("findings %v", r.Findings)
}
