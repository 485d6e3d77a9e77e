package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"bkp/internal/engine"
	"bkp/internal/engine/overview"
	"bkp/internal/engine/plan"
	"bkp/internal/event"
	jsonui "bkp/internal/ui/json"
)

// TestDocumentedJSONIsWhatIsWritten reads every example of docs/json.md into
// the type that is written there, and refuses fields that it does not have.
func TestDocumentedJSONIsWhatIsWritten(t *testing.T) {
	doc, err := os.ReadFile("../../docs/json.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for i, part := range strings.Split(string(doc), "```json\n")[1:] {
		examples, _, _ := strings.Cut(part, "```")
		dec := json.NewDecoder(strings.NewReader(examples))
		for {
			var raw json.RawMessage
			err := dec.Decode(&raw)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("block %d: %v", i+1, err)
			}
			name, into := documented(t, raw)
			seen[name] = true
			strict := json.NewDecoder(bytes.NewReader(raw))
			strict.DisallowUnknownFields()
			if err := strict.Decode(into); err != nil {
				t.Errorf("block %d, %s: %v", i+1, name, err)
			}
		}
	}
	for _, name := range []string{"error", "diagnostic", "stale", "backup", "status", "report", "retention", "validation", "plan", string(event.Locked), string(event.Summary)} {
		if !seen[name] {
			t.Errorf("no example of %s", name)
		}
	}
	for _, kind := range []event.Kind{event.StepStarted, event.StepProgress, event.StepDone, event.StepFailed, event.Locked, event.Unlocked, event.MayBeLocked, event.Note, event.Warning, event.Summary} {
		if !strings.Contains(string(doc), "`"+string(kind)+"`") {
			t.Errorf("%s is not documented", kind)
		}
	}
	for _, e := range exitMeanings {
		if !strings.Contains(strings.ReplaceAll(string(doc), "`", ""), fmt.Sprintf("| %d | %s |", e.Code, e.Meaning)) {
			t.Errorf("exit code not documented: %+v", e)
		}
	}
}

// documented returns which object an example is.
func documented(t *testing.T, raw json.RawMessage) (name string, into any) {
	t.Helper()
	var head struct {
		Event  string          `json:"event"`
		Format json.RawMessage `json:"format_version"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		t.Fatal(err)
	}
	switch {
	case head.Event == "error":
		return head.Event, &jsonui.Failure{}
	case head.Event == "diagnostic":
		return head.Event, &jsonui.Diagnostic{}
	case head.Event == "retention":
		return head.Event, &retentionObject{}
	case head.Event == "stale":
		return head.Event, &jsonui.Stale{}
	case head.Event == "backup":
		return head.Event, &backupObject{}
	case head.Event == "report":
		return head.Event, &overview.Page{}
	case head.Event == "status":
		return head.Event, &engine.Status{}
	case head.Event != "":
		return head.Event, &event.Event{}
	case bytes.HasPrefix(head.Format, []byte(`"`)):
		return "validation", &jsonui.Validation{}
	default:
		return "plan", &plan.File{}
	}
}
