package awssnapshots

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/internal/aws"
	"bkp/providers/internal/mark"
)

const (
	// tagManifest begins the tags with the manifest of a complete backup, in pieces;
	// pieceSize is what fits into one with room for its number, and mostPieces what fits
	// beside the other tags.
	tagManifest = "bkp:copied."
	pieceSize   = 240
	mostPieces  = 30
	// tagDoomed is of copies that are being deleted: their backup is none any more, if one of them
	// has it. tagNeedless is of one that is of no backup, and that could not be deleted yet.
	tagDoomed   = "bkp:doomed"
	tagNeedless = "bkp:needless"
)

const nothingToCopy = "nothing to copy"

type archive struct {
	providers.InPlace

	config Config
	env    providers.Env
	to     *aws.Client
	// patience is for how long what no block takes is looked for.
	patience time.Duration

	mu sync.Mutex
	// passed are the kinds that no block takes, and that could not be looked for.
	passed map[aws.Kind]error
}

func open(c Config, env providers.Env) *archive {
	return &archive{config: c, env: env, to: aws.New(c.Access), patience: patience, passed: map[aws.Kind]error{}}
}

var (
	_ providers.Archiver = (*archive)(nil)
	_ providers.Chooser  = (*archive)(nil)
)

// sources are the strategies whose snapshots can be copied, by address.
func (a *archive) sources() map[string]aws.Copyable {
	out := map[string]aws.Copyable{}
	for address, k := range a.env.Keepers {
		if c, ok := providers.As[aws.Copyable](k); ok {
			out[address] = c
		}
	}
	return out
}

func (a *archive) addresses() []string { return slices.Sorted(maps.Keys(a.sources())) }

// Keeps implements providers.Chooser.
func (a *archive) Keeps(address string) bool {
	_, ok := a.sources()[address]
	return ok
}

func (a *archive) copies(k aws.Kind) bool {
	return slices.ContainsFunc(slices.Collect(maps.Values(a.sources())), func(s aws.Copyable) bool { return s.Kind() == k })
}

// Reserve implements providers.Archiver: an id is taken if there are copies of it, also
// if this state folder does not know it.
func (a *archive) Reserve(ctx context.Context, b providers.BackupID) error {
	if _, err := a.find(ctx, b); err == nil {
		return fmt.Errorf("%w: there are copies of %s", providers.ErrTaken, b)
	}
	return nil
}

// Check implements providers.Archiver.
func (a *archive) Check(ctx context.Context, _ providers.Estimate) (providers.Report, error) {
	r := providers.Report{Does: map[providers.Verb]string{}}
	if len(a.sources()) == 0 {
		r.Add(problem.New(nothingToCopy, "no strategy of the instance takes snapshots of Amazon", "remove "+a.env.Address+" from archives, or declare a strategy that does"))
		return r, nil
	}
	for _, address := range slices.Sorted(maps.Keys(a.env.Keepers)) {
		if _, ok := a.sources()[address]; !ok {
			r.Add(problem.Warn("part is not copied", address+" takes snapshots that are none of Amazon's volumes or databases", `declare archive "snapshots" besides, which keeps them where they are`))
		}
	}
	place, err := a.check(ctx, &r)
	if err == nil {
		r.Does[providers.Store] = "copy the snapshots of " + strings.Join(a.addresses(), ", ") + " to " + place
		r.Does[providers.Restore] = "restore from the snapshots, or from their copies in " + place
		return r, nil
	}
	var p *problem.Problem
	if !errors.As(err, &p) {
		return r, err
	}
	r.Add(p)
	return r, nil
}

func (a *archive) check(ctx context.Context, r *providers.Report) (place string, err error) {
	there, err := a.place(ctx, a.to)
	if err != nil {
		return "", err
	}
	for _, address := range a.addresses() {
		s := a.sources()[address]
		if err := s.Copyable(); err != nil {
			return "", err
		}
		here, err := a.place(ctx, aws.New(s.Access()))
		if err != nil {
			return "", err
		}
		if here == there {
			return "", problem.New("copies would be where the originals are", fmt.Sprintf("%s and %s both are in %s", address, a.env.Address, here), "set another region in "+a.env.Address+", or assume_role with a role of another account")
		}
		if a.config.Lock != nil && s.Kind() != aws.Volumes {
			r.Add(problem.Warn("copies of a database are not locked", "Amazon has a lock for snapshots of volumes alone, and not for those of "+address, "let nobody delete snapshots of databases in "+there+" but the role of bkp"))
		}
	}
	_, findings, err := a.List(ctx)
	r.Findings = append(r.Findings, findings...)
	return there, err
}

