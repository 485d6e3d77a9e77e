package mysql

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"bkp/internal/problem"
	"bkp/providers/database"
)

// definitionQueries list what a snapshot does not cover, one object a row: its
// kind and name, then "|" and what changes with its definition.
var definitionQueries = []string{
	`SELECT CONCAT('column ', table_name, '.', column_name, '|', ordinal_position, column_type, is_nullable, MD5(COALESCE(column_default, '')))
		FROM information_schema.columns WHERE table_schema = ?`,
	`SELECT CONCAT('view ', table_name, '|', definer, MD5(view_definition)) FROM information_schema.views WHERE table_schema = ?`,
	`SELECT CONCAT('trigger ', trigger_name, '|', definer, MD5(action_statement)) FROM information_schema.triggers WHERE trigger_schema = ?`,
	`SELECT CONCAT(LOWER(routine_type), ' ', routine_name, '|', definer, last_altered) FROM information_schema.routines WHERE routine_schema = ?`,
	`SELECT CONCAT('event ', event_name, '|', definer, MD5(event_definition)) FROM information_schema.events WHERE event_schema = ?`,
}

// definitions lists the definitions of all that is in the database.
func (s *session) definitions(ctx context.Context, name string) ([]string, error) {
	var all []string
	for _, query := range definitionQueries {
		found, err := s.names(ctx, query, name)
		if err != nil {
			return nil, fmt.Errorf("definitions in the database: %w", err)
		}
		all = append(all, found...)
	}
	slices.Sort(all)
	return all, nil
}

// checkDefinitions fails when a definition is not what it was before the lock:
// the tool reads definitions as they are when it comes to them.
func (s *strategy) checkDefinitions(ctx context.Context, before []string) error {
	conn, err := s.connect(ctx, s.cfg.Database)
	if err != nil {
		return err
	}
	defer conn.close()
	after, err := conn.definitions(ctx, s.cfg.Database)
	if err != nil {
		return err
	}
	// A new table or column does no harm: what the snapshot holds is dumped.
	made := slices.DeleteFunc(lacking(after, before), func(name string) bool { return strings.HasPrefix(name, "column ") })
	changed := append(lacking(before, after), made...)
	if len(changed) == 0 {
		return nil
	}
	slices.Sort(changed)
	return problem.New(tableChanged, fmt.Sprintf("%s in database %q", database.List(slices.Compact(changed)), s.cfg.Database),
		"run the backup again while no one installs or updates Bitbucket or one of its apps")
}

// lacking names what is in one sorted list and not in the other.
func lacking(one, other []string) []string {
	var out []string
	for _, d := range one {
		if _, found := slices.BinarySearch(other, d); !found {
			name, _, _ := strings.Cut(d, "|")
			out = append(out, name)
		}
	}
	return out
}
