package aws

import (
	"encoding/json"

	"bkp/providers"
)

// Statement of an IAM policy, and why it is in there.
type Statement struct {
	Name, Reason string
	Tried        bool
	Actions      []string
	// Resources are ARNs; none for "*".
	Resources []string
	// Conditions by operator and key.
	Conditions map[string]map[string]any
}

// PolicyOf writes the statements as a policy of IAM.
func PolicyOf(statements []Statement) providers.Policy {
	type statement struct {
		Sid       string
		Effect    string
		Action    []string
		Resource  []string
		Condition map[string]map[string]any `json:",omitempty"`
	}
	document := struct {
		Version   string
		Statement []statement
	}{Version: "2012-10-17"}
	out := providers.Policy{Title: "IAM policy for the role or user of Amazon that bkp uses"}
	for _, s := range statements {
		resources := s.Resources
		if len(resources) == 0 {
			resources = []string{"*"}
		}
		document.Statement = append(document.Statement, statement{s.Name, "Allow", s.Actions, resources, s.Conditions})
		out.Rights = append(out.Rights, providers.Right{Name: s.Name, Reason: s.Reason, Tried: s.Tried})
	}
	out.Document, _ = json.Marshal(document) // of texts alone
	return out
}
