package rds

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/internal/aws"
)

const (
	// tagKept is of a snapshot that is kept. Followed by a backup's id, it is of the database, and of
	// a point in time that is kept.
	tagKept = "bkp:kept"
	// mostTags is how many a database may have, with some left for others.
	mostTags = 45
)

// kept is a backup as its tag has it.
type kept struct {
	id       providers.BackupID
	address  string
	at       time.Time
	snapshot string
	url      string
	version  string
}

// note is what the tag of a backup says. RDS takes letters, digits and a few signs.
func note(m providers.Manifest, a providers.Artifact) string {
	return strings.TrimSpace(fmt.Sprintf("%s %s %s %s", cmp.Or(a.Ref[refTime], a.PointInTime.UTC().Format(time.RFC3339)), a.Address, m.URL, m.BitbucketVersion))
}

// parse reads a note.
func parse(id, text string) (kept, bool) {
	b, err := providers.ParseBackupID(id)
	fields := strings.Fields(text)
	if err != nil || len(fields) < 2 {
		return kept{}, false
	}
	at, err := time.Parse(time.RFC3339, fields[0])
	k := kept{id: b, at: at, address: fields[1]}
	if len(fields) > 2 {
		k.url = fields[2]
	}
	if len(fields) > 3 {
		k.version = fields[3]
	}
	return k, err == nil
}

// all are the kept backups of the database and this block, with the database; it has no
// name if it is gone.
func (s *Strategy) all(ctx context.Context) (out []kept, d aws.Database, err error) {
	d, found, err := s.calls().Find(ctx, s.config.Database)
	if err != nil {
		return nil, d, err
	}
	if found {
		for key, text := range d.Tags {
			if id, ok := strings.CutPrefix(key, tagKept+":"); ok {
				if k, ok := parse(id, text); ok && k.address == s.env.Address {
					out = append(out, k)
				}
			}
		}
	}
	list, err := s.calls().Snapshots(ctx, s.config.Database)
	if err != nil {
		return nil, d, err
	}
	for _, one := range list {
		if k, ok := parse(one.Tags[tagBackup], one.Tags[tagKept]); ok && k.address == s.env.Address {
			k.snapshot = one.ID
			out = append(out, k)
		}
	}
	slices.SortFunc(out, func(a, b kept) int { return b.id.Time().Compare(a.id.Time()) })
	return out, d, nil
}

// Keep implements providers.Keeper.
func (s *Strategy) Keep(ctx context.Context, m providers.Manifest, a providers.Artifact) (providers.Artifact, error) {
	d, err := s.database(ctx)
	if err != nil {
		return a, err
	}
	if name := a.Ref[refSnapshot]; name != "" {
		list, err := s.calls().Snapshots(ctx, s.config.Database)
		if err != nil {
			return a, err
		}
		i := slices.IndexFunc(list, func(one aws.DatabaseSnapshot) bool { return one.ID == name })
		if i < 0 {
			return a, gone(name)
		}
		a.Life = providers.Native
		return a, s.aws.TagDatabase(ctx, list[i].ARN, map[string]string{tagKept: note(m, a)})
	}
	key := tagKept + ":" + string(m.ID)
	if _, there := d.Tags[key]; !there && len(d.Tags) >= mostTags {
		return a, problem.New("database has too many tags", fmt.Sprintf("%s has %d, one for each backup that is kept as a point in time", d.ID, len(d.Tags)), "let retention keep fewer backups, and run bkp prune")
	}
	a.Life = providers.Native
	return a, s.aws.TagDatabase(ctx, d.ARN, map[string]string{key: note(m, a)})
}

// List implements providers.Shelf. A note says less than a manifest: the other parts of the backup
// have that.
func (s *Strategy) List(ctx context.Context) ([]providers.Manifest, []providers.Finding, error) {
	all, d, err := s.all(ctx)
	if err != nil {
		return nil, nil, err
	}
	var r providers.Report
	var out []providers.Manifest
	for _, k := range all {
		if name := s.env.Instance.Name; name != "" && k.id.Instance() != name {
			continue
		}
		if expired(k, d) {
			r.Add(problem.Warn("point in time has expired", fmt.Sprintf("%s of %s: RDS keeps %d days", k.id, d.ID, d.Retention), "let retention remove the backup, or keep the database's past for longer in RDS"))
			continue
		}
		out = append(out, s.manifest(k, d))
	}
	return out, r.Findings, nil
}

// expired reports whether RDS has forgotten a point in time.
func expired(k kept, d aws.Database) bool {
	return k.snapshot == "" && k.at.Before(time.Now().AddDate(0, 0, -d.Retention))
}

func (s *Strategy) manifest(k kept, d aws.Database) providers.Manifest {
	a := providers.Artifact{
		Address: s.env.Address, Strategy: s.config.Name, Life: providers.Native, PointInTime: k.at,
		Ref: map[string]string{refBackup: string(k.id), refInstance: s.config.Database, refResource: d.Resource},
	}
	if k.snapshot != "" {
		a.Ref[refSnapshot] = k.snapshot
	} else {
		a.Ref[refTime] = k.at.Format(time.RFC3339)
	}
	return providers.Manifest{
		Format: providers.ManifestFormat, ID: k.id, Instance: k.id.Instance(), URL: k.url, BitbucketVersion: k.version, Created: k.id.Time(), Artifacts: []providers.Artifact{a},
	}
}

// Verify implements providers.Shelf.
func (s *Strategy) Verify(ctx context.Context, b providers.BackupID) ([]providers.Finding, error) {
	all, d, err := s.all(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(k kept) bool { return k.id == b })
	if i < 0 {
		return nil, fmt.Errorf("%w: %s", providers.ErrNotFound, b)
	}
	if expired(all[i], d) {
		return []providers.Finding{*problem.New("point in time has expired", fmt.Sprintf("%s of %s: RDS keeps %d days", b, d.ID, d.Retention), "restore another backup")}, nil
	}
	return nil, nil
}

// Delete implements providers.Shelf.
func (s *Strategy) Delete(ctx context.Context, b providers.BackupID) error {
	all, d, err := s.all(ctx)
	if err != nil {
		return err
	}
	for _, k := range all {
		switch {
		case k.id != b:
		case k.snapshot != "":
			err = s.calls().DeleteSnapshot(ctx, k.snapshot)
		default:
			err = s.aws.UntagDatabase(ctx, d.ARN, tagKept+":"+string(b))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
