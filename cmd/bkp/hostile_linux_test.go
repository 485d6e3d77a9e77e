package main

import (
	"archive/tar"
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bkp/internal/cli"
	"bkp/providers"
	"bkp/providers/providertest"
)

// restoreForged restores a forgery with the command itself, in a folder with
// more beside it than the target, and returns what that folder held before.
func restoreForged(t *testing.T, f forgery) (dir string, before map[string]string, code int, said string) {
	t.Helper()
	dir = t.TempDir()
	for _, d := range []string{"archives", "outside/folder", "targets"} {
		check(t, os.MkdirAll(filepath.Join(dir, d), 0o755))
	}
	check(t, os.WriteFile(filepath.Join(dir, "outside", "secret"), []byte("mine"), 0o600),
		os.WriteFile(filepath.Join(dir, "main.bkp.hcl"), []byte(forgedConfig), 0o600))
	f.write(t, filepath.Join(dir, "archives"))
	before = providertest.Tree(t, dir)
	var out bytes.Buffer
	t.Chdir(dir)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	code = cli.Run(ctx, []string{"restore", string(forgedID), "--home", filepath.Join(dir, "targets", "home"), "--auto-approve", "--no-color"},
		cli.IO{In: &bytes.Buffer{}, Out: &out, Err: &out, Hurry: context.Background()})
	return dir, before, code, strings.Join(strings.Fields(out.String()), " ")
}

const forgedConfig = `
bkp { state_dir = "state" }
instance "prod" {
  url      = "http://127.0.0.1:1"
  token    = "unused"
  home     = home.mirror.shared
  database = database.none.x
  archives = [archive.tar.local]
}
home "mirror" "shared" {
  path  = "/nowhere/home"
  owner = "12345:12346"
}
database "none" "x" {}
archive "tar" "local" { destination = "archives" }
`

