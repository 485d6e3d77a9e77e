package plan

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Format is the format that this version writes and reads. Decode refuses
// unknown fields, so after a release a new field needs a new format: otherwise
// an older version would call the file damaged instead of newer.
const Format = 1

// File is what `bkp plan --out` writes: the plans of all chosen instances.
type File struct {
	Format int    `json:"format_version"`
	Tool   string `json:"tool"`
	// Folder is the configuration's, made absolute.
	Folder  string    `json:"folder"`
	Created time.Time `json:"created"`
	// Config has the resolved values by the address of the block and the
	// attribute, as json.Marshal writes them. A secret is a remark in its place.
	Config map[string]map[string]json.RawMessage `json:"config"`
	// ConfigDigest covers the configuration.
	ConfigDigest string `json:"config_digest"`
	// Offline plans were laid out without a look at anything. They are for
	// reading: apply refuses them.
	Offline bool   `json:"offline,omitempty"`
	Plans   []Plan `json:"plans"`
}

// Plan is the backup of one instance, or the restore of one backup.
type Plan struct {
	Instance string `json:"instance"`
	// Address of the instance's block.
	Address string `json:"address"`
	URL     string `json:"url"`
	Version string `json:"version"`
	// Facts are what was seen, by address: versions, server identities. A
	// plan whose facts changed is stale.
	Facts map[string]map[string]string `json:"facts"`
	// Refers are, by the address of a component, those that it works with, such
	// as a connection; they take no steps of their own.
	Refers map[string][]string `json:"refers,omitempty"`
	// Warnings do not stop the run.
	Warnings []Warning `json:"warnings,omitempty"`
	// AcceptChangedHome is that the operator accepts a home that differs from
	// the last backup's; what it overrides is among the warnings.
	AcceptChangedHome bool `json:"accept_changed_home,omitempty"`
	// Prediction is what earlier runs say of the lock window; nil when nobody
	// looked, as offline.
	Prediction *Prediction `json:"prediction,omitempty"`
	// LastProven is the newest backup of the instance whose restore was proven;
	// nil if none was, or nobody looked, as offline.
	LastProven *Proof `json:"last_proven,omitempty"`
	// Absent says what the backup does not have, because nothing is declared for it.
	Absent []string `json:"absent,omitempty"`
	// NotChecked lists the checks that an offline plan leaves to be done.
	NotChecked []NotChecked `json:"not_checked,omitempty"`
	// Restore says what is restored; nil for a backup. All steps of a restore are
	// in After.
	Restore *Restore `json:"restore,omitempty"`
	// Copy says what is copied; nil for all else. All steps of it are in After.
	Copy *Copy `json:"copy,omitempty"`
	// Before is done live, After once users are back.
	Before []Node `json:"before,omitempty"`
	// Locked is what happens under the lock, Live what is captured without one. A
	// backup has either of them.
	Locked *Locked `json:"locked,omitempty"`
	Live   *Live   `json:"live,omitempty"`
	After  []Node  `json:"after,omitempty"`
}

// Restore is what a restore brings back, and to where.
type Restore struct {
	Backup   string    `json:"backup"`
	Captured time.Time `json:"captured"`
	// Home and Database are the targets that the operator gave, "" for the
	// configured ones.
	Home     string `json:"home,omitempty"`
	Database string `json:"database,omitempty"`
	// To has the targets of other components, by address.
	To map[string]string `json:"to,omitempty"`
	// Targets are the addresses of the components to restore; none are all.
	Targets []string `json:"targets,omitempty"`
	// Paths are what is restored of a home, as the operator gave them; none are all.
	Paths []string `json:"paths,omitempty"`
	// From is the archive that the operator named, "" for the first that has all parts.
	From string `json:"from,omitempty"`
	// Elsewhere is true if no part goes to its configured place, so that Bitbucket
	// may run meanwhile.
	Elsewhere bool `json:"elsewhere,omitempty"`
}

// Copy is a backup that is brought from one archive to another, by their addresses.
type Copy struct {
	Backup   string    `json:"backup"`
	Captured time.Time `json:"captured"`
	From     string    `json:"from"`
	To       string    `json:"to"`
}

// Title names what the plan does.
func (p Plan) Title() string {
	if p.Copy != nil {
		return "copy " + p.Copy.Backup
	}
	if p.Restore != nil {
		return "restore " + p.Restore.Backup
	}
	return p.Address
}

// Warning is a finding that does not stop the run.
type Warning struct {
	Address string `json:"address,omitempty"`
	Summary string `json:"summary"`
	Detail  string `json:"detail,omitempty"`
	Remedy  string `json:"remedy,omitempty"`
}

// Prediction estimates from earlier runs how long the lock window will be.
type Prediction struct {
	// Runs is how many it rests on; with none the rest is meaningless.
	Runs int `json:"runs"`
	// Expected is the median, Low and High the range.
	Expected Duration `json:"expected"`
	Low      Duration `json:"low"`
	High     Duration `json:"high"`
	// What was seen to change in the homes while users worked.
	FilesPerMinute float64 `json:"files_per_minute,omitempty"`
	BytesPerMinute float64 `json:"bytes_per_minute,omitempty"`
}

