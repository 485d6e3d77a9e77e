package tar

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bkp/internal/problem"
	"bkp/providers"
)

// Config is the block archive "tar".
type Config struct {
	providers.Retained

	Destination string `hcl:"destination" help:"folder in which the archives are kept" example:"/backup/archives"`
	Compression string `hcl:"compression,optional" help:"zstd, gzip or none"`
	Level       int    `hcl:"level,optional" help:"compression level: 1 to 22 for zstd, 1 to 9 for gzip" unset:"the compressor's own choice"`
}

// Definition describes the strategy.
func Definition() providers.Definition {
	return providers.Define(providers.Archives, "tar", "one compressed tar file a backup, in a folder",
		Config{Compression: "zstd"},
		func(cfg Config, env providers.Env) (providers.Archiver, error) {
			destination, err := filepath.Abs(cfg.Destination)
			if err != nil {
				return nil, err
			}
			cfg.Destination = destination
			return &archive{cfg: cfg, env: env}, nil
		})
}

// Destination implements providers.Located.
func (a *archive) Destination() string { return a.cfg.Destination }

var _ providers.Located = (*archive)(nil)

// ValidateConfig implements providers.ConfigValidator.
func (c *Config) ValidateConfig() []providers.ConfigProblem {
	var out []providers.ConfigProblem
	if c.Destination == "" {
		out = append(out, providers.ConfigProblem{Attribute: "destination", Summary: "value missing", Detail: "destination is empty", Remedy: "name a folder, best on another machine's disk"})
	}
	f, ok := formats[c.Compression]
	if !ok {
		out = append(out, providers.ConfigProblem{
			Attribute: "compression", Summary: "unknown compression",
			Detail: fmt.Sprintf("there is no compression %q", c.Compression), Remedy: `give one of "zstd", "gzip" and "none"`,
		})
	}
	if ok && (c.Level < 0 || c.Level > f.maxLevel) {
		out = append(out, providers.ConfigProblem{
			Attribute: "level", Summary: "invalid compression level",
			Detail: fmt.Sprintf("%s has no level %d", c.Compression, c.Level), Remedy: fmt.Sprintf("give one from 1 to %d, or leave it out", f.maxLevel),
		})
	}
	return out
}

type archive struct {
	cfg Config
	env providers.Env
	// fault is asked before each file is read, nil for nothing. For tests.
	fault func(name string) error
}

var _ providers.Archiver = (*archive)(nil)

const manifestSuffix = ".manifest.json"

func (a *archive) manifestPath(b providers.BackupID) string {
	return filepath.Join(a.cfg.Destination, string(b)+manifestSuffix)
}

func (a *archive) archivePath(b providers.BackupID, f format) string {
	return filepath.Join(a.cfg.Destination, string(b)+f.suffix)
}

// partialPath is where a file is written before it is renamed to path.
func partialPath(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".partial")
}

// find returns the archive of b. The configuration may have had another
// compression when it was written. What has the archive's name and is no file is
// a problem of its own: it is not missing.
func (a *archive) find(b providers.BackupID) (string, format, error) {
	if _, err := providers.ParseBackupID(string(b)); err != nil {
		return "", format{}, err
	}
	var odd error
	for _, f := range allFormats {
		path := a.archivePath(b, f)
		info, err := os.Lstat(path)
		switch {
		case err != nil:
		case info.Mode().IsRegular():
			return path, f, nil
		default:
			odd = irregular(path, info.Mode())
		}
	}
	if odd != nil {
		return "", format{}, odd
	}
	return "", format{}, fmt.Errorf("%w: %s in %s", providers.ErrNotFound, b, a.cfg.Destination)
}

// irregular refuses what stands in the place of an archive. A link is not
// followed: whoever may write to the destination could lead it anywhere.
func irregular(path string, mode fs.FileMode) error {
	if mode&fs.ModeSymlink == 0 {
		return problem.New(archiveIrregular, path+" is not a regular file", "see what it is, and bring the archive back")
	}
	return problem.New(archiveIrregular, path+" is a symbolic link, which bkp does not follow",
		"move the archive itself back, or move the manifest to where the archive is and add an archive block with that destination")
}

// entryPrefix is the folder of an artifact in the archive. Addresses with a
// key, as for_each makes them, may hold any character.
func entryPrefix(b providers.BackupID, address string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
	var name strings.Builder
	for _, c := range []byte(address) {
		if strings.IndexByte(plain, c) >= 0 {
			name.WriteByte(c)
		} else {
			fmt.Fprintf(&name, "%%%02X", c)
		}
	}
	return string(b) + "/" + name.String()
}

func manifestEntry(b providers.BackupID) string { return string(b) + "/manifest.json" }

// checkAddresses refuses artifacts that would share a folder of the archive,
// or pass for its manifest.
func checkAddresses(m providers.Manifest) error {
	var seen []string
	for _, art := range m.Artifacts {
		prefix := entryPrefix(m.ID, art.Address)
		name := strings.TrimPrefix(prefix, string(m.ID)+"/")
		if name == "" || name == "." || name == ".." || prefix == manifestEntry(m.ID) || slices.Contains(seen, prefix) {
			return fmt.Errorf("address %q is taken or impossible", art.Address)
		}
		seen = append(seen, prefix)
	}
	return nil
}
