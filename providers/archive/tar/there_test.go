package tar

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bkp/internal/lab/bucket"
	"bkp/internal/secret"
	"bkp/providers"
)

// nearby is the other machine of a test, which is this one: the archive is opened anew
// with what was lent.
type nearby struct {
	t    *testing.T
	lent *Config
	// change may change a result.
	change func(json.RawMessage) json.RawMessage
}

func (*nearby) Pack(context.Context, string, providers.Packing) (io.ReadCloser, error) {
	return nil, errors.New("its bytes pass this machine")
}

func (n *nearby) Work(ctx context.Context, w providers.Worker, task providers.Task, _ func(providers.Progress)) (json.RawMessage, error) {
	cfg, err := w.Lend(ctx)
	if err != nil {
		return nil, err
	}
	n.lent = cfg.(*Config)
	there := open(n.t, n.lent.Destination, func(c *Config) { *c = *n.lent })
	task.Packing.Artifact.Trees = slices.Clone(task.Packing.Artifact.Trees)
	for i := range task.Packing.Artifact.Trees {
		task.Packing.Artifact.Trees[i].Host = ""
	}
	out, err := there.Work(ctx, task, nil)
	if err == nil && n.change != nil {
		out = n.change(out)
	}
	return out, err
}

// abroad is a manifest of a home on another machine.
func abroad(tree string) providers.Manifest {
	m := manifest(map[string]string{artifact: tree})
	m.Artifacts[0].Trees[0].Host = "connection.ssh.filer"
	return m
}

// TestStoringWhereTheTreeIs writes no byte from here, and says who did. The keys go
// along, wherever this machine has them from.
func TestStoringWhereTheTreeIs(t *testing.T) {
	b := bucket.Fake(t)
	t.Setenv("AWS_ACCESS_KEY_ID", bucket.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", bucket.SecretKey)
	a := open(t, b.Address("x"), func(c *Config) {
		inBucket(b)(c)
		c.AccessKey, c.SecretKey = "", secret.String{}
	})
	far := &nearby{t: t}
	a.env.Far = far
	tree := home(t)
	r, err := a.CheckThere(t.Context(), artifact)
	if err != nil || r.Failed() {
		t.Errorf("%+v, %v", r, err)
	}
	stored, err := a.Store(t.Context(), abroad(tree), nil)
	must(t, err)
	if stored.Parts[artifact].By != "connection.ssh.filer" {
		t.Errorf("%+v does not say who stored it", stored)
	}
	if far.lent.AccessKey != bucket.AccessKey || far.lent.SecretKey.Reveal() != bucket.SecretKey {
		t.Error("the keys of this machine did not go along")
	}
	back := tempDir(t)
	_, err = a.Fetch(t.Context(), id, func(providers.Artifact) string { return filepath.Join(back, "home") })
	must(t, err)
	if got, want := describe(t, filepath.Join(back, "home")), describe(t, tree); len(got) != len(want) {
		t.Errorf("%d entries came back of %d", len(got), len(want))
	}
}

// TestWhatWasStoredThereIsLookedFor: another store of the same address, or a machine
// that says more than it did, makes no backup.
func TestWhatWasStoredThereIsLookedFor(t *testing.T) {
	for name, lie := range map[string]func(*providers.Part){
		"size":   func(p *providers.Part) { p.Objects[0].Bytes++ },
		"name":   func(p *providers.Part) { p.Objects[0].Name = "manifest.json" },
		"none":   func(p *providers.Part) { p.Objects = nil },
		"digest": func(p *providers.Part) { p.Objects[0].SHA256 = "x" },
	} {
		b := bucket.Fake(t)
		a := open(t, b.Address("x"), inBucket(b))
		a.env.Far = &nearby{t: t, change: func(out json.RawMessage) json.RawMessage {
			var p providers.Part
			must(t, json.Unmarshal(out, &p))
			lie(&p)
			out, err := json.Marshal(p)
			must(t, err)
			return out
		}}
		if _, err := a.Store(t.Context(), abroad(large(t)), nil); err == nil {
			t.Errorf("%s: it counts as stored", name)
		}
		if keys := b.Keys(t); len(keys) > 0 {
			t.Errorf("%s: left behind: %q", name, keys)
		}
	}
}

// TestAStreamIsWhatWasPacked, and one of something else ends with an error, before its
// first byte or before its end.
func TestAStreamIsWhatWasPacked(t *testing.T) {
	a := open(t, t.TempDir(), nil)
	tree := home(t)
	store(t, a, map[string]string{artifact: tree})
	p, from, err := a.Stream(t.Context(), id, artifact)
	must(t, err)
	back := filepath.Join(tempDir(t), "home")
	must(t, os.Mkdir(back, 0o700), Packer().Unpack(t.Context(), from, p, back), from.Close())
	if got, want := describe(t, back), describe(t, tree); len(got) != len(want) {
		t.Errorf("%d entries came back of %d", len(got), len(want))
	}

	// What was written to the part between the two readings is found at the end.
	a = open(t, t.TempDir(), func(c *Config) { c.Compression = "none" })
	store(t, a, map[string]string{artifact: large(t)})
	_, from, err = a.Stream(t.Context(), id, artifact)
	must(t, err)
	path := partPath(t, a, artifact)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteAt([]byte("xxxxxxxx"), 11<<20) // of the content
	must(t, err, f.Close())
	if _, err := io.Copy(io.Discard, from); err == nil {
		t.Error("a part that was replaced is streamed to its end")
	}
	must(t, from.Close())
	if _, _, err := a.Stream(t.Context(), id, artifact); err == nil || !strings.Contains(err.Error(), "SHA-256") && !strings.Contains(err.Error(), "bytes") {
		t.Errorf("a damaged part is streamed: %v", err)
	}
}
