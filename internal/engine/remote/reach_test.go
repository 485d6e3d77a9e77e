package remote

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
)

// storeConfig is an archive that other machines reach, or not.
type storeConfig struct {
	Fails  string `hcl:"fails,optional" help:"x"`
	Digest string `hcl:"digest,optional" help:"x"`
}

func storing() providers.Definition {
	return providers.Define(providers.Archives, "store", "x", storeConfig{}, func(c storeConfig, _ providers.Env) (providers.Archiver, error) {
		return store{cfg: c}, nil
	})
}

type store struct {
	providers.Archiver
	cfg storeConfig
}

func (store) WorksThere() bool                    { return true }
func (s store) Lend(context.Context) (any, error) { return &s.cfg, nil }
func (store) part(digest string) providers.Part {
	return providers.Part{Objects: []providers.Object{{SHA256: digest}}}
}
func (store) CheckThere(context.Context, string) (providers.Report, error) {
	return providers.Report{}, nil
}

func (store) Work(context.Context, providers.Task, providers.Record) (json.RawMessage, error) {
	return nil, errors.New("a restore stores nothing")
}

func (s store) Fetch(_ context.Context, b providers.BackupID, dir func(providers.Artifact) string) (providers.Manifest, error) {
	if at := dir(providers.Artifact{Address: "home.halt.x"}); at != "" {
		return providers.Manifest{}, errors.New("a plan unpacks nothing")
	}
	if s.cfg.Fails != "" {
		return providers.Manifest{}, errors.New(s.cfg.Fails)
	}
	return providers.Manifest{ID: b, Stored: []providers.Stored{{Parts: map[string]providers.Part{"home.halt.x": s.part(s.cfg.Digest)}}}}, nil
}

// TestThePlanOfARestoreLooksFromItsMachine whether the archive is reached, and is the one
// that this machine knows.
func TestThePlanOfARestoreLooksFromItsMachine(t *testing.T) {
	for name, c := range map[string]struct {
		there storeConfig
		want  string
	}{
		"reached":     {storeConfig{Digest: "a"}, ""},
		"not reached": {storeConfig{Digest: "a", Fails: "no route"}, "no route"},
		"another one": {storeConfig{Digest: "b"}, "archive has something else"},
	} {
		here, far := net.Pipe()
		library := Library{Registry: providers.NewRegistry(halting(), storing())}
		ended := make(chan struct{})
		dir := t.TempDir()
		go func() { defer close(ended); _ = Serve(context.Background(), far, 10*time.Second, library) }()
		conn := given{here, 10 * time.Second, dir}
		s := NewSession("connection.x.y", conn, func(string) {})
		s.begun = func(context.Context, providers.Connection) (providers.Stream, error) { return conn, nil }
		st, err := Open(Opening{Session: s, Definition: halting(), Config: &haltConfig{Dir: dir}, Work: "work/x", Env: providers.Env{Address: "home.halt.x", Host: &host.Host{}}})
		if err != nil {
			t.Fatal(err)
		}
		r, err := st.Restorer("")
		if err != nil {
			t.Fatal(err)
		}
		archive := store{cfg: c.there}
		if !Direct(r, Source{Archive: Archive{Definition: storing(), Address: "archive.store.y"}, Archiver: archive, Backup: id, Part: archive.part("a")}) {
			t.Fatal("the archive does not work there")
		}
		report, err := r.Check(t.Context(), providers.Artifact{Address: "home.halt.x", Copied: true})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var found []string
		for _, f := range report.Findings {
			if f.Severity == problem.Error && strings.Contains(f.Detail, "archive.store.y") && strings.Contains(f.Detail, c.want) && f.Remedy != "" {
				found = append(found, f.Summary)
			}
		}
		if want := c.want != ""; want != (len(found) == 1) || report.Failed() != want {
			t.Errorf("%s: %+v", name, report.Findings)
		}
		s.Close()
		<-ended
	}
}

// TestFoldersAreComparedOnTheirMachine, behind links.
func TestFoldersAreComparedOnTheirMachine(t *testing.T) {
	p, _ := connectPair(t, 10*time.Second, recording)
	if _, err := p.strategy.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(os.Mkdir(at("home"), 0o700), os.Symlink(at("home"), at("link"))); err != nil {
		t.Fatal(err)
	}
	got, err := p.session.Relate(t.Context(), []string{at("link/a"), at("other"), at("link")}, []string{at("home"), at("other/b")})
	want := [][]host.Relation{{host.Within, host.Apart}, {host.Apart, host.Around}, {host.Same, host.Apart}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%q, %v", got, err)
	}
}