func TestHostileBackupIsRefused(t *testing.T) {
	root, home := folder(top), folder(top+"/home")
	in := func(entries ...forgedEntry) forgery {
		return forgery{entries: append([]forgedEntry{root, home}, entries...)}
	}
	lie := func(about func(*providers.Part)) func(*providers.Manifest) {
		return func(m *providers.Manifest) {
			p := m.Stored[0].Parts[forgedHome]
			about(&p)
			m.Stored[0].Parts[forgedHome] = p
		}
	}
	deep := strings.Repeat(`{"x":`, 200_000) + "1" + strings.Repeat("}", 200_000)
	for name, c := range map[string]struct {
		forgery
		want string
	}{
		// Names.
		"parent":                  {in(file(top+"/../../escaped", "x")), "its name leads elsewhere"},
		"parent in the middle":    {in(file(top+"/home/a/../../../../escaped", "x")), "its name leads elsewhere"},
		"absolute":                {in(file("/tmp/escaped", "x")), "it is not below " + string(forgedID)},
		"another id":              {in(file("prod-20261122T214432Z/home/escaped", "x")), "it is not below " + string(forgedID)},
		"a dot":                   {in(file(top+"/./escaped", "x")), "its name leads elsewhere"},
		"an empty name":           {in(file(top+"//escaped", "x")), "its name leads elsewhere"},
		"a NUL":                   {in(rawFile("path=" + top + "/home/a\x00b")), "tar: invalid tar header"},
		"64 KB of name":           {in(file(top+"/home/"+strings.Repeat("n", 64<<10), "x")), "file name too long"},
		"a path of 64 KB":         {in(file(top+"/home/"+strings.Repeat("n/", 32<<10)+"n", "x")), "its folder is not there"},
		"records without an end":  {in(forgedEntry{raw: bytes.Repeat(paxBlocks("comment="+strings.Repeat("c", 900<<10)), 8)}), "a header has more than"},
		"a record of 2 MB":        {in(rawFile("path=" + strings.Repeat("p", 2<<20))), "tar:"},
		"an unknown record":       {in(record("LIBARCHIVE.creationtime", "1")), "which no backup has"},
		"records for all":         {in(forgedEntry{Header: tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: top + "/g", PAXRecords: map[string]string{"path": top + "/home/../../x"}}}), "its type 'g' is not known"},
		"a name of another entry": {in(file(top+"/home/a", "x"), rawFile("path="+top+"/home/a")), "out of order"},

		// Links.
		"through a link":               {in(link(tar.TypeSymlink, top+"/home/a", "../../../outside"), file(top+"/home/a/escaped", "x")), "its folder is not there"},
		"through an absolute link":     {in(link(tar.TypeSymlink, top+"/home/a", "/"), file(top+"/home/a/escaped", "x")), "its folder is not there"},
		"through a link to inside":     {in(folder(top+"/home/a"), link(tar.TypeSymlink, top+"/home/b", "a"), file(top+"/home/b/x", "x")), "its folder is not there"},
		"a link, then a folder":        {in(link(tar.TypeSymlink, top+"/home/a", "/"), folder(top+"/home/a")), "out of order"},
		"a file over a link":           {in(link(tar.TypeSymlink, top+"/home/a", "../../../outside/secret"), file(top+"/home/a", "x")), "out of order"},
		"the home is a link":           {forgery{entries: []forgedEntry{root, link(tar.TypeSymlink, top+"/home", "../../outside")}}, "backup holds no home"},
		"the home is a link in itself": {forgery{entries: []forgedEntry{root, folder(top + "/elsewhere"), link(tar.TypeSymlink, top+"/home", "elsewhere")}}, "backup holds no home"},
		"the home is a file":           {forgery{entries: []forgedEntry{root, file(top+"/home", "x")}}, "backup holds no home"},
		"the artifact is a link":       {forgery{entries: []forgedEntry{link(tar.TypeSymlink, top, "/"), file(top+"/home", "x")}}, "out of order"},
		"hard link outside":            {in(link(tar.TypeLink, top+"/home/a", "/etc/hostname")), "outside its artifact"},
		"hard link above":              {in(link(tar.TypeLink, top+"/home/a", top+"/../../outside/secret")), "outside its artifact"},
		"hard link to another part":    {in(link(tar.TypeLink, top+"/home/a", string(forgedID)+"/database.none.x/a")), "outside its artifact"},
		"hard link to nothing":         {in(link(tar.TypeLink, top+"/home/a", top+"/home/b")), "no such file"},
		"hard link to a link":          {in(link(tar.TypeSymlink, top+"/home/a", "../../../outside/secret"), link(tar.TypeLink, top+"/home/b", top+"/home/a")), "which is no file of this artifact"},
		"hard link through a link":     {in(link(tar.TypeSymlink, top+"/home/a", "../../../outside"), link(tar.TypeLink, top+"/home/b", top+"/home/a/secret")), "path escapes from parent"},
		"hard link to a folder":        {in(folder(top+"/home/a"), link(tar.TypeLink, top+"/home/b", top+"/home/a")), "which is no file of this artifact"},

		// Order and types.
		"twice":             {in(file(top+"/home/a", "x"), file(top+"/home/a", "y")), "out of order"},
		"out of order":      {in(file(top+"/home/b", "x"), file(top+"/home/a", "x")), "out of order"},
		"a folder left":     {in(folder(top+"/home/a"), folder(top+"/home/b"), file(top+"/home/a/x", "x")), "its folder is not there"},
		"no folder":         {in(file(top+"/home/a/b", "x")), "its folder is not there"},
		"unknown type":      {in(forgedEntry{raw: block('Z', top+"/home/a", 0, nil)}), "is not known"},
		"content of a link": {in(forgedEntry{raw: append(block('2', top+"/home/a", 512, func(b []byte) { copy(b[157:], "x") }), make([]byte, 512)...)}), "which its type cannot have"},
		"another artifact":  {in(folder(string(forgedID)+"/home.mirror.other"), file(string(forgedID)+"/home.mirror.other/a", "x")), "it is not below " + top},
		"nothing":           {forgery{}, "it holds no tree"},
		"after the record":  {forgery{entries: []forgedEntry{root, home}, tail: []byte(strings.Repeat("x", 512))}, "behind the end of the archive"},

		// Sizes.
		"more entries than declared": {forgery{entries: []forgedEntry{root, home, file(top+"/home/a", "x")}, part: func(p *providers.Part) { p.Files = 2 }}, "more than the 2 entries"},
		"more bytes than declared":   {forgery{entries: []forgedEntry{root, home, file(top+"/home/a", "xx")}, part: func(p *providers.Part) { p.Bytes = 1 }}, "with 1 bytes that the manifest gives it"},
		"fewer bytes than declared":  {forgery{entries: []forgedEntry{root, home}, part: func(p *providers.Part) { p.Bytes = 1 }}, "and had 2 with 1"},
		"a header that promises":     {in(forgedEntry{raw: block('0', top+"/home/a", 1<<20, nil)}), "more than the 3 entries with 0 bytes"},
		"a size below zero":          {in(rawFile("size=-1")), "tar:"},
		"a size of 8 EB":             {in(rawFile("size=9223372036854775807")), "more than the 3 entries with 0 bytes"},
		"a sparse map that lies": {in(rawFile("GNU.sparse.major=0", "GNU.sparse.minor=1", "GNU.sparse.name="+top+"/home/a",
			"GNU.sparse.size=1099511627776", "GNU.sparse.numblocks=1", "GNU.sparse.map=0,0")), "which no backup has"},
		"an old sparse map": {in(forgedEntry{raw: block('S', top+"/home/a", 0, func(b []byte) { copy(b[257:], "ustar  \x00"); copy(b[483:], "77777777777\x00") })}), ""},

		// Owners, modes, attributes.
		"an owner below zero":         {in(rawFile("uid=-1")), "its owner -1 cannot be"},
		"an owner that wraps":         {in(rawFile("gid=4294967296")), "its owner 4294967296 cannot be"},
		"the owner that changes none": {in(rawFile("uid=4294967295")), "its owner 4294967295 cannot be"},
		"mode bits of a type":         {in(forgedEntry{raw: block('0', top+"/home/a", 0, func(b []byte) { copy(b[100:], "0100644\x00") })}), "its mode"},
		"trusted attribute":           {in(record("SCHILY.xattr.trusted.overlay.redirect", "/")), "which no backup has"},
		"label of a policy":           {in(record("SCHILY.xattr.security.selinux", "unconfined_u")), "which no backup has"},
		"attribute of 900 KB":         {in(record("SCHILY.xattr.user.big", strings.Repeat("x", 900<<10))), "argument list too long"},
		"capability that is none":     {in(record("SCHILY.xattr.security.capability", "junk")), "security.capability"},
		"access list that is none":    {in(record("SCHILY.xattr.system.posix_acl_access", "\x01\x02")), "posix_acl_access"},

		// The manifest beside.
		"digest of another file": {forgery{entries: []forgedEntry{root, home}, file: func(b []byte) []byte { b[0] ^= 1; return b }}, "it was written with"},
		"longer than declared":   {forgery{entries: []forgedEntry{root, home}, file: func(b []byte) []byte { return append(b, 0) }}, "it was written with"},
		"manifest damaged":       {forgery{entries: []forgedEntry{root, home}, sealed: func(b []byte) []byte { return bytes.Replace(b, []byte("prod"), []byte("Prod"), 1) }}, "does not match its own digest"},
		"format of tomorrow":     {forgery{entries: []forgedEntry{root, home}, manifest: func(m *providers.Manifest) { m.Format = 99 }}, "format 99"},
		"format below one":       {forgery{entries: []forgedEntry{root, home}, manifest: func(m *providers.Manifest) { m.Format = -1 }}, "it has the format -1"},
		"id that is a path":      {forgery{entries: []forgedEntry{root, home}, manifest: func(m *providers.Manifest) { m.ID = "../../outside" }}, "is not the id of a backup"},
		"id of another":          {forgery{entries: []forgedEntry{root, home}, manifest: func(m *providers.Manifest) { m.ID = "prod-20261122T214432Z" }}, "it is of backup prod-20261122T214432Z"},
		"folder of this machine": {forgery{manifest: func(m *providers.Manifest) {
			m.Artifacts[0] = providers.Artifact{Address: forgedHome, Trees: providers.OneTree("/etc")}
		}}, "it names the folder"},
		"address that is a path": {forgery{manifest: func(m *providers.Manifest) { m.Artifacts[0].Address = ".." }}, "and no such artifact"},
		"one address twice":      {forgery{entries: []forgedEntry{root, home}, manifest: func(m *providers.Manifest) { m.Artifacts = append(m.Artifacts, m.Artifacts[0]) }}, "is taken or impossible"},
		"counts below zero":      {forgery{entries: []forgedEntry{root, home}, manifest: lie(func(p *providers.Part) { p.Files = -1 })}, "it has -1 entries"},
		"more bytes than can be": {forgery{entries: []forgedEntry{root, home}, manifest: lie(func(p *providers.Part) { p.Bytes = 1 << 62 })}, "Not enough disk space"},
		"sums that wrap": {forgery{entries: []forgedEntry{root, home}, manifest: func(m *providers.Manifest) {
			other := m.Artifacts[0]
			other.Address = "home.mirror.other"
			m.Artifacts = append(m.Artifacts, other)
			p := m.Stored[0].Parts[forgedHome]
			p.Bytes = 1<<63 - 1
			m.Stored[0].Parts[forgedHome] = p
			p.Objects = []providers.Object{{Name: "home.mirror.other.tar", Bytes: p.Objects[0].Bytes, SHA256: p.Objects[0].SHA256}}
			m.Stored[0].Parts["home.mirror.other"] = p
		}}, "more bytes than there can be"},
		"object that is above":   {forgery{entries: []forgedEntry{root, home}, manifest: lie(func(p *providers.Part) { p.Objects[0].Name = "../outside/secret" })}, "its object cannot be"},
		"object of another part": {forgery{entries: []forgedEntry{root, home}, manifest: lie(func(p *providers.Part) { p.Objects[0].Name = "database.none.x.tar" })}, "its object cannot be"},
		"part of nothing":        {forgery{entries: []forgedEntry{root, home}, manifest: func(m *providers.Manifest) { m.Stored[0].Parts["x"] = m.Stored[0].Parts[forgedHome] }}, "and no such artifact"},
		"deep nesting":           {forgery{entries: []forgedEntry{root, home}, sealed: func([]byte) []byte { return layOut("manifest", []byte(deep)) }}, "exceeded max depth"},
		"a number too large":     {forgery{entries: []forgedEntry{root, home}, sealed: func([]byte) []byte { return layOut("manifest", []byte(`{"format": 1e400}`)) }}, "cannot unmarshal"},
		"record inside lies":     {forgery{entries: []forgedEntry{root, home}, inside: func([]byte) []byte { return []byte(deep) }}, "record inside"},

		// Bombs: each would fill a disk, or a day.
		"zstd bomb in a file":   {bomb(".tar.zst", packZstd), "more than the 3 entries with 0 bytes"},
		"gzip bomb in a file":   {bomb(".tar.gz", packGzip), "more than the 3 entries with 0 bytes"},
		"zstd bomb at the end":  {forgery{suffix: ".tar.zst", entries: []forgedEntry{root, home}, tail: make([]byte, 64<<20), pack: packZstd}, "behind the end of the archive"},
		"zstd window of 256 MB": {forgery{suffix: ".tar.zst", entries: []forgedEntry{root, home}, pack: hugeWindow}, "window size exceeded"},
		"no zstd at all":        {forgery{suffix: ".tar.zst", entries: []forgedEntry{root, home}}, "magic number"},
		"no gzip at all":        {forgery{suffix: ".tar.gz", entries: []forgedEntry{root, home}}, "gzip"},
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, c.forgery, c.want)
		})
	}
}

