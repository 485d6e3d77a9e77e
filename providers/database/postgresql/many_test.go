package postgresql

import (
	"fmt"
	"testing"
	"time"

	"bkp/internal/lab/bed"
)

// TestLongBedThousandsOfTables: what is done under the lock does not grow with
// the tables, the dump gets the locks that it needs, and a TRUNCATE of one of
// them right after the unlock is found.
func TestLongBedThousandsOfTables(t *testing.T) {
	bed.Needed(t)
	server := sharedServer(t)
	capture := func(database string, tables int, change func()) error {
		t.Helper()
		newDatabase(t, server, database)
		for first := 1; first <= tables; first += 500 {
			create := fmt.Sprintf("DO $$ BEGIN FOR n IN %d .. %d LOOP EXECUTE format('CREATE TABLE t%%s AS SELECT generate_series(1, 20) AS n', n); END LOOP; END $$", first, first+499)
			if err := server.Exec(t.Context(), database, create); err != nil {
				t.Fatal(err)
			}
		}
		s := newTest(t, server, database, nil)
		if _, err := s.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Prepare(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		a, err := s.Capture(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		took := time.Since(began)
		change()
		began = time.Now()
		_, err = s.Finish(t.Context(), a)
		t.Logf("%d tables: capture %v, dump %v", tables, took, time.Since(began))
		return err
	}
	for _, tables := range []int{0, 5000} {
		if err := capture(fmt.Sprintf("many%d", tables), tables, func() {}); err != nil {
			t.Errorf("%d tables: %v", tables, err)
		}
	}
	err := capture("truncated", 5000, func() {
		if err := server.Exec(t.Context(), "truncated", "TRUNCATE t4321"); err != nil {
			t.Fatal(err)
		}
	})
	wantProblem(t, err, tablesChanged)
}
