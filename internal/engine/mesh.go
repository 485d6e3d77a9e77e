package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"bkp/internal/bitbucket"
	"bkp/internal/event"
	"bkp/internal/problem"
)

// MeshRequest says for which replicas to wait.
type MeshRequest struct {
	// Instance is its name or address.
	Instance string
	// Within is how long to wait; Every is the time between two looks.
	Within, Every time.Duration
}

// calm is how many looks in a row must find nothing: Bitbucket lists what it has
// found, and looks for more meanwhile.
const calm = 2

// WaitMesh waits until the instance lists all Mesh nodes as available and none of their
// replicas as behind, and says on the way how many still are. The error is for those
// that are not repaired in time.
func (eng *Engine) WaitMesh(ctx context.Context, r MeshRequest, sink event.Sink) error {
	instances, err := eng.Instances([]string{r.Instance})
	if err != nil {
		return err
	}
	client, err := eng.client(instances[0])
	if err != nil {
		return err
	}
	defer client.Close()
	within, cancel := context.WithTimeout(ctx, r.Within)
	defer cancel()
	w := meshWait{client: client, name: instances[0].Name, sink: sink}
	tick := time.NewTicker(r.Every)
	defer tick.Stop()
	for found := 0; ; {
		done, err := w.look(within)
		if err != nil {
			return interruptedBy(ctx, err)
		}
		if found++; !done {
			found = 0
		}
		if found >= calm {
			return nil
		}
		select {
		case <-ctx.Done():
			return interruptedBy(ctx, context.Cause(ctx))
		case <-within.Done():
			return w.late(r.Within)
		case <-tick.C:
		}
	}
}

// meshWait is a wait that is under way.
type meshWait struct {
	client *bitbucket.Client
	name   string
	sink   event.Sink
	// said is what was shown last, wrong what was found last that is not as it should
	// be, "" for nothing.
	said, wrong string
}

// look reports whether nothing is wrong. An instance that does not answer may be
// starting; one without Mesh nodes is an error.
func (w *meshWait) look(ctx context.Context) (bool, error) {
	nodes, err := w.client.MeshNodes(ctx)
	var replicas bitbucket.Inconsistency
	if err == nil && len(nodes) > 0 {
		replicas, err = w.client.InconsistentReplicas(ctx)
	}
	switch {
	case err != nil && bitbucket.Denied(err):
		return false, problem.Wrap(err, "the Mesh replicas cannot be read", "the account must be a system administrator")
	case err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return false, nil // the caller says that it is late
	case err != nil:
		w.wrong = "no answer yet: " + err.Error()
		w.say(w.wrong)
		return false, nil //nolint:nilerr // it may be starting
	case len(nodes) == 0:
		return false, problem.New("the instance has no Mesh nodes", w.name+" lists none", "look at the instance's administration")
	}
	w.wrong = wrongWith(nodes, replicas)
	if w.wrong == "" {
		w.say(fmt.Sprintf("all replicas on %d Mesh nodes agree", len(nodes)))
		return true, nil
	}
	w.say(w.wrong)
	return false, nil
}

// say notes what is new.
func (w *meshWait) say(text string) {
	if text != w.said {
		w.sink.Emit(event.Event{Time: time.Now(), Kind: event.Note, Message: text})
	}
	w.said = text
}

func wrongWith(nodes []bitbucket.MeshNode, replicas bitbucket.Inconsistency) string {
	var out []string
	for _, n := range nodes {
		if !n.Available() {
			out = append(out, n.String()+" is not available")
		}
	}
	for _, node := range slices.Sorted(maps.Keys(replicas)) {
		out = append(out, fmt.Sprintf("replicas on %s that are behind: %d", node, replicas[node]))
	}
	return strings.Join(out, "; ")
}

func (w *meshWait) late(within time.Duration) error {
	if w.wrong == "" {
		return problem.New("the Mesh replicas were not looked at often enough", fmt.Sprintf("%s: they agreed, or nothing was answered, within %s, and the list may be behind", w.name, within), "give it longer with --within")
	}
	return problem.New("Mesh replicas do not agree yet", fmt.Sprintf("%s, after %s: %s", w.name, within, w.wrong),
		"look at the logs of the Mesh nodes. A version of Bitbucket before 8.3 repairs nothing by itself: push a new branch to each repository that differs")
}