// refused reports whether a forgery is, with the words that name what is wrong,
// and whether everything is as it was.
func refused(t *testing.T, f forgery, want string) {
	t.Helper()
	dir, before, code, said := restoreForged(t, f)
	if _, rest, ok := strings.Cut(said, "bkp: error:"); ok {
		said = rest
	}
	if code != cli.ExitFailed || !strings.Contains(said, want) {
		t.Errorf("exit code %d, want %q in: %.600s", code, want, said)
	}
	after := providertest.Tree(t, dir)
	for name := range after {
		if in, ok := strings.CutPrefix(name, "state"); ok && (in == "" || in == "/lock") {
			delete(after, name)
		}
	}
	providertest.SameTrees(t, before, after, func(rel string) bool {
		return rel == "." || rel == "targets" // a folder's time shows that the stage came and went
	})
	for _, path := range []string{"/escaped", "/tmp/escaped", "/etc/escaped"} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s was written", path)
		}
	}
}

// What the tests above refuse is refused for what is wrong with it: without
// that, it is restored.
func TestForgedBackupIsRestoredWhenHarmless(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("owners can be given by root only")
	}
	setuid := file(top+"/home/tool", "x")
	setuid.Mode = 0o4755
	device := forgedEntry{Header: tar.Header{Typeflag: tar.TypeBlock, Name: top + "/home/disk", Mode: 0o666, Devmajor: 7}}
	f := forgery{suffix: ".tar.zst", pack: packZstd, entries: []forgedEntry{
		folder(top), folder(top + "/home"), record("SCHILY.xattr.user.mine", "yes"), device,
		link(tar.TypeSymlink, top+"/home/link", "../../../outside/secret"), link(tar.TypeLink, top+"/home/same", top+"/home/a"), setuid,
	}}
	dir, before, code, said := restoreForged(t, f)
	if code != cli.ExitDone || !strings.Contains(said, "devices could not be kept, for example of home/disk") {
		t.Fatalf("exit code %d: %s", code, said)
	}
	after := providertest.Tree(t, dir)
	home := map[string]string{}
	for name, what := range after {
		if in, ok := strings.CutPrefix(name, "targets/home"); ok {
			home[in] = what
			delete(after, name)
		}
		if strings.HasPrefix(name, "state") {
			delete(after, name)
		}
	}
	providertest.SameTrees(t, before, after, func(rel string) bool { return rel == "." || rel == "targets" })
	for name, want := range map[string]string{"": "12345", "/a": "user.mine", "/link": "outside/secret", "/same": "", "/tool": "u"} {
		if got, ok := home[name]; !ok || !strings.Contains(got, want) || !strings.Contains(got, "12345") {
			t.Errorf("%q is %q, want %q in it", name, got, want)
		}
		delete(home, name)
	}
	if len(home) > 0 {
		t.Errorf("more was restored: %v", home)
	}
	// The link is given to the owner, what it leads to is not.
	if info, err := os.Stat(filepath.Join(dir, "targets", "home", "link")); err == nil && info.Sys().(*syscall.Stat_t).Uid == 12345 {
		t.Error("the owner of a file outside was changed")
	}
}
