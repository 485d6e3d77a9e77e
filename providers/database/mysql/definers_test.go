package mysql

import (
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"bkp/internal/secret"
)

// An account of the database alone may create nothing in another's name.
func TestForeignDefinersAreRestoredInTheOwnName(t *testing.T) {
	server := sharedServer(t)
	run(t, server, "", "CREATE USER dba@'%'; CREATE USER limited@'%' IDENTIFIED BY 'x'; GRANT ALL ON `reports%`.* TO limited@'%'; GRANT ALL ON `reports%`.* TO dba@'%'")
	run(t, server, "", "CREATE DATABASE reports")
	t.Cleanup(func() { dropDatabase(t, server, "reports") })
	const data = "\nDELIMITER ;;\nCREATE DEFINER=`a`@`b` PROCEDURE /*!50013 DEFINER=`a`@`b` SQL"
	run(t, server, "reports", "CREATE TABLE t (i INT, v TEXT)")
	run(t, server, "reports", "INSERT INTO t VALUES (1, "+quoteText(data)+")")
	tricky := "BEGIN /* it's; */ SELECT 'it''s \\' ;;\nCREATE DEFINER=`a`@`b` FUNCTION x;;\nCREATE DEFINER=`a`@`b` PROCEDURE ', \";;\nDELIMITER ;\nCREATE DEFINER=`a`@`b` y\"; END"
	for _, statement := range []string{
		"VIEW v AS SELECT i FROM t", "TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.i = NEW.i",
		"PROCEDURE p() SELECT '\nCREATE DEFINER=`a`@`b` PROCEDURE '", "PROCEDURE q() " + tricky, "FUNCTION f() RETURNS int DETERMINISTIC RETURN 1",
		"EVENT e ON SCHEDULE EVERY 1 YEAR DO SET @x = 1",
	} {
		run(t, server, "reports", "CREATE DEFINER=dba@'%' "+statement)
	}
	run(t, server, "reports", "SET sql_mode = 'NO_BACKSLASH_ESCAPES'; CREATE DEFINER=dba@'%' PROCEDURE bare() SELECT '\\', ';;\nCREATE DEFINER=`a`@`b` PROCEDURE '")
	a := backup(t, newTest(t, server, "reports", nil))
	limited := func(c *Config) { c.Username, c.Password = "limited", secret.New("x") }
	s := newTest(t, server, "reports", limited)
	r, err := s.Check(t.Context())
	if f := finding(r, foreignDefiners); err != nil || f == nil || !strings.Contains(f.Detail, "view v (dba@%)") {
		t.Errorf("check: %v %v", r.Findings, err)
	}
	target := newTest(t, server, "reports2", limited)
	t.Cleanup(func() { dropDatabase(t, server, "reports2") })
	var warned []string
	target.env.Warn = func(message string) { warned = append(warned, message) }
	if err := (restorer{strategy: target}).Restore(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, server, "reports2", "SELECT v FROM t"); got != data {
		t.Errorf("row: %q", got)
	}
	for _, name := range []string{"p", "q", "bare"} {
		same := "SELECT COUNT(DISTINCT routine_definition) FROM information_schema.routines WHERE routine_schema IN ('reports', 'reports2') AND routine_name = '" + name + "'"
		if got := ask(t, server, "", same); got != "1" {
			t.Errorf("the text of procedure %s was changed", name)
		}
	}
	query := "SELECT GROUP_CONCAT(definer) FROM (" + strings.NewReplacer("?", "'reports2'").Replace(definersQuery) + ") d"
	if got := ask(t, server, "", query); got != strings.TrimSuffix(strings.Repeat("limited@%,", 7), ",") {
		t.Errorf("definers: %s", got)
	}
	if len(warned) != 2 || !strings.Contains(warned[0], "trigger tr (dba@%)") || !strings.Contains(warned[1], rightsMissing) {
		t.Errorf("warned: %q", warned)
	}
}