// place is how an operator knows where a client looks.
func (*archive) place(ctx context.Context, c *aws.Client) (string, error) {
	region, err := c.Region(ctx)
	if err != nil {
		return "", err
	}
	account, err := c.Account(ctx)
	return region + " of account " + account, err
}

// Store implements providers.Archiver.
func (a *archive) Store(ctx context.Context, m providers.Manifest, _ providers.Records) (providers.Stored, error) {
	if err := a.sweep(ctx); err != nil {
		return providers.Stored{}, err
	}
	place, err := a.place(ctx, a.to)
	if err != nil {
		return providers.Stored{}, err
	}
	stored := providers.Stored{Archive: a.env.Address, Location: "snapshots in " + place, Native: true, Elsewhere: true, Parts: map[string]providers.Part{}}
	all, err := a.copyAll(ctx, m, stored.Parts)
	if err != nil {
		return stored, err
	}
	if len(all) == 0 {
		return stored, problem.New(nothingToCopy, string(m.ID)+" holds no snapshot of Amazon", "declare an archive that keeps what it holds")
	}
	if err := a.keep(ctx, m, stored, all); err != nil {
		return stored, err
	}
	return stored, a.to.LockSnapshots(ctx, volumesOf(all), a.config.Lock)
}

// copyAll copies every component of m, all at the same time, and enters what it made in
// parts.
func (a *archive) copyAll(ctx context.Context, m providers.Manifest, parts map[string]providers.Part) ([]aws.Original, error) {
	var mu sync.Mutex
	var all []aws.Original
	g, inGroup := errgroup.WithContext(ctx)
	for address, source := range a.sources() {
		art, ok := m.Artifact(address)
		if !ok || len(art.Ref) == 0 || art.Life != providers.Native && art.Life != providers.Staged {
			continue
		}
		g.Go(func() error {
			made, err := a.copyOne(inGroup, m.ID, source, art)
			if err != nil {
				return fmt.Errorf("copy %s: %w", address, err)
			}
			mu.Lock()
			defer mu.Unlock()
			parts[address] = partOf(made)
			all = append(all, made...)
			return nil
		})
	}
	return all, g.Wait()
}

func (a *archive) copyOne(ctx context.Context, b providers.BackupID, source aws.Copyable, art providers.Artifact) ([]aws.Original, error) {
	of, err := source.Originals(ctx, art)
	if err != nil {
		return nil, err
	}
	t := aws.Transfer{
		From: aws.New(source.Access()), To: a.to, Backup: b, Part: art.Address, Holder: a.env.Address, Maker: a.maker(),
		VolumeKey: a.config.Keys.Volumes, DatabaseKey: a.config.Keys.Databases, Minutes: int32(a.config.CompletionMinutes),
	}
	copies, err := t.Run(ctx, of)
	var out []aws.Original
	for _, c := range copies {
		out = append(out, c.Original)
	}
	return out, err
}

func partOf(made []aws.Original) providers.Part {
	var out providers.Part
	for _, o := range made {
		out.Objects = append(out.Objects, providers.Object{Name: o.ID})
	}
	return out
}

func volumesOf(all []aws.Original) []string {
	var out []string
	for _, o := range all {
		if o.Kind == aws.Volumes {
			out = append(out, o.ID)
		}
	}
	return out
}

// keep tags all copies with the manifest, which makes them a backup.
func (a *archive) keep(ctx context.Context, m providers.Manifest, stored providers.Stored, all []aws.Original) error {
	m = m.With(stored)
	m.Stored = []providers.Stored{stored} // nothing is known there of other archives
	m.Artifacts = slices.Clone(m.Artifacts)
	for i := range m.Artifacts {
		m.Artifacts[i].Trees = nil
	}
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	cut := mark.Pieces(text, pieceSize)
	if len(cut) > mostPieces {
		return problem.New("manifest is too large for tags", fmt.Sprintf("it takes %d tags, and %d are free", len(cut), mostPieces), "leave fewer patterns in exclude, and fewer data stores")
	}
	tags := map[string]string{}
	for i, piece := range cut {
		tags[fmt.Sprintf("%s%02d", tagManifest, i)] = piece
	}
	databases := slices.DeleteFunc(slices.Clone(all), func(o aws.Original) bool { return o.Kind == aws.Volumes })
	volumes := slices.DeleteFunc(slices.Clone(all), func(o aws.Original) bool { return o.Kind != aws.Volumes })
	if err := a.to.TagCopies(ctx, databases, tags); err != nil {
		return err
	}
	maps.Copy(tags, a.config.Lock.Due())
	return a.to.TagCopies(ctx, volumes, tags)
}

