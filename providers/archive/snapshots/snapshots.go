package snapshots

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"bkp/internal/problem"
	"bkp/providers"
)

const (
	incomplete    = "snapshot is missing"
	noDigests     = "snapshots have no checksums"
	nothingToKeep = "nothing to keep"
	anotherRemedy = "restore another backup if you need to; remove what is left of this one in the storage"
)

// Config is the block archive "snapshots".
type Config struct{ providers.Retained }

// Definition describes the strategy.
func Definition() providers.Definition {
	return providers.Define(providers.Archives, "snapshots", "native snapshots stay in the storage that took them", Config{},
		func(_ Config, env providers.Env) (providers.Archiver, error) { return &archive{env: env}, nil }, providers.Takes(providers.Native))
}

type archive struct {
	providers.InPlace
	env providers.Env
}

var _ providers.Chooser = (*archive)(nil)

// Keeps implements providers.Chooser.
func (a *archive) Keeps(address string) bool { return a.env.Keepers[address] != nil }

// Reserve implements providers.Archiver: an id whose snapshots the storage keeps is
// taken, also if this state folder does not know it. A storage that cannot be asked
// now reports that when the snapshots are taken.
func (a *archive) Reserve(ctx context.Context, b providers.BackupID) error {
	if _, err := a.find(ctx, b); err == nil {
		return fmt.Errorf("%w: the storage keeps snapshots of %s", providers.ErrTaken, b)
	}
	return nil
}

// Check implements providers.Archiver. A snapshot takes no space of ours.
func (a *archive) Check(context.Context, providers.Estimate) (providers.Report, error) {
	r := providers.Report{Does: map[providers.Verb]string{
		providers.Store:   "keep the snapshots of " + strings.Join(a.addresses(), ", "),
		providers.Restore: "restore from the snapshots",
	}}
	if len(a.env.Keepers) == 0 {
		r.Add(problem.New(nothingToKeep, "no strategy of the instance takes snapshots that can stay", "remove "+a.env.Address+" from archives, or declare a strategy that does"))
	}
	return r, nil
}

// Store tags every snapshot of the backup with its manifest. One that is tagged
// already is so by an earlier Store, which is repeated.
func (a *archive) Store(ctx context.Context, m providers.Manifest, _ providers.Records) (providers.Stored, error) {
	if err := a.resume(ctx); err != nil {
		return providers.Stored{}, err
	}
	kept := a.kept(m)
	stored := a.stored(m, kept)
	if len(kept) == 0 && a.leftOut(m) {
		return providers.Stored{Archive: a.env.Address, Location: "nothing: what would have stayed in its storage was left out"}, nil
	}
	if len(kept) == 0 {
		return stored, problem.New(nothingToKeep, string(m.ID)+" holds no snapshot that can stay", "declare an archive that stores trees")
	}
	// The manifest that is tagged says already what the artifacts become.
	m = m.With(stored)
	for _, address := range kept {
		art, _ := m.Artifact(address)
		done, err := a.env.Keepers[address].Keep(ctx, alone(m, stored), art)
		if err != nil {
			return stored, fmt.Errorf("keep %s: %w", address, err)
		}
		stored.Parts[address] = providers.Part{Ref: done.Ref}
	}
	return stored, nil
}

// stored says that the storages at these addresses keep their parts of m.
func (a *archive) stored(m providers.Manifest, holders []string) providers.Stored {
	out := providers.Stored{Archive: a.env.Address, Location: "snapshots of " + strings.Join(holders, ", "), Native: true, Parts: map[string]providers.Part{}}
	for _, address := range holders {
		art, _ := m.Artifact(address)
		out.Parts[address] = providers.Part{Ref: art.Ref}
	}
	return out
}

// with is m with the parts that another storage knows of the same backup: one that
// has no room for a manifest knows only its own.
func with(other, m providers.Manifest) providers.Manifest {
	if len(other.Artifacts) > len(m.Artifacts) {
		m, other = other, m
	}
	m.Artifacts = slices.Clone(m.Artifacts)
	for _, a := range other.Artifacts {
		if _, ok := m.Artifact(a.Address); !ok {
			m.Artifacts = append(m.Artifacts, a)
		}
	}
	return m
}

// alone is the manifest as the storage has it: nothing is known there of other
// archives, nor of folders of this machine.
func alone(m providers.Manifest, s providers.Stored) providers.Manifest {
	m.Stored = []providers.Stored{s}
	m.Artifacts = slices.Clone(m.Artifacts)
	for i := range m.Artifacts {
		m.Artifacts[i].Trees = nil
	}
	return m
}

// kept are the addresses of m whose strategies can keep what they captured.
func (a *archive) kept(m providers.Manifest) []string {
	var out []string
	for _, art := range m.Artifacts {
		if _, ok := a.env.Keepers[art.Address]; ok && (art.Life == providers.Native || art.Life == providers.Staged) {
			out = append(out, art.Address)
		}
	}
	return out
}

