package main

import (
	"context"
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"time"
)

// format is a kind of package, with what differs between them.
type format struct {
	name string
	// file is the name of the package's file.
	file func(p program) string
	// zsh is the folder where zsh looks for completions of packages.
	zsh     string
	depends []string
}

var formats = []format{
	{"deb", func(p program) string { return p.name() + ".deb" }, "/usr/share/zsh/vendor-completions", []string{"passwd"}},
	{"rpm", func(p program) string { return p.name() + ".rpm" }, "/usr/share/zsh/site-functions", []string{"/usr/sbin/useradd"}},
}

// packages makes the packages of a program for Linux. list is what is inside it.
func (m maker) packages(ctx context.Context, p program, list string) error {
	for _, f := range formats {
		items, err := m.installed(p, f, list)
		if err != nil {
			return err
		}
		dir := filepath.Join(m.work, f.name+"-"+p.arch)
		config, err := m.stage(dir, p, f, items)
		if err != nil {
			return err
		}
		if err := tool(ctx, m.nfpm, "package", "--config", config, "--packager", f.name, "--target", filepath.Join(m.out, f.file(p))); err != nil {
			return err
		}
	}
	return nil
}

// installed are the files of a package.
func (m maker) installed(p program, f format, list string) ([]item, error) {
	shells, err := completions(map[string]string{
		"bash": "/usr/share/bash-completion/completions/bkp",
		"zsh":  path.Join(f.zsh, "_bkp"),
		"fish": "/usr/share/fish/vendor_completions.d/bkp.fish",
	})
	if err != nil {
		return nil, err
	}
	out := shells
	for _, page := range manuals("/usr/share/man/man1", p.version, m.time) {
		page, err := zipped(page)
		if err != nil {
			return nil, err
		}
		out = append(out, page)
	}
	services, err := units("/usr/bin/bkp")
	if err != nil {
		return nil, err
	}
	for _, u := range services {
		u.path = path.Join("/usr/lib/systemd/system", u.path)
		out = append(out, u)
	}
	for _, f := range [][2]string{
		{"sysusers.conf", "/usr/lib/sysusers.d/bkp.conf"},
		{"secrets.env.example", "/usr/share/bkp/secrets.env.example"},
		{"user.conf", "/usr/share/bkp/user.conf"},
	} {
		i, err := file(f[0], f[1], 0o644)
		if err != nil {
			return nil, err
		}
		out = append(out, i)
	}
	for source, i := range map[string]item{
		p.path:         {path: "/usr/bin/bkp", mode: 0o755},
		"CHANGELOG.md": {path: "/usr/share/doc/bkp/CHANGELOG.md", mode: 0o644},
		list:           {path: "/usr/share/doc/bkp/sbom.json", mode: 0o644},
	} {
		if i.data, err = os.ReadFile(source); err != nil {
			return nil, err
		}
		out = append(out, i)
	}
	return out, nil
}

// content is an entry of nfpm's configuration.
type content struct {
	Source string   `json:"src,omitempty"`
	Path   string   `json:"dst"`
	Type   string   `json:"type,omitempty"`
	Info   fileInfo `json:"file_info"`
}

type fileInfo struct {
	Mode  os.FileMode `json:"mode"`
	Time  time.Time   `json:"mtime"`
	Owner string      `json:"owner"`
	Group string      `json:"group"`
}

// stage writes the files of a package into a folder, and returns nfpm's
// configuration.
func (m maker) stage(dir string, p program, f format, items []item) (string, error) {
	var contents []content
	for _, i := range items {
		at := filepath.Join(dir, "root", filepath.FromSlash(i.path))
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return "", err
		}
		if err := os.WriteFile(at, i.data, 0o600); err != nil {
			return "", err
		}
		contents = append(contents, content{Source: at, Path: i.path, Info: m.info(i.mode)})
	}
	scripts := map[string]string{}
	for key, name := range map[string]string{"postinstall": "postinstall.sh", "preremove": "preremove.sh", "postremove": "postremove.sh"} {
		i, err := file(name, name, 0o755)
		if err != nil {
			return "", err
		}
		scripts[key] = filepath.Join(dir, name)
		if err := os.WriteFile(scripts[key], i.data, 0o600); err != nil {
			return "", err
		}
	}
	config := filepath.Join(dir, "nfpm.json")
	text, err := json.Marshal(map[string]any{
		"name": "bkp", "arch": p.arch, "platform": p.os, "version": p.version, "version_schema": "semver",
		"maintainer": "bkp", "section": "admin", "priority": "optional", "mtime": m.time,
		"description": "Declare, plan and apply consistent backups of Bitbucket Data Center\nA short lock, a guardian that unlocks, and backups that are proven to restore.",
		"depends":     f.depends, "contents": contents, "scripts": scripts, "umask": 0o022,
		"rpm": map[string]any{"buildhost": "bkp", "group": "Applications/Archiving"},
	})
	if err != nil {
		return "", err
	}
	return config, os.WriteFile(config, text, 0o600)
}

func (m maker) info(mode os.FileMode) fileInfo {
	return fileInfo{Mode: mode, Time: m.time, Owner: "root", Group: "root"}
}
