package mysql

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/database"
)

// Summaries of what is found about definers.
const (
	foreignDefiners = "views, triggers, routines or events act in the name of other accounts"
	missingDefiners = "views, triggers, routines or events act in the name of accounts that do not exist"
	boundViews      = "views name their own database"
)

const definersQuery = `
	SELECT CONCAT('view ', table_name), definer FROM information_schema.views WHERE table_schema = ?
	UNION ALL SELECT CONCAT('trigger ', trigger_name), definer FROM information_schema.triggers WHERE trigger_schema = ?
	UNION ALL SELECT CONCAT(LOWER(routine_type), ' ', routine_name), definer FROM information_schema.routines WHERE routine_schema = ?
	UNION ALL SELECT CONCAT('event ', event_name), definer FROM information_schema.events WHERE event_schema = ?`

// readDefiners returns the account in whose name each view, trigger, routine
// and event acts, by the object's kind and name.
func (s *session) readDefiners(ctx context.Context, name string) (map[string]string, error) {
	rows, err := s.conn.QueryContext(ctx, definersQuery, name, name, name, name)
	if err != nil {
		return nil, fmt.Errorf("definers in the database: %w", err)
	}
	defer func() { _ = rows.Close() }()
	out := map[string]string{}
	for rows.Next() {
		var object, definer string
		if err := rows.Scan(&object, &definer); err != nil {
			return nil, err
		}
		out[object] = definer
	}
	return out, rows.Err()
}

// quotedText is a literal in a view's definition.
var quotedText = regexp.MustCompile(`(?s)'(?:[^'\\]|\\.|'')*'`)

// boundViews names the views whose definition names the session's own
// database, as the server writes it when the definer does not exist. They fit
// no database of another name.
func (s *session) boundViews(ctx context.Context, name string, definers map[string]string) ([]string, error) {
	var out []string
	for _, object := range slices.Sorted(maps.Keys(definers)) {
		view, ok := strings.CutPrefix(object, "view ")
		if !ok {
			continue
		}
		var text, charset, collation string
		row := s.conn.QueryRowContext(ctx, "SHOW CREATE VIEW "+quoteName(view))
		if err := row.Scan(&view, &text, &charset, &collation); err != nil {
			return nil, fmt.Errorf("definition of %s: %w", object, err)
		}
		if strings.Contains(quotedText.ReplaceAllString(text, "''"), quoteName(name)+".") {
			out = append(out, object)
		}
	}
	return out, nil
}

// foreign names the objects that the session's account may not create in the
// name of their definers.
func (s *session) foreign(ctx context.Context, name string, v version, definers map[string]string) ([]string, error) {
	if len(definers) == 0 {
		return nil, nil
	}
	account, err := s.names(ctx, `SELECT CURRENT_USER()`)
	if err != nil {
		return nil, err
	}
	held, err := s.privileges(ctx, name, v)
	if err != nil {
		return nil, err
	}
	for _, p := range []string{allPrivileges, "SUPER", "SET USER", "SET_USER_ID", "SET_ANY_DEFINER"} {
		if held.everywhere[p] {
			return nil, nil
		}
	}
	return objectsOf(definers, func(definer string) bool { return definer != account[0] }), nil
}

// objectsOf names the objects whose definer is one of those wanted.
func objectsOf(definers map[string]string, wanted func(definer string) bool) []string {
	var out []string
	for _, object := range slices.Sorted(maps.Keys(definers)) {
		if wanted(definers[object]) {
			out = append(out, fmt.Sprintf("%s (%s)", object, definers[object]))
		}
	}
	return out
}

// checkDefiners warns of what the account could not restore as it is.
func (s *strategy) checkDefiners(ctx context.Context, conn *session, f facts, r *providers.Report) error {
	foreign, err := conn.foreign(ctx, s.cfg.Database, f.version, f.definers)
	if err != nil {
		return err
	}
	if len(foreign) > 0 {
		r.Add(problem.Warn(foreignDefiners, database.List(foreign),
			fmt.Sprintf("a restore as %q creates them in its own name; to keep the accounts, restore as the server's administrator", s.cfg.Username)))
	}
	accounts, err := conn.names(ctx, `SELECT CONCAT(user, '@', host) FROM mysql.user`)
	if err == nil { // few accounts may read them
		known := func(definer string) bool {
			return slices.Contains(accounts, definer) || slices.Contains(accounts, definer+"@")
		}
		gone := objectsOf(f.definers, func(definer string) bool { return !known(definer) })
		if len(gone) > 0 {
			r.Add(problem.Warn(missingDefiners, database.List(gone), "create the account, or create these objects again with a definer that exists: they fail when they are used"))
		}
	}
	if len(f.boundViews) > 0 {
		r.Add(problem.Warn(boundViews, fmt.Sprintf("%s in database %q", database.List(f.boundViews), s.cfg.Database),
			"create them again with a definer that exists: this backup can only be restored to a database of the same name"))
	}
	return nil
}

// definersOf returns what a backup recorded of its definers, nil if nothing.
func definersOf(a providers.Artifact) map[string]string {
	var out map[string]string
	_ = json.Unmarshal([]byte(a.Facts[factDefiners]), &out) // a backup that does not say has none to warn of
	return out
}

// bound returns the problem of a backup whose views name another database than
// the target, nil if there are none.
func (t *target) bound(a providers.Artifact) *problem.Problem {
	var views []string
	_ = json.Unmarshal([]byte(a.Facts[factBoundViews]), &views)
	if len(views) == 0 || a.Facts[factDatabase] == t.s.cfg.Database {
		return nil
	}
	return problem.New(boundViews, fmt.Sprintf("%s of the backup name database %q, the target is %q", database.List(views), a.Facts[factDatabase], t.s.cfg.Database),
		fmt.Sprintf("restore to a database named %q, on another server if it exists here", a.Facts[factDatabase]))
}
