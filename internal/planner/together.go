package planner

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/providers"
)

// together checks what no part can see alone.
func (p *planning) together() {
	p.checkStateDir()
	p.checkNesting()
	p.checkSpace()
	p.checkKept()
}

// checkKept doubts what will become of the backups.
func (p *planning) checkKept() {
	if len(p.Archives) == 0 {
		p.found(p.instance(), *problem.Warn("no archive", "the backup will stay where it was captured", `add archives = [archive.tar.NAME]`))
	}
	if p.Retention == nil {
		p.found(p.instance(), *problem.Warn("no retention", "backups will pile up until the disk is full", `add retention = retention.NAME with keep_last`))
	}
}

func (p *planning) checkStateDir() {
	at, err := host.Existing(p.StateDir)
	if err == nil {
		err = host.Writable(at)
	}
	if err != nil {
		p.found("bkp", *problem.Wrapf(err, "state folder not writable", "run as a user who may write there, or set state_dir", "%s", p.StateDir))
		return
	}
	fi, err := os.Stat(p.StateDir)
	if err == nil && !fi.IsDir() {
		p.found("bkp", *problem.New("state folder not writable", p.StateDir+" is no folder", "set state_dir to a folder"))
	}
}

// checkNesting refuses an archive or a state folder inside what is backed up:
// each run would back up the one before.
func (p *planning) checkNesting() {
	var sources []string
	for _, part := range p.Parts {
		if s, ok := part.Strategy.(providers.Sourced); ok {
			sources = append(sources, s.Sources()...)
		}
	}
	targets := map[string]string{"bkp": p.StateDir}
	for _, a := range p.Archives {
		if d, ok := a.Archiver.(providers.Located); ok {
			targets[a.Address] = d.Destination()
		}
	}
	for _, address := range slices.Sorted(maps.Keys(targets)) {
		for _, source := range sources {
			if inside(targets[address], source) {
				p.found(address, *problem.New("folder inside the home",
					fmt.Sprintf("%s lies inside %s, which is backed up", targets[address], source),
					"choose a folder outside, best on another disk"))
			}
		}
	}
}

// inside compares what the paths lead to, symlinks followed.
func inside(path, folder string) bool {
	rel, err := filepath.Rel(resolve(folder), resolve(path))
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

func resolve(path string) string {
	there, err := host.Existing(path)
	if err != nil {
		return path
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	real, err := filepath.EvalSymlinks(there)
	if err != nil {
		return abs
	}
	rest, err := filepath.Rel(there, abs)
	if err != nil {
		return abs
	}
	return filepath.Join(real, rest)
}

// checkSpace adds up needs that share a file system.
func (p *planning) checkSpace() {
	type sum struct {
		space host.Space
		need  uint64
		parts []string
	}
	sums := map[string]*sum{}
	for _, c := range slices.Concat(p.parts, p.archives) {
		for _, n := range c.report.Space {
			if n.Bytes <= 0 {
				continue
			}
			space, err := p.Host.Space(n.Path)
			if err != nil {
				if !errors.Is(err, os.ErrPermission) {
					p.found(c.address, *problem.Wrap(err, "free space unknown", "see that the folder can be reached"))
				}
				continue
			}
			s := sums[space.Filesystem]
			if s == nil {
				s = &sum{space: space}
				sums[space.Filesystem] = s
			}
			s.need += uint64(n.Bytes)
			s.parts = append(s.parts, fmt.Sprintf("%s for %s at %s", humanize.Bytes(uint64(n.Bytes)), n.For, n.Path))
		}
	}
	for _, fs := range slices.Sorted(maps.Keys(sums)) {
		s := sums[fs]
		detail := fmt.Sprintf("needs %s, free %s: %s", humanize.Bytes(s.need), humanize.Bytes(s.space.Free), strings.Join(s.parts, "; "))
		switch {
		case s.need > s.space.Free:
			p.found("bkp", *problem.New("not enough disk space", detail, "free some space, or move state_dir or the destination to a larger disk"))
		case s.need > s.space.Free/10*9:
			p.found("bkp", *problem.Warn("disk space is tight", detail, "free some space soon"))
		}
	}
}
