package sandbox

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// Call names a call of the interface, for corners and for the log.
type Call string

// The calls of the interface. CallPage is everything else: what users ask for.
const (
	CallLock         Call = "lock"
	CallLockState    Call = "lock-state"
	CallUnlock       Call = "unlock"
	CallStart        Call = "start"
	CallMaintenance  Call = "maintenance"
	CallProgress     Call = "progress"
	CallCancel       Call = "cancel"
	CallProperties   Call = "application-properties"
	CallStatus       Call = "status"
	CallCluster      Call = "cluster"
	CallMeshNodes    Call = "mesh-nodes"
	CallMeshReplicas Call = "mesh-replicas"
	CallPage         Call = "page"
)

// DrainEnd is how a drain ends. The empty text: well.
type DrainEnd string

// The ways in which a drain does not end well.
const (
	DrainFails DrainEnd = "fails" // the task is FAILED after the delay, the lock stays
	DrainNever DrainEnd = "never"
)

// Duration is a time.Duration whose text form is such as "1.5s".
type Duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = Duration(v)
	return err
}

// Corners is everything that differs between versions of Bitbucket, that
// nobody knows for certain, or that goes wrong. The zero value is an instance
// that behaves as documented.
//
// Counts run down as they are used; where several corners hold for one call,
// the order is: delay, reset, answer, then the call itself with body and lost
// reply.
type Corners struct {
	// Version that the instance says it is; "" is a recent one.
	Version string `json:"version,omitempty"`
	Codes   Codes  `json:"codes,omitzero"`

	// Drain is how long a drain takes at least; it also waits for the writes
	// in flight. It counts for backups that start later.
	Drain    Duration `json:"drain,omitempty"`
	DrainEnd DrainEnd `json:"drain_end,omitempty"`

	// Delays passes before the call takes effect. It passes even when the
	// client has given up.
	Delays map[Call]Duration `json:"delays,omitempty"`
	// Resets is how many of the next calls meet a connection reset, without
	// effect.
	Resets map[Call]int `json:"resets,omitempty"`
	// Answers are the HTTP statuses of the next calls, without effect.
	Answers map[Call][]int `json:"answers,omitempty"`
	// LostReplies is how many of the next calls take effect while the
	// connection is closed before the reply.
	LostReplies map[Call]int `json:"lost_replies,omitempty"`
	// Bodies replaces the body of each successful reply, such as by "{}".
	Bodies map[Call]string `json:"bodies,omitempty"`

	// StalePolls is how many polls after each start reach a node that does not
	// know the task; StaleAnswer is its HTTP status: 404 when 0, and with 200
	// a maintenance without task.
	StalePolls  int `json:"stale_polls,omitempty"`
	StaleAnswer int `json:"stale_answer,omitempty"`

	// IdleAnswers makes GET maintenance of an idle instance 200 without task.
	IdleAnswers bool `json:"idle_answers,omitempty"`
	// NotAdministrator: the credentials are right, the permission is missing.
	NotAdministrator bool `json:"not_administrator,omitempty"`
	// NoRetryAfter leaves the header out of 503.
	NoRetryAfter bool `json:"no_retry_after,omitempty"`
	// NodeState overrides what /status says, such as "STARTING" or "ERROR";
	// either answers 503 everywhere.
	NodeState string `json:"node_state,omitempty"`
	// RestartKeepsLock: the lock outlives a restart.
	RestartKeepsLock bool `json:"restart_keeps_lock,omitempty"`

	MeshNodes            []MeshNode `json:"mesh_nodes,omitempty"`
	InconsistentReplicas []Replica  `json:"inconsistent_replicas,omitempty"`
	// MeshPaged wraps the Mesh nodes in a page, {"values": [...]}.
	MeshPaged bool `json:"mesh_paged,omitempty"`
}

// Codes are HTTP statuses that the sources do not settle. 0 is the default.
type Codes struct {
	Unlocked      int `json:"unlocked,omitempty"`       // 202; some versions 200
	AlreadyLocked int `json:"already_locked,omitempty"` // 409
	WrongToken    int `json:"wrong_token,omitempty"`    // 409
	NotLocked     int `json:"not_locked,omitempty"`     // 404
	NoTask        int `json:"no_task,omitempty"`        // 404
	TaskRunning   int `json:"task_running,omitempty"`   // 409
	BadProgress   int `json:"bad_progress,omitempty"`   // 400
	Denied        int `json:"denied,omitempty"`         // 401
}

// MeshNode is a Mesh node as the interface shows it.
type MeshNode struct {
	ID           int    `json:"id"`
	Name         string `json:"name"`
	RPCURL       string `json:"rpcUrl"`
	LastSeenDate int64  `json:"lastSeenDate"` // milliseconds since 1970
	Offline      bool   `json:"offline"`
	State        string `json:"state"`
}

// Replica is a repository whose Mesh replicas disagree.
type Replica struct {
	RepositoryID int `json:"repositoryId"`
	PartitionID  int `json:"partitionId"`
}

// Merge decodes JSON over c: what the text does not name stays. An unknown name
// is an error, after which c may be half changed.
func (c *Corners) Merge(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return d.Decode(c)
}

// clone returns a copy that shares nothing with c.
func (c Corners) clone() Corners {
	c.Delays = maps.Clone(c.Delays)
	c.Resets = maps.Clone(c.Resets)
	c.LostReplies = maps.Clone(c.LostReplies)
	c.Bodies = maps.Clone(c.Bodies)
	c.Answers = maps.Clone(c.Answers)
	for call, codes := range c.Answers {
		c.Answers[call] = slices.Clone(codes)
	}
	c.MeshNodes = slices.Clone(c.MeshNodes)
	c.InconsistentReplicas = slices.Clone(c.InconsistentReplicas)
	return c
}

// fate is what the corners hold for one call.
type fate struct {
	delay  time.Duration
	reset  bool
	answer int // 0: the call itself
	lose   bool
	body   string
}

// draw uses up what the corners hold for the next call.
func (c *Corners) draw(call Call) fate {
	f := fate{delay: time.Duration(c.Delays[call]), body: c.Bodies[call]}
	if c.Resets[call] > 0 {
		c.Resets[call]--
		f.reset = true
		return f
	}
	if codes := c.Answers[call]; len(codes) > 0 {
		f.answer, c.Answers[call] = codes[0], codes[1:]
		return f
	}
	if c.LostReplies[call] > 0 {
		c.LostReplies[call]--
		f.lose = true
	}
	return f
}
