// Package overview turns how instances stand into what a person is shown of them:
// their backups, the lock window, the copies, what retention will do, the last
// proven restore, and what asks for attention. It is pure: records in, data out.
//
// It leaves out where the records come from (the engine) and how the page looks
// (internal/ui/report).
package overview

import (
	"time"

	"bkp/providers"
)

// Page is what bkp report shows; --json prints it.
type Page struct {
	Event string    `json:"event"`
	Made  time.Time `json:"made"`
	// Tool is the version of bkp, Host the name of the machine, Folder that of the
	// configuration.
	Tool      string     `json:"bkp"`
	Host      string     `json:"host"`
	Folder    string     `json:"folder"`
	Instances []Instance `json:"instances"`
}

// Instance is one instance.
type Instance struct {
	Name string `json:"name"`
	URL  string `json:"url"`
	// Attention is what somebody should look at, the most urgent first.
	Attention []Remark `json:"attention"`
	// Backups are the newest first.
	Backups []Backup `json:"backups"`
	// Window are the parts of the lock window of the newest complete backup, in the
	// order of time; Components what it holds.
	Window     []providers.WindowPart `json:"window,omitempty"`
	Components []Component            `json:"components,omitempty"`
	// Archives are those that may hold backups, Rules what the copies of the newest
	// backup come to.
	Archives []Archive `json:"archives"`
	Rules    []Rule    `json:"copies"`
	// Kept are the backups of each archive with what keeps them.
	Kept []Kept `json:"kept,omitempty"`
	// Proof is the last proven restore, nil if there was none; MaxProofAge how old it
	// may get, 0 for any age.
	Proof       *Proof        `json:"last_proven,omitempty"`
	MaxProofAge time.Duration `json:"max_proof_age_ns,omitempty"`
	// Runs are the last ones of each kind.
	Runs []Run `json:"last_runs"`
}

// Urgency says how soon somebody should look.
type Urgency string

// The urgencies.
const (
	// Now is for users who wait, and for backups that are not there.
	Now Urgency = "now"
	// Soon is for what makes a loss more likely.
	Soon Urgency = "soon"
)

// Remark is a sentence that asks for attention.
type Remark struct {
	Urgency Urgency `json:"urgency"`
	Text    string  `json:"text"`
}

// Backup is one backup on the list.
type Backup struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	// Window is how long users were locked out; Skew is set instead if they were not.
	Window time.Duration `json:"lock_window_ns,omitempty"`
	Skew   time.Duration `json:"skew_ns,omitempty"`
	// Bytes is its size unpacked, Stored the most that an archive has stored.
	Bytes  int64  `json:"bytes,omitempty"`
	Stored int64  `json:"stored_bytes,omitempty"`
	Status string `json:"status"`
	// Damaged are the archives in which damage was found.
	Damaged []string `json:"damaged,omitempty"`
	// Proven is set if a drill restored it, Failed if one could not.
	Proven bool `json:"proven,omitempty"`
	Failed bool `json:"drill_failed,omitempty"`
}

// Component is a part of the newest complete backup.
type Component struct {
	Address     string    `json:"address"`
	Strategy    string    `json:"strategy"`
	PointInTime time.Time `json:"point_in_time"`
	// Files and Bytes are what it has unpacked; 0 if no archive has a copy.
	Files int64 `json:"files,omitempty"`
	Bytes int64 `json:"bytes,omitempty"`
	// Before is how many bytes it had in the complete backup before, nil if it is not known.
	Before *int64 `json:"bytes_before,omitempty"`
	// Changed is what was copied under the lock, nil if it was not counted.
	Changed      *providers.Change `json:"changed,omitempty"`
	Repositories *int              `json:"repositories,omitempty"`
}

// Archive is where backups are.
type Archive struct {
	Address  string `json:"address"`
	Strategy string `json:"strategy"`
	// Destination is its place, "" if it leaves everything where it was captured, or if
	// it is not known.
	Destination string `json:"destination,omitempty"`
	Place       Place  `json:"place"`
	// Protected is set if what is stored cannot be deleted from this machine, as far as
	// that is known.
	Protected bool `json:"protected,omitempty"`
	// Backups are how many it holds, Bytes how much these take.
	Backups int   `json:"backups"`
	Bytes   int64 `json:"stored_bytes"`
	// Newest is when the newest of them was made; HasNewest if that is the newest
	// complete backup of all, and whole.
	Newest    *time.Time `json:"newest,omitempty"`
	HasNewest bool       `json:"has_newest"`
}

// Place is where an archive stores, as seen from this machine.
type Place string

// The places.
const (
	// Here is a file system of this machine alone.
	Here Place = "this machine"
	// Share is a file system that other machines serve.
	Share Place = "share of another machine"
	// Service is reached over the network.
	Service Place = "service"
	// InPlace is where it was captured.
	InPlace Place = "where it was captured"
	// Unknown depends on a value that this shell does not have, or on a folder that
	// cannot be looked at.
	Unknown Place = "not known here"
)

// Rule is a sentence about copies, and whether it holds.
type Rule struct {
	Text string `json:"rule"`
	Met  bool   `json:"met"`
	// Found is what there is.
	Found string `json:"found"`
}

// Kept is what the retention of an archive decides.
type Kept struct {
	Archive string `json:"archive"`
	// Retention is its address, Rules the policy in words.
	Retention string       `json:"retention"`
	Rules     string       `json:"rules"`
	Backups   []KeptBackup `json:"backups"`
	// Every is how far apart backups are taken to be made from now on.
	Every time.Duration `json:"every_ns"`
}

// KeptBackup is a backup in an archive.
type KeptBackup struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	// Keep is false if the next run removes it.
	Keep    bool     `json:"keep"`
	Reasons []string `json:"reasons"`
	// Until is when it will be removed, nil if that is not foreseen.
	Until *time.Time `json:"kept_until,omitempty"`
}

// Proof is a drill that proved a backup.
type Proof struct {
	Backup string    `json:"backup"`
	At     time.Time `json:"at"`
	// Took is how long the restore on trial took, with all its checks.
	Took time.Duration `json:"took_ns"`
	// Archive is what it was restored from, Repositories how many git has read.
	Archive      string `json:"archive,omitempty"`
	Repositories int    `json:"checked_repositories"`
}

// Run is how the last run of a kind ended.
type Run struct {
	Operation string        `json:"operation"`
	Ended     time.Time     `json:"ended"`
	Took      time.Duration `json:"took_ns"`
	Succeeded bool          `json:"succeeded"`
	Error     string        `json:"error,omitempty"`
	Warnings  int           `json:"warnings,omitempty"`
}