// The server writes a view whose definer does not exist with the database's
// name, so that it fits no other.
func TestMissingDefinerIsFoundBeforeTheRestore(t *testing.T) {
	server := sharedServer(t)
	run(t, server, "", "CREATE USER gone@'%'; CREATE ROLE rests; CREATE DATABASE audit")
	t.Cleanup(func() { dropDatabase(t, server, "audit") })
	run(t, server, "audit", "CREATE TABLE t (i INT)")
	run(t, server, "audit", "CREATE DEFINER=gone@'%' VIEW v AS SELECT i FROM t")
	run(t, server, "audit", "CREATE VIEW harmless AS SELECT '`audit`.' FROM t")
	run(t, server, "audit", "CREATE DEFINER=rests PROCEDURE p() SELECT 1")
	run(t, server, "", "DROP USER gone@'%'")
	s := newTest(t, server, "audit", nil)
	r, err := s.Check(t.Context())
	var found []string
	for _, f := range r.Findings {
		found = append(found, f.Summary+": "+f.Detail)
	}
	if want := []string{missingDefiners + ": view v (gone@%)", boundViews + `: view v in database "audit"`}; err != nil || !slices.Equal(found, want) {
		t.Errorf("check: %q %v", found, err)
	}
	a := backup(t, s)
	other, err := s.Restorer("audit2")
	if err != nil {
		t.Fatal(err)
	}
	r, err = other.Check(t.Context(), a)
	if err != nil || len(r.Findings) != 1 || r.Findings[0].Summary != boundViews {
		t.Errorf("check of the restore: %v %v", r.Findings, err)
	}
	wantProblem(t, other.Restore(t.Context(), a), boundViews)
	dropDatabase(t, server, "audit")
	if err := (restorer{strategy: s}).Restore(t.Context(), a); err != nil {
		t.Errorf("under its own name: %v", err)
	}
}

func TestDefinersAreTakenOutOfAnyPieces(t *testing.T) {
	const clause = "DEFINER=`a``b`@`%` "
	long := "INSERT INTO `t` VALUES ('" + strings.Repeat("x", 200<<10) + "/*!50013 DEFINER=`a`@`b` */');\n"
	for name, text := range map[string]string{
		"routine":           "DELIMITER ;;\n/*!50003 SET a */ ;;\nCREATE CLAUSEFUNCTION `f`()\nCREATE DEFINER=`a`@`b` x\n;;\nDELIMITER ;\n",
		"or replace":        "DELIMITER ;;\nCREATE OR REPLACE CLAUSEPROCEDURE p() x ;;\n",
		"trigger":           "DELIMITER ;;\n/*!50003 CREATE*/ /*!50017 CLAUSE*/ /*!50003 TRIGGER t */ ;;\n",
		"view":              "/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013 CLAUSESQL SECURITY DEFINER */\n/*!50001 VIEW `v` AS select 'CREATE DEFINER=`a`@`b`' */;\n",
		"string":            "DELIMITER ;;\nCREATE CLAUSEPROCEDURE p() SELECT ';;\nCREATE DEFINER=`a`@`b` FUNCTION' ;;\n",
		"doubled quote":     "DELIMITER ;;\nCREATE CLAUSEPROCEDURE p() SELECT 'it''s ;;\nCREATE DEFINER=`a`@`b` FUNCTION' ;;\n",
		"escaped quote":     "DELIMITER ;;\nCREATE CLAUSEPROCEDURE p() SELECT 'it\\'s ;;\nCREATE DEFINER=`a`@`b` FUNCTION' ;;\n",
		"quoted identifier": "DELIMITER ;;\nCREATE CLAUSEPROCEDURE p() SELECT 1 AS `\\`, \";;\nCREATE DEFINER=`a`@`b` FUNCTION\" ;;\n",
		"line comment":      "DELIMITER ;;\nCREATE CLAUSEPROCEDURE p() SELECT 1 -- it's\n + 2 # it's\n, ';;\nCREATE DEFINER=`a`@`b` FUNCTION' ;;\n",
		"minus":             "DELIMITER ;;\nCREATE CLAUSEPROCEDURE p() SELECT 1--1;;\nCREATE CLAUSEFUNCTION g() ;;\n",
		"comment":           "DELIMITER ;;\nCREATE CLAUSEPROCEDURE p() SELECT 1 /* it's ;;\nCREATE DEFINER=`a`@`b` FUNCTION */ ;;\nCREATE CLAUSEFUNCTION ;;\n",
		"comment before":    "-- it's\n/* it's; CREATE DEFINER=`a`@`b` x */\n# it's\n\nDELIMITER ;;\nCREATE CLAUSEFUNCTION f() ;;\n",
		"no escapes": "DELIMITER ;;\n/*!50003 SET sql_mode              = 'ANSI,NO_BACKSLASH_ESCAPES' */ ;;\nCREATE CLAUSEFUNCTION f() RETURN '\\' ;;\n" +
			"/*!50003 SET sql_mode              = @saved_sql_mode */ ;;\nCREATE CLAUSEFUNCTION f() RETURN '\\';;\nCREATE DEFINER=`a`@`b` FUNCTION' ;;\n",
		"other delimiter": "DELIMITER $$\nCREATE CLAUSEFUNCTION f() x;;\nCREATE DEFINER=`a`@`b` FUNCTION $$\n",
		"sandbox mode":    "/*M!999999\\- enable the sandbox mode */ \n-- it's\nDO 1;\nCREATE CLAUSEPROCEDURE v;",
		"no statement":    "CREATE DEFINER",
		"unended":         "SELECT 'a\\",
	} {
		dump, want := long+strings.ReplaceAll(text, "CLAUSE", clause)+long, long+strings.ReplaceAll(text, "CLAUSE", "")+long
		if name == "no statement" || name == "unended" {
			dump, want = long+text, long+text
		}
		for _, r := range []io.Reader{strings.NewReader(dump), iotest.OneByteReader(strings.NewReader(dump)), iotest.DataErrReader(strings.NewReader(dump))} {
			got, err := io.ReadAll(newEdited(r, []edit{withoutDefiner}))
			if err != nil || string(got) != want {
				t.Errorf("%s: %d bytes, want %d, %v: %.300q", name, len(got), len(want), err, strings.ReplaceAll(string(got), long, ""))
			}
		}
	}
}

