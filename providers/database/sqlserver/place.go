package sqlserver

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"bkp/internal/problem"
	"bkp/providers"
)

// A database is restored under a name of its own, and gets the target's when it is whole. The
// server gives a name once: a database that somebody else makes meanwhile stays, and nothing
// but ours is ever dropped. The name is on record, so that the next restore drops what a killed
// one has left.

const (
	// undoTimeout is how long removing a half-made restore may take.
	undoTimeout = 5 * time.Minute
	// usedTimeout is how long the last step waits for those who look at every database
	// there is, such as monitoring, usedPause how long it waits each time.
	usedTimeout = 5 * time.Minute
	usedPause   = 200 * time.Millisecond
)

// workingName is one that no other database has.
func workingName() string { return "bkp-restore-" + rand.Text() }

// place gives the database the name of the target.
func (r *restorer) place(ctx context.Context, c *session, m *made) error {
	statement := fmt.Sprintf("ALTER DATABASE %s MODIFY NAME = %s", name(m.name), name(c.account.database))
	limited, cancel := context.WithTimeout(ctx, usedTimeout)
	defer cancel()
	for {
		err := c.run(ctx, statement, func(string) {})
		switch {
		case err == nil:
			return nil
		case number(err) == errTaken:
			return problem.New(targetExists, fmt.Sprintf("somebody made database %q on %s meanwhile", c.account.database, c.account.where()), "restore to another database with --database")
		case number(err) != errUsed || limited.Err() != nil:
			if number(err) == 0 && ctx.Err() == nil && r.isPlaced(ctx, m) {
				return nil // its answer was lost
			}
			return err
		}
		pause(limited, usedPause)
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// isPlaced reports whether the target is the database of m.
func (r *restorer) isPlaced(ctx context.Context, m *made) bool {
	c, err := r.connect(ctx, master)
	if err != nil {
		return false
	}
	defer c.close()
	return c.isDatabase(ctx, c.account.database, m.id)
}

// isDatabase reports whether a database of this name has this number.
func (c *session) isDatabase(ctx context.Context, name, id string) bool {
	p, err := c.properties(ctx, name)
	return err == nil && p.exists && id != "" && p.id == id
}

// undo drops what a failed restore made. It works on after the run was cancelled.
func (r *restorer) undo(ctx context.Context, m made) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	c, err := r.connect(ctx, master)
	if err != nil {
		return err
	}
	defer c.close()
	if c.isDatabase(ctx, c.account.database, m.id) { // placed, and then cancelled
		m.name = c.account.database
	}
	if err := c.drop(ctx, m.name); err != nil {
		return err
	}
	return r.forget()
}

// drop drops a database, if it is there.
func (c *session) drop(ctx context.Context, databaseName string) error {
	p, err := c.properties(ctx, databaseName)
	if err != nil || !p.exists {
		return err
	}
	return c.run(ctx, "DROP DATABASE "+name(databaseName), func(string) {})
}

// working is the record of a restore that goes on, in the work folder.
type working struct {
	Server   string `json:"server"`
	Database string `json:"database"`
}

func (r *restorer) noteFile() string { return filepath.Join(r.env.WorkDir, "restore.json") }

// note writes the record before the database is made.
func (r *restorer) note(a account, databaseName string) error {
	text, err := json.Marshal(working{a.where(), databaseName})
	if err != nil {
		return err
	}
	const private = 0o700
	err = os.MkdirAll(r.env.WorkDir, private)
	if err == nil {
		err = writeFile(r.noteFile(), text)
	}
	if err != nil {
		return problem.Wrap(err, "restore cannot be recorded", "let this user write into the state folder")
	}
	return nil
}

// noted reads the record, nil without one.
func (r *restorer) noted() (*working, error) {
	text, err := os.ReadFile(r.noteFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var w working
	if err := json.Unmarshal(text, &w); err != nil {
		return nil, problem.Wrapf(err, "record of an interrupted restore cannot be read", "remove the file; look whether the server has a database whose name begins with bkp-restore-, and drop it if nobody needs it", "%s", r.noteFile())
	}
	return &w, nil
}

func (r *restorer) forget() error {
	if err := os.Remove(r.noteFile()); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// sweep drops what an earlier restore has left: one that was killed, since one process at a
// time restores with a state folder.
func (r *restorer) sweep(ctx context.Context, c *session) error {
	w, err := r.noted()
	if err != nil || w == nil {
		return err
	}
	if w.Server != c.account.where() {
		r.env.Warning(fmt.Sprintf("a restore to %s was interrupted and may have left database %q there: drop it", w.Server, w.Database))
		return r.forget()
	}
	if err := c.drop(ctx, w.Database); err != nil {
		return problem.New(halfRestored, fmt.Sprintf("database %q on %s is of a restore that was interrupted: %s", w.Database, w.Server, reason(err)), "drop it, then restore again")
	}
	return r.forget()
}

// checkLeft says what a restore drops before it begins.
func (r *restorer) checkLeft(report *providers.Report) {
	if w, err := r.noted(); err == nil && w != nil {
		report.Add(problem.Warn("a restore was interrupted", fmt.Sprintf("it may have left database %q on %s", w.Database, w.Server), "nothing: the next restore drops it"))
	}
}
