package providers

import "encoding/json"

// Permitted is a configuration of a strategy that asks a service whose rights somebody
// has to grant.
type Permitted interface {
	// Policy is the least that the block needs as it is written. It touches nothing.
	Policy() Policy
}

// Policy is what a service has to allow.
type Policy struct {
	// Service that checks it, and who has the rights: "IAM policy for the role or user
	// of bkp".
	Title string
	// Rights in the order of their use.
	Rights []Right
	// Document is the policy in the service's own format, to be given to it.
	Document json.RawMessage
}

// Right is a statement of a policy.
type Right struct {
	// Name of the statement in the document.
	Name string
	// Reason says what it is for.
	Reason string
	// Tried is set if a check tries it without an effect; otherwise only a run
	// shows whether it is granted.
	Tried bool
}
