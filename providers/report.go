package providers

import (
	"time"

	"bkp/internal/problem"
)

// Finding is one result of a check: an error stops the plan, a warning does
// not.
type Finding = problem.Problem

// Verb is what a step of a plan does to a component.
type Verb string

// The verbs, in the order in which a run uses them.
const (
	Prepare Verb = "prepare"
	Capture Verb = "capture"
	Finish  Verb = "finish"
	Store   Verb = "store"
	Restore Verb = "restore"
)

// Report is what a check saw.
type Report struct {
	Findings []Finding
	// Facts identify what was seen: versions, server identities. Apply refuses
	// a plan whose facts changed, so leave out what changes by itself.
	Facts map[string]string
	// Estimate of the artifact.
	Estimate Estimate
	// Repositories is how many a home holds; nil if nobody counted.
	Repositories *int
	// Trees are where the trees of the artifact will lie, for archives that share their
	// blocks: folders of this machine, which need not exist yet; "" stands for a file
	// system of its own, such as that of a volume's snapshot.
	Trees []string
	// Space that the run will take. Needs on one file system add up.
	Space []SpaceNeed
	// Does describes in one line what each verb will do, for the plan.
	Does map[Verb]string
}

// Add appends a finding.
func (r *Report) Add(f *Finding) { r.Findings = append(r.Findings, *f) }

// Failed reports whether a finding is an error.
func (r Report) Failed() bool {
	for _, f := range r.Findings {
		if f.Severity == problem.Error {
			return true
		}
	}
	return false
}

// Estimate is the size of a tree.
type Estimate struct {
	Files, Bytes int64
	// Recent is when its files changed, or nil.
	Recent *Recency
}

// Plus adds two estimates.
func (e Estimate) Plus(o Estimate) Estimate {
	return Estimate{Files: e.Files + o.Files, Bytes: e.Bytes + o.Bytes, Recent: e.Recent.Plus(o.Recent)}
}

// NewSince is how many bytes an archive that stores nothing twice has to take after a
// backup of an instant, and whether that is known. What nobody knows the age of, such as
// a dump, is new as a whole.
func (e Estimate) NewSince(t time.Time) (bytes int64, known bool) {
	bytes, known = e.Recent.Since(t)
	if !known {
		return e.Bytes, false
	}
	return bytes + max(e.Bytes-e.Recent.Bytes, 0), true
}

// SpaceNeed is space that a run will take on the file system of Path, which
// need not exist yet.
type SpaceNeed struct {
	Path  string
	Bytes int64
	// Times is how often the size of the unpacked artifact comes on top, when it is
	// restored. The archive knows it, and a strategy does not.
	Times int64
	// For shows the operator what takes it: "working copy of home.mirror.shared".
	For string
}
