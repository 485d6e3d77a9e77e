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
)

// together checks what no part can see alone.
func (p *planning) together() {
	p.checkStateDir()
	p.checkNesting()
	p.checkSpace()
	p.checkDisks()
}

func (p *planning) checkStateDir() {
	at, err := host.Existing(p.StateDir)
	if err == nil {
		err = host.Writable(at)
	}
	if err != nil {
		p.found(stateAddress, *problem.Wrapf(err, "state folder not writable", "run as a user who may write there, or set state_dir", "%s", p.StateDir))
		return
	}
	fi, err := os.Stat(p.StateDir)
	if err == nil && !fi.IsDir() {
		p.found(stateAddress, *problem.New("state folder not writable", p.StateDir+" is no folder", "set state_dir to a folder"))
		return
	}
	for _, name := range stateFolders {
		path := filepath.Join(p.StateDir, name)
		if fi, err := os.Stat(path); err == nil && !fi.IsDir() {
			p.found(stateAddress, *problem.New("state folder damaged", path+" is not a folder, and a run writes into it",
				"check what it is, and move it away:\n\n    mv "+path+" "+path+".old\n"))
		}
	}
}

// stateFolders are the folders below the state folder that a run writes into:
// what stands in their place has to be found before the lock.
var stateFolders = []string{"journal", "catalog", "logs", "work"}

// checkNesting looks behind symlinks; what the names alone show is Lint's.
func (p *planning) checkNesting() {
	targets := p.targets()
	for _, address := range slices.Sorted(maps.Keys(targets)) {
		for _, source := range p.sources() {
			if host.Inside(targets[address], source) && !below(targets[address], source) {
				p.found(address, *nested(targets[address], source))
			}
		}
	}
}

// sameDisk is worse than no copy away from this machine, and goes before it.
const sameDisk = "archive on the disk of the home"

// checkDisks reports what the disks mean for a backup: one that dies takes the
// archives on it with it, and a file system of the network has its own ways.
func (p *planning) checkDisks() {
	homes := map[string]string{}
	for _, source := range p.sources() {
		space, err := p.Disk.Space(source)
		if err != nil {
			continue // the strategy's own check reports it
		}
		homes[space.Filesystem] = source
		if space.Shared != "" {
			p.found(p.instance(), *sharedHome(source, space))
		}
	}
	targets := p.targets()
	for _, address := range slices.Sorted(maps.Keys(targets)) {
		space, err := p.Disk.Space(targets[address])
		if err != nil || address == stateAddress {
			continue
		}
		if source, same := homes[space.Filesystem]; same && !host.Inside(targets[address], source) {
			p.found(address, *problem.Warn(sameDisk,
				fmt.Sprintf("%s lies on the same file system as %s: if the disk fails, both are lost", targets[address], source),
				"choose a destination on another disk, preferably on another machine"))
		}
	}
}

// sharedHome reports what a file system means that other machines write to, and what
// a strategy on the machine that exports it would save.
func sharedHome(source string, space host.Space) *problem.Problem {
	detail := fmt.Sprintf("%s lies on %s: each file costs a round trip under the lock, root may have no access (root_squash), "+
		"and changes by other nodes are only found by checking every file", source, space.Shared)
	if e := space.Export; e.Host != "" {
		root := ""
		if e.FromRoot {
			root = ", below the folder that its /etc/exports names as the root of NFS version 4 (fsid=0), if there is one"
		}
		return problem.Warn("home on a shared file system",
			fmt.Sprintf("%s. It is exported by %s as %s: there the kernel reports what changes, and only that is looked at under the lock", detail, e.Host, e.Path),
			fmt.Sprintf("if you can log in to %s, declare a connection to it and capture the home there (docs/guides/hosts.md)%s; in the block of the home:\n\n    on   = CONNECTION\n    path = %q", e.Host, root, e.Path))
	}
	return problem.Warn("home on a shared file system", detail, "run bkp on the machine that serves the files, if it can reach Bitbucket and the database")
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
			space, err := p.Disk.Space(n.Path)
			if err != nil {
				if !errors.Is(err, os.ErrPermission) {
					p.found(c.address, *problem.Wrap(err, "free space unknown", "check that the folder can be reached"))
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
			p.found(stateAddress, *problem.New("not enough disk space", detail, "free some space, or move state_dir or the destination to a larger disk"))
		case s.need > s.space.Free/10*9:
			p.found(stateAddress, *problem.Warn("disk space is tight", detail, "free some space soon"))
		}
	}
}
