package remote

import (
	"encoding/json"
	"time"

	"bkp/internal/host"
	"bkp/providers"
)

// The calls that an agent knows.
const (
	callHello        = "hello"
	callOpen         = "open"
	callCheck        = "check"
	callCompare      = "compare"
	callExpect       = "expect"
	callPrepare      = "prepare"
	callWarm         = "warm"
	callClock        = "clock"
	callCapture      = "capture"
	callFinish       = "finish"
	callSweep        = "sweep"
	callDiscard      = "discard"
	callClose        = "close"
	callList         = "list"
	callVerify       = "verify"
	callDelete       = "delete"
	callKeep         = "keep"
	callDistrust     = "distrust"
	callPack         = "pack"
	callWork         = "work"
	callCheckRestore = "check_restore"
	callRestore      = "restore"
	callTidy         = "tidy"
	callRelate       = "relate"
)

// call is what is asked. Which fields count, the name decides.
type call struct {
	Name string `json:"name"`
	// Address of the component.
	Address string `json:"address,omitempty"`

	Open     *opening            `json:"open,omitempty"`
	Backup   providers.BackupID  `json:"backup,omitempty"`
	Artifact *providers.Artifact `json:"artifact,omitempty"`
	Manifest *providers.Manifest `json:"manifest,omitempty"`
	Packing  *providers.Packing  `json:"packing,omitempty"`
	Earlier  []providers.Earlier `json:"earlier,omitempty"`
	Facts    map[string]string   `json:"facts,omitempty"`
	Folders  []string            `json:"folders,omitempty"`
	Others   []string            `json:"others,omitempty"`
	Target   string              `json:"target,omitempty"`
	Copied   bool                `json:"copied,omitempty"`
	Only     providers.Selection `json:"only,omitempty"`
	Copy     *providers.Part     `json:"copy,omitempty"`
	Task     *providers.Task     `json:"task,omitempty"`
	// Archive is opened for this call alone.
	Archive *opening `json:"archive,omitempty"`
}

// undoneWithin is how long the call may take to end once it was cancelled.
func (c call) undoneWithin() time.Duration {
	if c.Name == callRestore {
		return undoTimeout
	}
	return cancelTimeout
}

// opening is a strategy or an archive to open.
type opening struct {
	// Address is that of an archive; a strategy's is that of the call.
	Address string `json:"address,omitempty"`
	Kind    string `json:"kind"`
	Type    string `json:"type"`
	// Config is what providers.Schema.Encode wrote: it holds secrets.
	Config json.RawMessage `json:"config"`
	// StateDir is the state folder there, Work the component's folder below it.
	StateDir string             `json:"state_dir"`
	Work     string             `json:"work"`
	Instance providers.Instance `json:"instance"`
}

// said is what a strategy says while a call runs.
type said struct {
	Progress *providers.Progress `json:"progress,omitempty"`
	Warning  string              `json:"warning,omitempty"`
	Log      []byte              `json:"log,omitempty"`
}

// answer ends a call.
type answer struct {
	Error *wireError `json:"error,omitempty"`

	Hello     *greeting            `json:"hello,omitempty"`
	Report    *providers.Report    `json:"report,omitempty"`
	Findings  []providers.Finding  `json:"findings,omitempty"`
	Artifact  *providers.Artifact  `json:"artifact,omitempty"`
	Manifests []providers.Manifest `json:"manifests,omitempty"`
	Result    json.RawMessage      `json:"result,omitempty"`
	Relations [][]host.Relation    `json:"relations,omitempty"`
	// Now is the clock of the machine, for callClock.
	Now time.Time `json:"now,omitzero"`
}

// greeting is what an agent says of itself.
type greeting struct {
	// SHA256 is that of its program, in hexadecimal.
	SHA256 string `json:"sha256"`
	// Machine is the machine's own name.
	Machine string `json:"machine"`
	// Now is its clock.
	Now time.Time `json:"now"`
}