// leftOut reports whether all that could have stayed was left out of the backup, by a
// strategy that may do so.
func (a *archive) leftOut(m providers.Manifest) bool {
	for address := range a.env.Keepers {
		if art, ok := m.Artifact(address); !ok || art.Life != providers.External {
			return false
		}
	}
	return len(a.env.Keepers) > 0
}

func (a *archive) addresses() []string { return slices.Sorted(maps.Keys(a.env.Keepers)) }

// List implements providers.Archiver.
func (a *archive) List(ctx context.Context) ([]providers.Manifest, []providers.Finding, error) {
	manifests := map[providers.BackupID]providers.Manifest{}
	holders := map[providers.BackupID][]string{}
	var r providers.Report
	for _, address := range a.addresses() {
		list, findings, err := a.env.Keepers[address].List(ctx)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", address, err)
		}
		r.Findings = append(r.Findings, findings...)
		for _, m := range list {
			manifests[m.ID] = with(manifests[m.ID], m)
			holders[m.ID] = append(holders[m.ID], address)
		}
	}
	var out []providers.Manifest
	for id, m := range manifests {
		if gone := a.missing(m, holders[id]); len(gone) > 0 {
			r.Add(lacks(id, gone))
			continue
		}
		m.Stored = []providers.Stored{a.stored(m, holders[id])} // a storage may know of the backup, and not of us
		out = append(out, m)
	}
	slices.SortFunc(out, func(x, y providers.Manifest) int { return y.ID.Time().Compare(x.ID.Time()) })
	return out, r.Findings, nil
}

// missing are the native artifacts of m that no holder has.
func (a *archive) missing(m providers.Manifest, holders []string) []string {
	var out []string
	for _, art := range m.Artifacts {
		if art.Life == providers.Native && !slices.Contains(holders, art.Address) {
			out = append(out, art.Address)
		}
	}
	return out
}

func lacks(id providers.BackupID, gone []string) *problem.Problem {
	return problem.New(incomplete, fmt.Sprintf("%s: the storage has no snapshot of %s", id, strings.Join(gone, ", ")), anotherRemedy)
}

// Verify asks every storage for its part. That the bytes are right only the
// storage knows.
func (a *archive) Verify(ctx context.Context, b providers.BackupID) ([]providers.Finding, error) {
	var r providers.Report
	var there, gone []string
	for _, address := range a.addresses() {
		findings, err := a.env.Keepers[address].Verify(ctx, b)
		switch {
		case errors.Is(err, providers.ErrNotFound):
			gone = append(gone, address)
			continue
		case err != nil:
			return nil, fmt.Errorf("%s: %w", address, err)
		}
		there = append(there, address)
		r.Findings = append(r.Findings, findings...)
	}
	if len(there) == 0 {
		return nil, fmt.Errorf("%w: %s", providers.ErrNotFound, b)
	}
	if m, err := a.find(ctx, b); err == nil {
		gone = a.missing(m, there)
	}
	if len(gone) > 0 {
		r.Add(lacks(b, gone))
	}
	if !r.Failed() {
		r.Add(problem.Warn(noDigests, "of "+string(b)+" it is known that its snapshots are there, and not that each byte is right",
			"prove it by a restore on trial:\n\n    bkp verify --drill "+string(b)))
	}
	return r.Findings, nil
}

// Fetch implements providers.Archiver. A strategy restores from its snapshot
// itself.
func (a *archive) Fetch(ctx context.Context, b providers.BackupID, _ func(providers.Artifact) string) (providers.Manifest, error) {
	return a.find(ctx, b)
}

func (a *archive) find(ctx context.Context, b providers.BackupID) (providers.Manifest, error) {
	list, _, err := a.List(ctx)
	if err != nil {
		return providers.Manifest{}, err
	}
	for _, m := range list {
		if m.ID == b {
			return m, nil
		}
	}
	return providers.Manifest{}, fmt.Errorf("%w: %s", providers.ErrNotFound, b)
}

// Delete removes the snapshots of b in every storage. What is half removed is on no list, so it is
// noted before.
func (a *archive) Delete(ctx context.Context, b providers.BackupID) error {
	if _, err := providers.ParseBackupID(string(b)); err != nil {
		return err
	}
	if err := a.note(b); err != nil {
		return err
	}
	if err := a.deleteAll(ctx, b); err != nil {
		return err
	}
	return a.forget(b)
}

func (a *archive) deleteAll(ctx context.Context, b providers.BackupID) error {
	var failed error
	for _, address := range a.addresses() {
		if err := a.env.Keepers[address].Delete(ctx, b); err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", address, err))
		}
	}
	return failed
}

// Discard implements providers.Archiver. What is tagged of a backup that is not
// complete belongs to the backup, which can be resumed. What an interrupted Delete left goes.
func (a *archive) Discard(ctx context.Context, _ providers.BackupID) error { return a.resume(ctx) }
