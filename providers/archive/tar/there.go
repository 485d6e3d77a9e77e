package tar

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/archive/internal/document"
	"bkp/providers/archive/internal/shelf"
	"bkp/providers/archive/place"
	"bkp/providers/archive/place/s3"
)

// taskStore stores a part; its result is a providers.Part.
const taskStore = "store"

var (
	_ providers.Worker   = (*archive)(nil)
	_ providers.Streamer = (*archive)(nil)
)

// worksThere reports whether another machine can store straight: a folder is this
// machine's, and so are the keys of an encryption.
func (c *Config) worksThere() bool { return s3.IsAddress(c.Destination) && !c.Encryption.IsSet() }

// WorksThere implements providers.Worker.
func (a *archive) WorksThere() bool { return a.cfg.worksThere() }

// Lend implements providers.Worker.
func (a *archive) Lend(ctx context.Context) (any, error) {
	cfg := a.cfg
	lent, err := a.cfg.Lent(ctx)
	cfg.Config = lent
	return &cfg, err
}

// CheckThere implements providers.Worker.
func (a *archive) CheckThere(ctx context.Context, address string) (providers.Report, error) {
	var r providers.Report
	out, err := a.env.Far.Work(ctx, a, providers.Task{Do: providers.TaskCheck, Looks: true, Packing: providers.Packing{Artifact: providers.Artifact{Address: address}}}, nil)
	if err == nil {
		err = json.Unmarshal(out, &r)
	}
	return r, err
}

// Work implements providers.Worker.
func (a *archive) Work(ctx context.Context, t providers.Task, r providers.Record) (json.RawMessage, error) {
	switch t.Do {
	case providers.TaskCheck:
		report, err := a.place.Check(ctx, a.shelf().Claims().Maker())
		if err != nil {
			return nil, err
		}
		return json.Marshal(report)
	case taskStore:
		part, err := a.storePart(ctx, recordOf(t.Packing), t.Packing.Artifact, r, shelf.NewProgress(a.env))
		if err != nil {
			return nil, err
		}
		return json.Marshal(part)
	}
	return nil, fmt.Errorf("%s does not know the task %q", a.env.Address, t.Do)
}

// storeThere has the machine of a tree store the part, and looks for what it says to
// have stored.
func (a *archive) storeThere(ctx context.Context, about record, art providers.Artifact, done *shelf.Progress) (providers.Part, error) {
	var part providers.Part
	t := providers.Task{Do: taskStore, Packing: packingOf(about, art)}
	out, err := a.env.Far.Work(ctx, a, t, done.Follow())
	if err == nil {
		err = json.Unmarshal(out, &part)
	}
	if err != nil {
		return part, err
	}
	part.By = art.Host()
	if err := errors.Join(plausiblePart(part), plausibleObjects(about.Sealed, art.Address, part.Objects)); err != nil {
		return part, fmt.Errorf("%s: %w", part.By, err)
	}
	for _, o := range part.Objects {
		there, err := a.place.Stat(ctx, place.Name(about.Manifest.ID, o.Name))
		if err != nil {
			return part, err
		}
		if there.Bytes != o.Bytes {
			return part, problem.New("stored object has another size", fmt.Sprintf("%s has %d bytes, and %s stored %d", a.place.At(there.Name), there.Bytes, part.By, o.Bytes),
				"see that the archive's address leads to the same store from both machines, then run the backup again")
		}
	}
	return part, nil
}

func packingOf(about record, art providers.Artifact) providers.Packing {
	return providers.Packing{Manifest: about.Manifest, Parts: about.Parts, Sealed: about.Sealed, Artifact: art}
}

// Stream implements providers.Streamer.
func (a *archive) Stream(ctx context.Context, b providers.BackupID, address string) (providers.Packing, io.ReadCloser, error) {
	m, err := a.shelf().Load(ctx, b)
	if err != nil {
		return providers.Packing{}, nil, err
	}
	if err := a.decrypts(ctx, m); err != nil {
		return providers.Packing{}, nil, err
	}
	art, known := m.Artifact(address)
	part, stored := m.Stored[0].Copy(address)
	if !known || !stored {
		return providers.Packing{}, nil, fmt.Errorf("%w: %s of %s", providers.ErrNotFound, address, b)
	}
	got, err := a.digests(ctx, b, part)
	if err != nil {
		return providers.Packing{}, nil, err
	}
	if p := a.compareObjects(b, part, got); p != nil {
		return providers.Packing{}, nil, p
	}
	s := &streaming{archive: a, b: b, part: part, object: a.open(ctx, b, namesOf(part))}
	if err := s.begin(ctx); err != nil {
		return providers.Packing{}, nil, errors.Join(err, s.Close())
	}
	return providers.Packing{Manifest: document.Inner(m), Parts: shelf.SortedParts(m.Stored[0]), Sealed: m.Stored[0].Sealed, Artifact: art}, s, nil
}

// digests reads the objects of a part without looking into them.
func (a *archive) digests(ctx context.Context, b providers.BackupID, part providers.Part) ([]providers.Object, error) {
	r := a.open(ctx, b, namesOf(part))
	defer func() { _ = r.Close() }()
	_, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{r}, make([]byte, chunkSize))
	return r.got, err
}

// streaming is a part as it was before it was compressed and encrypted.
type streaming struct {
	archive *archive
	b       providers.BackupID
	part    providers.Part
	object  *joined
	// plain is what is read; closers are the stages before it, the last first.
	plain   io.Reader
	closers []io.Closer
}

func (s *streaming) begin(ctx context.Context) error {
	f, _ := formatOf(s.part.Objects[0].Name) // plausible
	s.plain, s.closers = s.object, []io.Closer{s.object}
	if unseal := s.archive.unsealer(ctx, f.method); unseal != nil {
		opened, err := unseal(s.object)
		if err != nil {
			return err
		}
		s.plain, s.closers = opened, append(s.closers, opened)
	}
	unpacked, err := f.reader(s.plain)
	if err != nil {
		return err
	}
	s.plain, s.closers = unpacked, append(s.closers, unpacked)
	return nil
}

// Read implements io.Reader. At the end the objects are compared with their digests.
func (s *streaming) Read(p []byte) (int, error) {
	n, err := s.plain.Read(p)
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	if _, err := io.Copy(io.Discard, s.object); err != nil {
		return n, err
	}
	if p := s.archive.compareObjects(s.b, s.part, s.object.got); p != nil {
		return n, p
	}
	return n, io.EOF
}

// Close implements io.Closer.
func (s *streaming) Close() error {
	var all error
	for i := len(s.closers) - 1; i >= 0; i-- {
		all = errors.Join(all, s.closers[i].Close())
	}
	return all
}
