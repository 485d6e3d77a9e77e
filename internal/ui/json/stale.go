package json

import (
	"encoding/json"

	"bkp/internal/engine/plan"
)

// Stale says why a saved plan does not hold any more. An error with the exit
// code follows it.
type Stale struct {
	// Event is "stale".
	Event   string   `json:"event"`
	Changes []Change `json:"changes"`
}

// Change is one difference. Old is null for what is new, New for what is gone;
// without a key a whole block is meant.
type Change struct {
	Ground  plan.Ground     `json:"ground"`
	Address string          `json:"address,omitempty"`
	Key     string          `json:"key,omitempty"`
	Old     json.RawMessage `json:"old"`
	New     json.RawMessage `json:"new"`
}

// NewStale returns the object for changes.
func NewStale(changes []plan.Change) Stale {
	out := Stale{Event: "stale", Changes: []Change{}}
	for _, c := range changes {
		to := Change{Ground: c.Ground, Address: c.Address, Key: c.Key}
		if !c.Added && c.Key != "" {
			to.Old = value(c.Ground, c.Old)
		}
		if !c.Removed && c.Key != "" {
			to.New = value(c.Ground, c.New)
		}
		out.Changes = append(out.Changes, to)
	}
	return out
}

// value is JSON already in a configuration, and a plain text elsewhere.
func value(ground plan.Ground, text string) json.RawMessage {
	if ground == plan.GroundConfiguration && json.Valid([]byte(text)) {
		return json.RawMessage(text)
	}
	b, err := json.Marshal(text)
	if err != nil {
		panic(err) // a string always has its JSON
	}
	return b
}
