package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"bkp/internal/host"
)

// articleCmd is one backup by the method that Atlassian's article describes
// for those who write their own: two passes of rsync and pg_dump, the second
// pass and the dump inside the lock, then tar. It is written to be quick where
// the article leaves a choice; it cleans up nothing when it fails.
type articleCmd struct {
	URL      string `required:""`
	User     string `required:""`
	Home     string `required:""`
	Root     string `required:"" help:"Folder of the working copy."`
	Archive  string `required:"" help:"The archive to write."`
	DBHost   string `required:""`
	DBPort   int    `required:""`
	DBUser   string `required:""`
	Database string `required:""`
	Jobs     int    `default:"5"`
	Password string `env:"BENCH_ADMINISTRATOR" required:""`
}

// articleMethod is the article's method on a site.
func articleMethod(s *site) (*method, error) {
	self, err := itself()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(s.dir, "article")
	root, archives := filepath.Join(dir, "root"), filepath.Join(dir, "archives")
	m := &method{
		name: "the article's method", dir: dir, archives: archives, peer: true, attempts: 1,
		process: process{
			argv: []string{self, "article", "--url", s.url, "--user", administrator, "--home", s.homeDir(),
				"--root", root, "--archive", filepath.Join(archives, "newest.tar.gz"),
				"--db-host", s.pg.Host(), "--db-port", strconv.Itoa(s.pg.Port()), "--db-user", s.pg.User(), "--database", liveDatabase},
			env: []string{"BENCH_ADMINISTRATOR=" + administrator, "PGPASSWORD=" + s.pg.Password()},
		},
	}
	m.restore = func(ctx context.Context, home, database string) error {
		return unpack(ctx, s, archives, home, database)
	}
	return m, nil
}

// Run makes the backup, in the article's order.
func (c *articleCmd) Run(ctx context.Context) error {
	if err := os.MkdirAll(c.Root, 0o700); err != nil {
		return err
	}
	// A file that vanishes during the live pass is 24.
	if err := c.rsync(ctx, 24); err != nil {
		return err
	}
	token, err := c.lock(ctx)
	if err != nil {
		return err
	}
	if err := c.rsync(ctx); err != nil {
		return err
	}
	if err := c.dump(ctx); err != nil {
		return err
	}
	query := url.Values{"token": {token}}
	if _, err := c.call(ctx, http.MethodPost, "/mvc/admin/backups/progress/client?percentage=100&"+query.Encode(), ""); err != nil {
		return err
	}
	if _, err := c.call(ctx, http.MethodDelete, "/mvc/maintenance/lock?"+query.Encode(), ""); err != nil {
		return err
	}
	return c.tool(ctx, "tar", []string{"-C", c.Root, "-czf", c.Archive, "."})
}

// lock locks, starts the backup and waits until the instance has drained.
func (c *articleCmd) lock(ctx context.Context) (token string, err error) {
	text, err := c.call(ctx, http.MethodPost, "/mvc/maintenance/lock", "")
	if err != nil {
		return "", err
	}
	var locked struct{ UnlockToken string }
	if err := json.Unmarshal(text, &locked); err != nil || locked.UnlockToken == "" {
		return "", fmt.Errorf("no token in the reply to the lock: %w", err)
	}
	if _, err := c.call(ctx, http.MethodPost, "/mvc/admin/backups?external=true", locked.UnlockToken); err != nil {
		return "", err
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		text, err := c.call(ctx, http.MethodGet, "/mvc/maintenance", locked.UnlockToken)
		if err != nil {
			return "", err
		}
		var state struct {
			Database string `json:"db-state"`
			SCM      string `json:"scm-state"`
		}
		if err := json.Unmarshal(text, &state); err != nil {
			return "", err
		}
		if state.Database == "DRAINED" && state.SCM == "DRAINED" {
			return locked.UnlockToken, nil
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-tick.C:
		}
	}
}

func (c *articleCmd) rsync(ctx context.Context, ok ...int) error {
	args := []string{"-ah", "--delete", "--delete-excluded"}
	for _, e := range []string{"/caches/", "/data/db.*", "/export/", "/log/", "/plugins/.*/", "/tmp", "/.lock"} {
		args = append(args, "--exclude="+e)
	}
	return c.tool(ctx, "rsync", append(args, c.Home+"/", filepath.Join(c.Root, "bitbucket-home")+"/"), ok...)
}

func (c *articleCmd) dump(ctx context.Context) error {
	into := filepath.Join(c.Root, "bitbucket-db")
	if err := os.RemoveAll(into); err != nil {
		return err
	}
	args := []string{"-h", c.DBHost, "-p", strconv.Itoa(c.DBPort), "-U", c.DBUser, "-Fd", c.Database, "-j", strconv.Itoa(c.Jobs), "-f", into}
	// The article's switch, which pg_dump 15 has no more.
	help, err := (&host.Host{}).Output(ctx, host.Command{Name: "pg_dump", Args: []string{"--help"}})
	if err != nil {
		return err
	}
	if unsynchronized := "--no-synchronized-snapshots"; strings.Contains(help, unsynchronized) {
		args = append(args, unsynchronized)
	}
	return c.tool(ctx, "pg_dump", args)
}

func (c *articleCmd) tool(ctx context.Context, name string, args []string, ok ...int) error {
	_, err := (&host.Host{}).Run(ctx, host.Command{Name: name, Args: args, OK: ok, Env: []string{"PGPASSWORD=" + os.Getenv("PGPASSWORD")}})
	return err
}

// call makes a call of the maintenance interface and returns the reply's body.
func (c *articleCmd) call(ctx context.Context, verb, path, token string) (_ []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, verb, c.URL+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.SetBasicAuth(c.User, c.Password)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	if token != "" {
		req.Header.Set("X-Atlassian-Maintenance-Token", token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s: %s", verb, path, resp.Status, bytes.TrimSpace(text))
	}
	return text, err
}
