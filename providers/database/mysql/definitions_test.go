package mysql

import (
	"context"
	"testing"

	"bkp/providers"
)

// The tool's snapshot holds rows, and no definitions.
func TestChangedDefinitionFailsTheDump(t *testing.T) {
	server := sharedServer(t)
	for name, change := range map[string]string{
		"column dropped":    "ALTER TABLE zz DROP COLUMN w",
		"view replaced":     "CREATE OR REPLACE VIEW seen AS SELECT 2 AS one",
		"trigger dropped":   "DROP TRIGGER trig",
		"procedure dropped": "DROP PROCEDURE proc",
		"event dropped":     "DROP EVENT ev",
		"trigger made":      "CREATE TRIGGER more BEFORE DELETE ON zz FOR EACH ROW SET @a = 1",
	} {
		t.Run(name, func(t *testing.T) {
			run(t, server, "", "CREATE DATABASE defs")
			t.Cleanup(func() { dropDatabase(t, server, "defs") })
			run(t, server, "defs", "CREATE TABLE zz (i INT, w INT)")
			run(t, server, "defs", "CREATE VIEW seen AS SELECT 1 AS one")
			run(t, server, "defs", "CREATE TRIGGER trig BEFORE INSERT ON zz FOR EACH ROW SET NEW.w = 1")
			run(t, server, "defs", "CREATE PROCEDURE proc() SELECT 1")
			run(t, server, "defs", "CREATE EVENT ev ON SCHEDULE EVERY 1 YEAR DO SELECT 1")
			s := newTest(t, server, "defs", nil)
			id := providers.BackupID("prod-20260101T000000Z")
			if err := s.Prepare(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			a, err := s.Capture(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			<-s.running.done
			t.Cleanup(func() { _ = s.Discard(context.Background(), id) })
			run(t, server, "defs", change)
			_, err = s.Finish(t.Context(), a)
			wantProblem(t, err, tableChanged)
		})
	}
}
