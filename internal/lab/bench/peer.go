package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strings"

	"bkp/internal/host"
	"bkp/internal/problem"
)

const peerScript = "bitbucket.diy-backup.sh"

// peerMethod is Atlassian's own scripts, from a checkout that is copied: their
// configuration lies beside them.
func peerMethod(s *site, checkout string) (*method, error) {
	if _, err := os.Stat(filepath.Join(checkout, peerScript)); err != nil {
		return nil, problem.Wrap(err, "not a checkout of Atlassian's scripts", "give the folder that holds "+peerScript)
	}
	// What else they call they look for themselves, curl and jq among it.
	if _, err := (&host.Host{}).LookPath("bash"); err != nil {
		return nil, err
	}
	dir := filepath.Join(s.dir, "scripts")
	program, archives := filepath.Join(dir, "program"), filepath.Join(dir, "archives")
	if err := copyScripts(checkout, program); err != nil {
		return nil, err
	}
	me, err := user.Current()
	if err != nil {
		return nil, err
	}
	vars := filepath.Join(program, "bitbucket.diy-backup.vars.sh")
	if err := os.WriteFile(vars, []byte(s.peerSettings(dir, archives, me)), 0o600); err != nil {
		return nil, err
	}
	m := &method{
		// Exit code 24 of rsync, a file that vanished, fails their live pass.
		name: "Atlassian's scripts", dir: dir, archives: archives, peer: true, attempts: 5,
		process: process{argv: []string{"bash", filepath.Join(program, peerScript)}, dir: program},
	}
	m.restore = func(ctx context.Context, home, database string) error {
		return unpack(ctx, s, archives, home, database)
	}
	return m, nil
}

// copyScripts copies the scripts and nothing else of the checkout.
func copyScripts(from, to string) error {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || !strings.HasSuffix(e.Name(), ".sh") {
			continue
		}
		text, err := fs.ReadFile(os.DirFS(from), e.Name())
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, e.Name()), text, 0o700); err != nil {
			return err
		}
	}
	return nil
}

// peerSettings is their bitbucket.diy-backup.vars.sh.
func (s *site) peerSettings(dir, archives string, me *user.User) string {
	root := filepath.Join(dir, "root")
	var b strings.Builder
	for _, v := range [][2]string{
		{"INSTANCE_NAME", "bench"}, {"INSTANCE_TYPE", "bitbucket-dc"}, {"BITBUCKET_URL", s.url},
		{"BITBUCKET_UID", me.Uid}, {"BITBUCKET_GID", me.Gid}, {"BITBUCKET_HOME", s.homeDir() + "/"},
		{"BITBUCKET_BACKUP_USER", administrator}, {"BITBUCKET_BACKUP_PASS", administrator},
		{"BACKUP_DISK_TYPE", "rsync"}, {"BACKUP_DATABASE_TYPE", "postgresql"}, {"BACKUP_ARCHIVE_TYPE", "tar"}, {"BACKUP_ELASTICSEARCH_TYPE", ""},
		{"BITBUCKET_DB", liveDatabase}, {"POSTGRES_HOST", s.pg.Host()}, {"POSTGRES_PORT", fmt.Sprint(s.pg.Port())}, {"POSTGRES_USERNAME", s.pg.User()},
		{"export PGPASSWORD", s.pg.Password()},
		{"BITBUCKET_BACKUP_ROOT", root}, {"BITBUCKET_BACKUP_DB", filepath.Join(root, "bitbucket-db") + "/"},
		{"BITBUCKET_BACKUP_HOME", filepath.Join(root, "bitbucket-home") + "/"},
		{"BITBUCKET_BACKUP_DATA_STORES", filepath.Join(root, "bitbucket-data-stores") + "/"},
		{"BITBUCKET_BACKUP_ARCHIVE_ROOT", archives}, {"CURL_OPTIONS", "-L -s -f"}, {"BITBUCKET_VERBOSE_BACKUP", "false"}, {"KEEP_BACKUPS", "0"},
	} {
		fmt.Fprintf(&b, "%s='%s'\n", v[0], strings.ReplaceAll(v[1], "'", `'\''`))
	}
	b.WriteString("BITBUCKET_DATA_STORES=()\nBITBUCKET_BACKUP_EXCLUDE_REPOS=()\n")
	return b.String()
}

// unpack restores what the article's method and the scripts leave behind: an
// archive of a home and of a dump by pg_dump.
func unpack(ctx context.Context, s *site, archives, home, database string) (err error) {
	found, err := filepath.Glob(filepath.Join(archives, "*.tar.gz"))
	if err != nil || len(found) != 1 {
		return fmt.Errorf("%d archives in %s, not one: %w", len(found), archives, err)
	}
	root := home + ".root"
	defer func() { _ = os.RemoveAll(root) }()
	if err := os.MkdirAll(root, 0o700); err != nil {
		return err
	}
	if err := s.pg.CreateDatabase(ctx, database); err != nil {
		return err
	}
	h := &host.Host{}
	if _, err := h.Run(ctx, host.Command{Name: "tar", Args: []string{"-C", root, "-xzf", found[0]}}); err != nil {
		return err
	}
	_, err = h.Run(ctx, host.Command{
		Name: "pg_restore", Env: []string{"PGPASSWORD=" + s.pg.Password()},
		Args: []string{"-h", s.pg.Host(), "-p", fmt.Sprint(s.pg.Port()), "-U", s.pg.User(), "-j", "2", "-d", database, filepath.Join(root, "bitbucket-db")},
	})
	if err != nil {
		return err
	}
	restored := filepath.Join(root, "bitbucket-home")
	// The scripts leave one of them in the backup, the article the other.
	for _, lock := range []string{".lock", "shared/.lock"} {
		if err := os.RemoveAll(filepath.Join(restored, filepath.FromSlash(lock))); err != nil {
			return err
		}
	}
	return os.Rename(restored, home)
}