// Proof is a backup that was restored on trial.
type Proof struct {
	Backup string    `json:"backup"`
	At     time.Time `json:"at"`
}

// String is what a plan says of it.
func (p Proof) String() string {
	return fmt.Sprintf("%s, on %s", p.Backup, p.At.UTC().Format("2006-01-02 15:04 MST"))
}

// NotChecked is a check that only the backup machine can do.
type NotChecked struct {
	Address string `json:"address"`
	What    string `json:"what"`
}

// Locked is the part under the lock. Lock comes before Nodes and unlock after
// them, whatever happens.
type Locked struct {
	Instance string `json:"instance"`
	// DrainTimeout bounds the drain, Budget the whole lock window, Grace how
	// long polls may fail in passing.
	DrainTimeout Duration `json:"drain_timeout"`
	Budget       Duration `json:"budget"`
	Grace        Duration `json:"grace"`
	Nodes        []Node   `json:"nodes"`
}

// Live is the capture of a backup without a lock. Its nodes begin at the same time.
type Live struct {
	// MaxSkew is the time from the beginning of the first capture to the end of the
	// last. A run that takes longer fails.
	MaxSkew Duration `json:"max_skew"`
	Nodes   []Node   `json:"nodes"`
}

// Phase is what a node does.
type Phase string

// The phases, in the order in which a run meets them.
const (
	Prepare Phase = "prepare"
	Start   Phase = "start"
	Drain   Phase = "drain"
	Capture Phase = "capture"
	Finish  Phase = "finish"
	Store   Phase = "store"
	Prune   Phase = "prune"
	// Fetch and Recreate are those of a restore.
	Fetch    Phase = "fetch"
	Recreate Phase = "restore"
	// Verify is a phase of a copy, as Fetch and Store are.
	Verify Phase = "verify"
)

// NodeID is "address/phase".
type NodeID string

// Node is one thing to do.
type Node struct {
	ID      NodeID   `json:"id"`
	Phase   Phase    `json:"phase"`
	Address string   `json:"address"`
	Needs   []NodeID `json:"needs,omitempty"`
	// Does describes in one line what will be done.
	Does string          `json:"does,omitempty"`
	Args json.RawMessage `json:"args,omitempty"`
	// Host is the connection to the machine where it is done, "" for this one.
	Host string `json:"host,omitempty"`
	// Size is how much there is to do, for who watches; nil if it is not known. Nothing
	// is decided by it.
	Size *Size `json:"size,omitempty"`
}

// Size is an amount of files and their bytes.
type Size struct {
	Files int64 `json:"files"`
	Bytes int64 `json:"bytes"`
}

// Sized is the node with how much there is to do; of no bytes nothing is known.
func (n Node) Sized(s Size) Node {
	if s.Bytes > 0 {
		n.Size = &s
	}
	return n
}

// At is the node on the machine of a connection.
func (n Node) At(host string) Node {
	n.Host = host
	return n
}

// Where is what the node does, and on which machine if that is another one.
func (n Node) Where() string {
	if n.Host == "" {
		return n.Does
	}
	return n.Does + ", on " + n.Host
}

// NewNode returns a node with its id.
func NewNode(phase Phase, address, does string, needs ...NodeID) Node {
	return Node{ID: NodeID(address + "/" + string(phase)), Phase: phase, Address: address, Does: does, Needs: needs}
}

// PruneArgs are the Args of a prune node, whose address is that of the archive.
type PruneArgs struct {
	// Retention is the address of the block that says what to keep, Policy what
	// it says.
	Retention string          `json:"retention"`
	Policy    json.RawMessage `json:"policy"`
	// Remove names the backups to delete. Apply deletes no other one.
	Remove []string `json:"remove"`
}

// Duration is written as in the configuration: "5m0s".
type Duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("%q is not a duration", b)
	}
	*d = Duration(v)
	return nil
}

// Short leaves out the zeros at the end: 5m, not 5m0s.
func (d Duration) Short() string {
	text := strings.TrimSuffix(time.Duration(d).String(), "m0s")
	if text != time.Duration(d).String() {
		text += "m"
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// References are sentences without a full stop that say what works with what.
func (p Plan) References() []string {
	var out []string
	for _, address := range slices.Sorted(maps.Keys(p.Refers)) {
		out = append(out, address+" works with "+strings.Join(p.Refers[address], " and "))
	}
	return out
}

// Nodes returns all nodes in order.
func (p Plan) Nodes() []Node {
	nodes := slices.Clone(p.Before)
	if p.Locked != nil {
		nodes = append(nodes, p.Locked.Nodes...)
	}
	if p.Live != nil {
		nodes = append(nodes, p.Live.Nodes...)
	}
	return append(nodes, p.After...)
}
