package btrfs

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"bkp/internal/host"
	"bkp/internal/problem"
)

// tool runs btrfs.
type tool struct{ host *host.Host }

func (t tool) run(ctx context.Context, args ...string) (string, error) {
	out, err := t.host.Output(ctx, host.Command{Name: "btrfs", Args: args})
	return out, because(err)
}

// because says what to do about what the tool complains of, in the C locale.
func because(err error) error {
	var exit *host.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	for _, c := range []struct{ words, summary, remedy string }{
		{"Operation not permitted", "btrfs needs root", "run bkp as root"},
		{"No space left", "no space for a snapshot", "remove what is not needed; if df shows space, btrfs has none for metadata: run btrfs balance start -dusage=10 on it"},
		{"quota exceeded", "quota exceeded", "raise the limit of the subvolume's qgroup, or remove what is not needed"},
		{"Read-only file system", "file system is read-only", "see what the system's log says; btrfs becomes read-only by itself when it finds damage"},
	} {
		if strings.Contains(exit.Stderr, c.words) {
			return problem.Wrap(err, c.summary, c.remedy)
		}
	}
	return err
}

// subvolume is what the tool shows of one.
type subvolume struct {
	uuid, parent string
	// path from the top of the file system, "" for the top itself.
	path string
	// generation in which it was made.
	generation string
	made       time.Time
	readOnly   bool
}

// show looks at the subvolume whose root is dir.
func (t tool) show(ctx context.Context, dir string) (subvolume, error) {
	out, err := t.run(ctx, "subvolume", "show", "--", dir)
	if err != nil {
		return subvolume{}, err
	}
	return parseShow(out)
}

const shownTime = "2006-01-02 15:04:05 -0700"

func parseShow(text string) (subvolume, error) {
	first, rest, _ := strings.Cut(text, "\n")
	s := subvolume{path: strings.Trim(first, "/")}
	fields := map[string]string{}
	for line := range strings.Lines(rest) {
		if name, value, ok := strings.Cut(line, ":"); ok {
			fields[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	s.uuid, s.parent, s.generation = fields["UUID"], fields["Parent UUID"], fields["Gen at creation"]
	s.readOnly = strings.Contains(fields["Flags"], "readonly")
	s.made, _ = time.Parse(shownTime, fields["Creation time"]) // the top of an old file system has none
	if s.uuid == "" {
		return s, fmt.Errorf("btrfs subvolume show answered %q, which this version does not understand", text)
	}
	return s, nil
}

var listed = regexp.MustCompile(`^ID \d+ gen \d+ top level \d+ path (.+)$`)

// nested lists the subvolumes directly below that of dir, by their path from the
// top of the file system.
func (t tool) nested(ctx context.Context, dir string) ([]string, error) {
	out, err := t.run(ctx, "subvolume", "list", "-o", "--", dir)
	if err != nil {
		return nil, err
	}
	var paths []string
	for line := range strings.Lines(out) {
		m := listed.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m == nil {
			return nil, fmt.Errorf("btrfs subvolume list answered %q, which this version does not understand", line)
		}
		paths = append(paths, m[1])
	}
	return paths, nil
}

// usage is how full a file system is, in bytes.
type usage struct{ size, unallocated, free, missing int64 }

func (t tool) usage(ctx context.Context, dir string) (usage, error) {
	out, err := t.run(ctx, "filesystem", "usage", "--raw", "--", dir)
	if err != nil {
		return usage{}, err
	}
	return parseUsage(out)
}

var number = regexp.MustCompile(`^\s*(Device size|Device unallocated|Device missing|Free \(estimated\)):\s+(\d+)`)

func parseUsage(text string) (usage, error) {
	values := map[string]int64{}
	for line := range strings.Lines(text) {
		if m := number.FindStringSubmatch(line); m != nil {
			values[m[1]], _ = strconv.ParseInt(m[2], 10, 64)
		}
	}
	u := usage{values["Device size"], values["Device unallocated"], values["Free (estimated)"], values["Device missing"]}
	if u.size == 0 {
		return u, fmt.Errorf("btrfs filesystem usage answered %q, which this version does not understand", text)
	}
	return u, nil
}

var counter = regexp.MustCompile(`^\[(.+)\]\.(\w+)\s+(\d+)$`)

// faults are the errors of devices that the file system has counted.
func (t tool) faults(ctx context.Context, dir string) ([]string, error) {
	out, err := t.run(ctx, "device", "stats", "--", dir)
	if err != nil {
		return nil, err
	}
	var found []string
	for line := range strings.Lines(out) {
		if m := counter.FindStringSubmatch(strings.TrimSpace(line)); m != nil && m[3] != "0" {
			found = append(found, fmt.Sprintf("%s: %s %s", m[1], m[3], m[2]))
		}
	}
	return found, nil
}

// quotas reports whether the file system counts quotas.
func (t tool) quotas(ctx context.Context, dir string) (bool, error) {
	_, err := t.run(ctx, "qgroup", "show", "--", dir)
	var exit *host.ExitError
	if errors.As(err, &exit) && strings.Contains(exit.Stderr, "not enabled") {
		return false, nil
	}
	return err == nil, err
}
