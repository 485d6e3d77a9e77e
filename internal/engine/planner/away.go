package planner

import (
	"slices"

	"bkp/internal/problem"
)

// away holds the archives against the usual rule for copies: one is on another
// machine, and one is safe from those who have the credentials of this machine. An
// archive that leaves all in its place has no copy, and kept has checked it.
func (p *planning) away() {
	all := slices.DeleteFunc(slices.Concat(p.Archives, p.Copies), func(a Archive) bool { return a.Archiver.Destination().Name == "" })
	if len(all) == 0 {
		return
	}
	if !slices.ContainsFunc(all, p.isAway) {
		if slices.ContainsFunc(p.result.Findings, func(f Finding) bool { return f.Summary == sameDisk }) {
			return
		}
		p.found(p.instance(), *problem.Warn("no copy away from this machine",
			"every archive of "+p.instance()+" is on a disk of this machine: what destroys or encrypts the machine takes the backups, too",
			"add an archive on another machine, such as an object store or a repository of restic, to archives or to copies"))
		return
	}
	if !slices.ContainsFunc(all, func(a Archive) bool { return a.Archiver.Destination().Protected }) {
		p.found(p.instance(), *problem.Warn("every copy can be deleted from this machine",
			"the credentials that bkp uses may delete from every archive of "+p.instance()+": so may an intruder who finds them",
			"lock the objects of one archive (lock, in a bucket that has object lock), or let it be a repository that is append-only"))
	}
}

// isAway reports whether an archive stores on another machine. That a server is
// reached through an address of this one shows nothing: it may be a tunnel.
func (p *planning) isAway(a Archive) bool {
	folder := a.Archiver.Destination().Folder
	if folder == "" {
		return true
	}
	space, err := p.Disk.Space(folder)
	return err == nil && space.Shared != ""
}
