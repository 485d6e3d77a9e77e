package tar

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
)

var _ providers.Rebuilder = (*archive)(nil)

// Rebuild implements providers.Rebuilder. What lies inside an archive tells all
// but the digest of the file itself, which is taken as it is found: each part
// has been compared with its own by then.
func (a *archive) Rebuild(ctx context.Context) ([]providers.BackupID, []providers.Finding, error) {
	entries, err := os.ReadDir(a.cfg.Destination)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, problem.Wrap(err, "archives cannot be listed", "let the user that runs bkp read the destination")
	}
	var made []providers.BackupID
	var r providers.Report
	for _, e := range entries {
		b, f, lost := a.lostManifest(e.Name())
		if !lost || !e.Type().IsRegular() {
			continue
		}
		err := a.rebuild(ctx, b, f)
		if ctx.Err() != nil {
			return made, r.Findings, context.Cause(ctx)
		}
		if err != nil {
			r.Add(problem.Wrapf(err, "manifest cannot be made again", restoreOther, "%s", a.archivePath(b, f)))
			continue
		}
		made = append(made, b)
	}
	return made, r.Findings, nil
}

func (a *archive) rebuild(ctx context.Context, b providers.BackupID, f format) error {
	path := a.archivePath(b, f)
	file, err := host.OpenRegular(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	c, err := read(ctx, file, f, b, nil, func(string) (handler, error) { return skip{}, nil })
	if err != nil {
		return err
	}
	if !c.sealed {
		return errors.New("the manifest inside has no checksum of its own")
	}
	if c.manifest.ID != b {
		return fmt.Errorf("it is backup %s", c.manifest.ID)
	}
	var r providers.Report
	compareParts(&r, c.manifest, c)
	if len(r.Findings) > 0 {
		return &r.Findings[0]
	}
	m := c.manifest
	m.Stored = []providers.Stored{{Archive: a.env.Address, Location: path, Bytes: c.bytes, SHA256: c.sha256}}
	data, err := seal(m)
	if err != nil {
		return err
	}
	return writeFile(a.manifestPath(b), data)
}