func TestEditedReportsErrors(t *testing.T) {
	want := errors.New("torn")
	got, err := io.ReadAll(newEdited(io.MultiReader(strings.NewReader("SELECT 1"), iotest.ErrReader(want)), []edit{withoutDefiner}))
	if !errors.Is(err, want) || string(got) != "SELECT 1" {
		t.Errorf("%q %v", got, err)
	}
}

func FuzzEdited(f *testing.F) {
	f.Add("DELIMITER ;;\nCREATE PROCEDURE p() SELECT '\\' -- /* ' ;;\n;;")
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.ReplaceAll(text, "DEFINER=", "")
		got, err := io.ReadAll(newEdited(iotest.OneByteReader(strings.NewReader(text)), []edit{withoutDefiner}))
		if err != nil || string(got) != text {
			t.Errorf("%q became %q, %v", text, got, err)
		}
	})
}

func TestRestoreThatLacksAnObjectFails(t *testing.T) {
	server := sharedServer(t)
	newDatabase(t, server, "counted")
	s := newTest(t, server, "counted", nil)
	a := backup(t, s)
	path := a.Dir() + "/" + dumpName
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for kind, loss := range map[string]string{
		"table": "DROP TABLE `odd ``child```", "view": "DROP VIEW newest", "procedure": "DROP PROCEDURE two",
		"function": "DROP FUNCTION one", "event": "DROP EVENT three", "trigger": "DROP TRIGGER stamp",
	} {
		t.Run(kind, func(t *testing.T) {
			if err := os.WriteFile(path, withStatement(t, whole, loss+";\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			target, err := s.Restorer("counted2")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { dropDatabase(t, server, "counted2") })
			err = target.Restore(t.Context(), a)
			wantProblem(t, err, restoreFailed)
			if err != nil && !strings.Contains(err.Error(), "kind "+kind) {
				t.Error(err)
			}
			wantUntouched(t, server, "counted2", false)
		})
	}
}
