package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"bkp/internal/lab/sandbox"
	"bkp/internal/pgserver"
	"bkp/internal/problem"
	"bkp/internal/scratch"
)

// size is how much there is to back up.
type size struct {
	Files        int   `json:"files" default:"62000" help:"Files of the home."`
	Bytes        int64 `json:"bytes" default:"1700000000" help:"Bytes of the home."`
	Database     int64 `json:"database_bytes" default:"460000000" help:"Bytes of the PostgreSQL database."`
	Repositories int   `json:"repositories" default:"50" help:"Repositories of the home."`
}

// times is the size at a scale; atMost bounds the bytes of the home, 0 does not.
func (s size) times(scale int, atMost int64) size {
	s.Files, s.Bytes, s.Database, s.Repositories = s.Files*scale, s.Bytes*int64(scale), s.Database*int64(scale), s.Repositories*scale
	if atMost > 0 {
		s.Bytes = min(s.Bytes, atMost)
	}
	return s
}

// load is what users do while a backup is made.
type load struct {
	Users int           `default:"4" help:"Users who push while a backup is made."`
	Pause time.Duration `default:"2s" help:"Of each user between two pushes."`
	Drain time.Duration `default:"300ms" help:"How long the instance takes to drain."`
}

const (
	// look is how often a user looks at a page: the resolution of the lock
	// window as users see it.
	look = 5 * time.Millisecond
	// administrator and password of the sandbox.
	administrator = "admin"
	liveDatabase  = "bitbucket"
)

// site is a Bitbucket with its home and its database, in one folder.
type site struct {
	dir  string
	url  string
	load load
	pg   *pgserver.Server
	home *sandbox.Home
	// databaseBytes is what the database takes on disk, to begin with.
	databaseBytes int64

	instance *sandbox.Server
	server   http.Server
	serving  sync.WaitGroup
	pushes   int
}

// openSite makes the data and starts the instance; the caller closes the site
// and removes the folders.
func openSite(ctx context.Context, f folders, z size, l load) (_ *site, err error) {
	s := &site{dir: filepath.Join(f.data, "site"), load: l}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, err
	}
	// It insists on the folder: the disk that is measured is the one that was named.
	s.pg, err = pgserver.Run(ctx, pgserver.Options{
		Dir: filepath.Join(f.database, "pg"), Insist: true,
		Settings: []string{"shared_buffers=128MB", "max_wal_size=4GB", "wal_level=minimal", "max_wal_senders=0"},
	})
	if errors.Is(err, scratch.ErrUnreachable) {
		err = problem.Wrap(err, "no place for the database", "name a folder with --dir, or with --database-dir, whose parents every user may pass through")
	}
	if err != nil {
		return nil, err
	}
	if err := s.pg.CreateDatabase(ctx, liveDatabase); err != nil {
		return nil, err
	}
	if s.databaseBytes, err = fill(ctx, s.pg.URL(liveDatabase), z.Database); err != nil {
		return nil, fmt.Errorf("filling the database: %w", err)
	}
	s.home, err = sandbox.CreateHome(ctx, s.homeDir(), sandbox.HomeOptions{
		Repositories: z.Repositories, Commits: 5, Files: z.Files, Bytes: z.Bytes, Database: s.pg.URL(liveDatabase),
	})
	if err != nil {
		return nil, err
	}
	return s, s.serve(ctx)
}

func (s *site) homeDir() string { return filepath.Join(s.dir, "home") }

func (s *site) serve(ctx context.Context) error {
	s.instance = sandbox.NewServer(sandbox.Options{
		User: administrator, Password: administrator, Corners: sandbox.Corners{Drain: sandbox.Duration(s.load.Drain)},
	})
	var listen net.ListenConfig
	l, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.url = "http://" + l.Addr().String()
	s.server = http.Server{Handler: s.instance, ReadHeaderTimeout: time.Minute}
	s.serving.Go(func() { _ = s.server.Serve(l) }) // it ends when Close closes it
	return nil
}

// Close stops the instance and its database. The files stay.
func (s *site) Close() error {
	err := s.server.Close()
	s.serving.Wait()
	if s.home != nil {
		err = errors.Join(err, s.home.Close())
	}
	if s.pg != nil {
		err = errors.Join(err, s.pg.Stop())
	}
	return err
}

// seen is what a backup was for the instance and its users.
type seen struct {
	outage time.Duration
	lock   sandbox.LockRecord
}

// busy calls backup while users push and look at pages. The backup must lock
// once, complete and unlock.
func (s *site) busy(ctx context.Context, backup func(context.Context) error) (seen, error) {
	locks, outages := len(s.instance.Locks()), len(s.instance.Users().Outages)
	pushing := sandbox.StartLoad(ctx, s.instance, s.home, sandbox.LoadOptions{Writers: s.load.Users, Pause: s.load.Pause})
	looking, stop := context.WithCancel(ctx)
	var wait sync.WaitGroup
	wait.Go(func() { s.look(looking) })
	err := backup(ctx)
	stop()
	wait.Wait()
	err = errors.Join(err, pushing.Stop())
	s.pushes += pushing.Pushes()
	if err != nil {
		return seen{}, err
	}
	var out seen
	for _, o := range s.instance.Users().Outages[outages:] {
		out.outage += o.Length()
	}
	found := s.instance.Locks()[locks:]
	if len(found) != 1 || found[0].Outcome != sandbox.Successful || !s.instance.State().Idle() {
		return seen{}, fmt.Errorf("the instance was left in state %+v, with locks %+v", s.instance.State(), found)
	}
	out.lock = found[0]
	return out, nil
}

// look is a user who looks at a page again and again. What the user meets is
// the instance's to note.
func (s *site) look(ctx context.Context) {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/projects", nil)
		if err != nil {
			return
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	}
}

// fill makes tables of about the size asked for, besides those that the
// sandbox makes, and returns the database's size on disk. Half of a row's text
// is random: real rows shrink when they are compressed, but not to nothing.
func fill(ctx context.Context, url string, bytes int64) (total int64, err error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	const (
		tables  = 4
		row     = 364     // bytes on disk, with its share of the index
		nothing = 7 << 20 // what an empty database takes
	)
	rows := max(1, (bytes-nothing)/tables/row)
	for n := range tables {
		// In one transaction with its table, what is inserted is not logged.
		_, err := conn.Exec(ctx, fmt.Sprintf(`do $$ begin
			create table activity_%[1]d (id bigint primary key, at timestamptz not null, words text not null);
			insert into activity_%[1]d select n, to_timestamp(n), format(
				'pull request %%s of project SANDBOX was reviewed: %%s; the build of its newest commit %%s has passed; nothing else was said, %%s',
				n, md5(n::text), md5((-n)::text), repeat(md5((n * 7)::text) || ' ', 3))
			from generate_series(1::bigint, %[2]d) n;
		end $$`, n, rows))
		if err != nil {
			return 0, err
		}
	}
	err = conn.QueryRow(ctx, `select pg_database_size(current_database())`).Scan(&total)
	return total, err
}
