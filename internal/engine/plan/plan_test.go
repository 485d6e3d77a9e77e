package plan_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bkp/internal/engine/plan"
)

func raw(text string) json.RawMessage { return json.RawMessage(text) }

func sample() plan.File {
	start := plan.NewNode(plan.Start, "instance.prod", "start")
	return plan.File{
		Format: plan.Format, Tool: "1.0.0", Folder: "/etc/bkp", Created: time.Date(2026, 11, 22, 1, 2, 3, 0, time.UTC), ConfigDigest: "sha256:x",
		Config: map[string]map[string]json.RawMessage{"home.mirror.a": {"path": raw(`"/srv"`), "stores": raw("null")}},
		Plans: []plan.Plan{{
			Instance: "prod", Address: "instance.prod", Version: "9.2.1",
			Facts:  map[string]map[string]string{"instance.prod": {"version": "9.2.1"}},
			Locked: &plan.Locked{Instance: "prod", Budget: plan.Duration(time.Minute), Nodes: []plan.Node{start}},
			After:  []plan.Node{{ID: "r/prune", Phase: plan.Prune, Address: "r", Args: json.RawMessage(`{"keep_last":7,"remove":[]}`)}},
		}},
	}
}

func TestEncodedPlanComesBack(t *testing.T) {
	b, err := plan.Encode(sample())
	if err != nil {
		t.Fatal(err)
	}
	got, err := plan.Decode(b)
	if err != nil || !reflect.DeepEqual(got, sample()) {
		t.Errorf("got %+v, %v", got, err)
	}
	again, err := plan.Encode(got)
	if err != nil || string(again) != string(b) {
		t.Errorf("not canonical: %s, %v", again, err)
	}
}

func TestAnyFlippedBitIsNoticed(t *testing.T) {
	b, err := plan.Encode(sample())
	if err != nil {
		t.Fatal(err)
	}
	for i := range b {
		for bit := range 8 {
			c := []byte(string(b))
			c[i] ^= 1 << bit
			got, err := plan.Decode(c)
			// Case folding of JSON keys may hide a flip that changes nothing.
			if err == nil && !reflect.DeepEqual(got, sample()) {
				t.Fatalf("byte %d bit %d: read as %+v", i, bit, got)
			}
		}
	}
}

func TestWrongPlansAreRefused(t *testing.T) {
	newer := sample()
	newer.Format = plan.Format + 1
	b, err := plan.Encode(newer)
	if err != nil {
		t.Fatal(err)
	}
	var format *plan.FormatError
	if _, err := plan.Decode(b); !errors.As(err, &format) || format.Format != plan.Format+1 {
		t.Errorf("newer format: %v", err)
	}
	good, _ := plan.Encode(sample())
	for name, text := range map[string]string{
		"empty": "", "no json": "hello", "something behind": string(good) + "{}", "unknown field": strings.Replace(string(good), `"digest"`, `"x":1,"digest"`, 1),
	} {
		if _, err := plan.Decode([]byte(text)); !errors.Is(err, plan.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestStaleReportsWhatChanged(t *testing.T) {
	now := sample()
	if c := plan.Stale(sample(), now); len(c) > 0 {
		t.Errorf("nothing changed, got %v", c)
	}
	now.Tool = "1.1.0"
	now.Config = map[string]map[string]json.RawMessage{
		"home.mirror.a": {"path": raw(`"/mnt"`), "jobs": raw("4"), "stores": raw("null")}, "home.mirror.b": {"path": raw(`"/b"`)},
	}
	now.Plans[0].Facts = map[string]map[string]string{"instance.prod": {"version": "9.3.0"}}
	want := []plan.Change{
		{Ground: plan.GroundTool, Key: "version", Old: "1.0.0", New: "1.1.0"},
		{Ground: plan.GroundConfiguration, Address: "home.mirror.a", Key: "jobs", New: "4", Added: true},
		{Ground: plan.GroundConfiguration, Address: "home.mirror.a", Key: "path", Old: `"/srv"`, New: `"/mnt"`},
		{Ground: plan.GroundConfiguration, Address: "home.mirror.b", Added: true},
		{Ground: plan.GroundFacts, Address: "instance.prod", Key: "version", Old: "9.2.1", New: "9.3.0"},
	}
	if diff := cmp.Diff(want, plan.Stale(sample(), now)); diff != "" {
		t.Error(diff)
	}
	saved := sample()
	saved.Config["instance.prod"] = map[string]json.RawMessage{"url": raw(`"https://b"`)}
	now = sample()
	now.Plans = nil
	if diff := cmp.Diff([]plan.Change{{Ground: plan.GroundConfiguration, Address: "instance.prod", Removed: true}}, plan.Stale(saved, now)); diff != "" {
		t.Error(diff)
	}
}

func TestWrittenPlanIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p")
	if err := plan.Write(path, sample()); err != nil {
		t.Fatal(err)
	}
	fi, err := os.Stat(path)
	if err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
}

func TestAFailedWriteNamesThePlanAlone(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"nowhere/p", "folder"} {
		path := filepath.Join(dir, name)
		err := plan.Write(path, sample())
		if err == nil || strings.Count(err.Error(), dir) != 1 || !strings.HasPrefix(err.Error(), path+": ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left %v, %v", entries, err)
	}
}

func FuzzDecode(f *testing.F) {
	b, _ := plan.Encode(sample())
	f.Add(b)
	f.Add([]byte(`{"digest":"","plan":{}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := plan.Decode(b)
		if err != nil {
			return
		}
		if _, err := plan.Encode(got); err != nil {
			t.Error(err)
		}
	})
}

func TestShortDurations(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", time.Second: "1s", 10 * time.Second: "10s", time.Minute: "1m", 90 * time.Second: "1m30s", 10 * time.Minute: "10m",
		100 * time.Second: "1m40s", time.Hour: "1h", 90 * time.Minute: "1h30m", 10 * time.Hour: "10h", time.Hour + time.Second: "1h0m1s", 200 * time.Millisecond: "200ms",
	} {
		if got := plan.Duration(d).Short(); got != want {
			t.Errorf("%s: %s, want %s", d, got, want)
		}
	}
}
