package rsync

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/home"
)

const version35 = `rsync  version 3.5.0  protocol version 32
Copyright (C) 1996-2026 by Andrew Tridgell, Wayne Davison, and others.
Web site: https://rsync.samba.org/
Capabilities:
    64-bit files, 64-bit inums, 64-bit timestamps, 64-bit long ints,
    socketpairs, symlinks, symtimes, hardlinks, hardlink-specials,
    hardlink-symlinks, IPv6, atimes, batchfiles, inplace, append, ACLs,
    ACL-at, xattrs, optional secluded-args, iconv, prealloc, stop-at,
    no crtimes
`

func TestParseVersion(t *testing.T) {
	cases := []struct {
		name, text   string
		want         version
		acls, xattrs bool
		refused      string
	}{
		{"3.5.0", version35, version{3, 5, 0}, true, true, ""},
		{"built without", strings.NewReplacer("ACLs", "no ACLs", "xattrs", "no xattrs").Replace(version35), version{3, 5, 0}, false, false, ""},
		{"3.1.3", "rsync  version 3.1.3  protocol version 31\n    append, ACLs, xattrs, iconv\n", version{3, 1, 3}, true, true, ""},
		{"prerelease", "rsync  version v3.4.0pre1  protocol version 32\n", version{3, 4, 0}, false, false, ""},
		{"old", "rsync  version 3.1.2  protocol version 31\n    ACLs, xattrs\n", version{3, 1, 2}, true, true, "rsync is too old"},
		{"ancient", "rsync  version 2.6.9  protocol version 29\n", version{2, 6, 9}, false, false, "rsync is too old"},
		{"openrsync", "openrsync: protocol version 29\nrsync version 2.6.9 compatible\n", version{}, false, false, "not an rsync"},
		{"another tool", "busybox v1.36\n", version{}, false, false, "not an rsync"},
		{"silent", "", version{}, false, false, "not an rsync"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			a, err := parseVersion(c.text)
			if err == nil {
				if p := a.check(); p != nil {
					err = p
				}
			}
			var p *problem.Problem
			if c.refused != "" && (!errors.As(err, &p) || p.Summary != c.refused || p.Remedy == "") {
				t.Fatalf("got %v, want %q with a remedy", err, c.refused)
			}
			if c.refused == "" && err != nil {
				t.Fatal(err)
			}
			if a.version != c.want || a.acls != c.acls || a.xattrs != c.xattrs {
				t.Errorf("got %+v", a)
			}
		})
	}
}

func TestArguments(t *testing.T) {
	part := home.Part{Name: "home", Source: "/srv/home", Rules: providers.Rules{"/tmp", "/log/"}}
	tail := []string{"--no-inc-recursive", "-S", "--numeric-ids", "--modify-window=-1", "--delete", "--delete-excluded", "--exclude=/tmp", "--exclude=/log/", "--", "/srv/home/", "/state/copy/home/"}
	cases := []struct {
		name string
		a    ability
		want []string
	}{
		{"all", ability{acls: true, xattrs: true}, append([]string{"-a", "-H", "-A", "-X"}, tail...)},
		{"no acls", ability{xattrs: true}, append([]string{"-a", "-H", "-X"}, tail...)},
		{"neither", ability{}, append([]string{"-a", "-H"}, tail...)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := fullArguments(c.a, part, "/state/copy/home"); !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}
