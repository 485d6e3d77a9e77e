package mysql

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"bkp/internal/problem"
	"bkp/providers"
)

const objectsLost = "restore incomplete"

const triggersQuery = ` UNION ALL SELECT 'TRIGGER', trigger_name FROM information_schema.triggers WHERE trigger_schema = ?`

// counts returns the numbers of tables, views, sequences, routines, events and
// triggers in a database, by kind.
func (s *session) counts(ctx context.Context, name string) (map[string]int, error) {
	kinds, err := s.names(ctx, "SELECT kind FROM (SELECT '' AS kind, '' AS name FROM DUAL WHERE FALSE UNION ALL "+objectsQuery+triggersQuery+") objects", name, name, name, name)
	if err != nil {
		return nil, fmt.Errorf("objects in database %q: %w", name, err)
	}
	out := map[string]int{}
	for _, kind := range kinds {
		out[strings.ToLower(kind)]++
	}
	return out, nil
}

// allArrived compares what the database holds after a restore with what the
// backup recorded: a client that ends early need not say so. A count that
// cannot be made undoes nothing that took hours.
func (s *strategy) allArrived(ctx context.Context, a providers.Artifact) error {
	var recorded map[string]int
	if json.Unmarshal([]byte(a.Facts[factCounts]), &recorded) != nil {
		return nil //nolint:nilerr // a foreign dump
	}
	found, err := s.countRestored(ctx)
	if err != nil && ctx.Err() == nil {
		s.env.Warning("whether all tables and routines were restored is unknown: " + err.Error())
		return nil
	}
	if err != nil {
		return err
	}
	var lost []string
	for _, kind := range slices.Sorted(maps.Keys(recorded)) {
		if found[kind] < recorded[kind] {
			lost = append(lost, fmt.Sprintf("%d of %d objects of kind %s", found[kind], recorded[kind], kind))
		}
	}
	if len(lost) == 0 {
		return nil
	}
	return problem.New(objectsLost, fmt.Sprintf("database %q holds %s, though the client reports success", s.cfg.Database, strings.Join(lost, ", ")),
		"see the run's log and the server's, then restore again")
}

func (s *strategy) countRestored(ctx context.Context) (map[string]int, error) {
	conn, err := s.connect(ctx, s.cfg.Database)
	if err != nil {
		return nil, err
	}
	defer conn.close()
	return conn.counts(ctx, s.cfg.Database)
}