// Delete implements providers.Archiver. The copies are marked first, so that what an
// interrupted Delete leaves counts as no backup; the next Store or Discard removes it.
func (a *archive) Delete(ctx context.Context, b providers.BackupID) error {
	if _, err := providers.ParseBackupID(string(b)); err != nil {
		return err
	}
	mine, err := a.mine(ctx)
	if err != nil {
		return err
	}
	var of []aws.Original
	for _, c := range mine {
		if c.Tags[aws.TagCopy] == string(b) {
			of = append(of, c.Original)
		}
	}
	if len(of) == 0 {
		return nil
	}
	if err := a.to.Unlocked(ctx, volumesOf(of)); err != nil {
		return err
	}
	if err := a.to.TagCopies(ctx, of, map[string]string{tagDoomed: "yes"}); err != nil {
		return err
	}
	var left error
	for _, o := range of {
		left = errors.Join(left, a.to.DeleteCopy(ctx, o))
	}
	return left
}

// sweep removes what an interrupted Delete left, and locks what an interrupted Store did not.
// What cannot be done now, such as to delete what an image uses, is for a later one, and stops no
// run.
func (a *archive) sweep(ctx context.Context) error {
	mine, err := a.mine(ctx)
	if err != nil {
		return err
	}
	var left error
	due := map[string]map[string]string{}
	doomed := doomedOf(mine)
	for _, c := range mine {
		switch {
		case doomed[c.Tags[aws.TagCopy]] || c.Tags[tagNeedless] != "" && manifestOf(c) == nil && c.Tags[aws.TagMaker] == a.maker():
			left = errors.Join(left, a.to.DeleteCopy(ctx, c.Original))
		case c.Kind == aws.Volumes && c.Tags[aws.TagMaker] == a.maker():
			due[c.ID] = c.Tags
		}
	}
	if a.config.Lock != nil {
		left = errors.Join(left, a.to.LockDue(ctx, due))
	}
	if left != nil && ctx.Err() == nil {
		a.env.Warning(fmt.Sprintf("copies of earlier runs could not be removed or locked, which the next run tries again: %v", left))
		return nil
	}
	return left
}

// maker is this state folder's, in the tags of copies.
func (a *archive) maker() string { return mark.Owner(a.env.WorkDir) }

// drop deletes copies of no backup. RDS deletes none that it is still making: that one is
// marked, and a later sweep deletes it.
func (a *archive) drop(ctx context.Context, of []aws.Original) error {
	var left error
	for _, o := range of {
		err := a.to.DeleteCopy(ctx, o)
		if aws.StillMade(err) {
			err = a.to.TagCopies(ctx, []aws.Original{o}, map[string]string{tagNeedless: "yes"})
		}
		left = errors.Join(left, err)
	}
	return left
}

// Discard implements providers.Archiver.
func (a *archive) Discard(ctx context.Context, b providers.BackupID) error {
	for _, address := range a.addresses() {
		s := a.sources()[address]
		err := aws.New(s.Access()).EndSharing(ctx, s.Kind(), a.maker(), func(c aws.Copy) bool { return c.Tags[aws.TagBackup] == string(b) })
		if err != nil {
			return err
		}
	}
	if err := a.sweep(ctx); err != nil {
		return err
	}
	mine, err := a.mine(ctx)
	if err != nil {
		return err
	}
	var of []aws.Original
	for _, c := range mine {
		if c.Tags[aws.TagCopy] == string(b) && c.Tags[aws.TagMaker] == a.maker() && c.Tags[tagNeedless] == "" && !slices.ContainsFunc(mine, isKept(b)) {
			of = append(of, c.Original)
		}
	}
	return a.drop(ctx, of)
}

// isKept reports whether a copy has the manifest of b.
func isKept(b providers.BackupID) func(aws.Copy) bool {
	return func(c aws.Copy) bool { return c.Tags[aws.TagCopy] == string(b) && manifestOf(c) != nil }
}
