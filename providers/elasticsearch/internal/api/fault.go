package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"bkp/internal/problem"
)

// Fault is what a server answered instead of doing what it was asked for.
type Fault struct {
	// Method and Path are those of the request.
	Method, Path string
	// Status is that of HTTP.
	Status int
	// Type is the server's name for the error, such as snapshot_missing_exception, ""
	// if it gave none.
	Type string
	// Reason is what the server says, with its causes.
	Reason string
}

// Error implements error.
func (f *Fault) Error() string {
	return fmt.Sprintf("%s %s answered %d: %s", f.Method, f.Path, f.Status, strings.TrimSpace(f.Type+" "+f.Reason))
}

// IsMissing reports whether err says that a snapshot is not there.
func IsMissing(err error) bool { return isType(err, "snapshot_missing_exception") }

// IsUnregistered reports whether err says that a repository is not registered.
func IsUnregistered(err error) bool { return isType(err, "repository_missing_exception") }

// IsNoIndex reports whether err says that there is no such index.
func IsNoIndex(err error) bool { return isType(err, "index_not_found_exception") }

// IsTaken reports whether err says that there is a snapshot of this name already.
func IsTaken(err error) bool {
	var f *Fault
	return errors.As(err, &f) && strings.Contains(f.Reason, "already exists") && strings.Contains(f.Type, "snapshot")
}

// IsBusy reports whether the same call may succeed once the server has finished
// something else.
func IsBusy(err error) bool {
	var f *Fault
	return errors.As(err, &f) && (f.Status == http.StatusTooManyRequests || f.Type == "concurrent_snapshot_execution_exception" ||
		f.Status == http.StatusServiceUnavailable && f.Type != "")
}

// IsPassing reports whether the server itself did not decide: no answer came, or that
// of a proxy or of a server that starts.
func IsPassing(err error) bool {
	var none *NoAnswer
	var f *Fault
	return errors.As(err, &none) || errors.As(err, &f) && (f.Status >= http.StatusBadGateway || f.Status == http.StatusTooManyRequests)
}

func isType(err error, name string) bool {
	var f *Fault
	return errors.As(err, &f) && f.Type == name
}

// cause is how servers describe what went wrong.
type cause struct {
	Type     string  `json:"type"`
	Reason   string  `json:"reason"`
	CausedBy *cause  `json:"caused_by"`
	Roots    []cause `json:"root_cause"`
}

// maxReason bounds what is repeated of an answer.
const maxReason = 1000

// faultOf reads an answer. It may be that of a proxy, too.
func faultOf(r call, status int, reply []byte) *Fault {
	f := &Fault{Method: r.method, Path: r.path, Status: status}
	var answer struct{ Error json.RawMessage }
	var c cause
	if err := json.Unmarshal(reply, &answer); err != nil || json.Unmarshal(answer.Error, &c) != nil {
		f.Reason = shorten(strings.Join(strings.Fields(string(reply)), " "))
		return f
	}
	f.Type = c.Type
	var said []string
	for at := &c; at != nil; at = at.CausedBy {
		if at.Reason != "" && !strings.Contains(strings.Join(said, ""), at.Reason) {
			said = append(said, at.Reason)
		}
	}
	f.Reason = shorten(strings.Join(said, ": "))
	return f
}

func shorten(text string) string {
	if len(text) > maxReason {
		return text[:maxReason] + "…"
	}
	return text
}

// explain says what a fault means, and what to do.
func explain(server string, f *Fault) error {
	has := func(part string) bool { return strings.Contains(f.Reason, part) }
	switch {
	case f.Status == http.StatusUnauthorized:
		return problem.Wrapf(f, "search server refuses the credentials", "set username and password of the elasticsearch block, or for Amazon the keys of a user that the domain knows", "%s", server)
	case f.Status == http.StatusForbidden:
		return problem.Wrapf(f, "search server denies an action",
			"give the user the right that is named. On Elasticsearch the cluster privileges monitor and create_snapshot are enough to back up, and manage is needed to register the repository, to delete snapshots and to restore; on OpenSearch the role manage_snapshots has all", "%s", server)
	case f.Status == http.StatusNotAcceptable || f.Status == http.StatusUnsupportedMediaType:
		return problem.Wrapf(f, "search server refuses the content type", "bkp sends and takes application/json: look what lies between this machine and the server, and changes headers", "%s", server)
	case f.Type == "repository_missing_exception":
		return problem.Wrapf(f, "snapshot repository is not registered", "register it, or set register = true in the elasticsearch block", "%s", server)
	case has("doesn't match any of the locations specified by path.repo"):
		return problem.Wrapf(f, "location is not allowed by the search server", "add the folder to path.repo in the configuration of every node, and restart the nodes", "%s", server)
	case has("repository type [") && has("does not exist"):
		return problem.Wrapf(f, "search server does not know this type of repository", "install the plugin on every node, such as repository-s3, and restart the nodes", "%s", server)
	case has("readonly repository") || has("repository is readonly") || has("read-only"):
		return problem.Wrapf(f, "snapshot repository is read-only", "name a repository that this cluster may write to; one repository must not be written to by two clusters", "%s", server)
	case f.Type == "repository_verification_exception" || f.Type == "repository_exception":
		return problem.Wrapf(f, "snapshot repository cannot be used", "see that the folder or the bucket is there, and that every node of the search server may write to it", "%s", server)
	case f.Type == "snapshot_missing_exception":
		return problem.Wrapf(f, "snapshot is not there", "restore another backup, or let Bitbucket build the index anew: rebuild = true", "%s", server)
	case f.Type == "invalid_snapshot_name_exception":
		return problem.Wrapf(f, "search server refuses the name of the snapshot", "see whether another backup of the same name was made in the same second", "%s", server)
	case has("primary shard"):
		return problem.Wrapf(f, "index has no primary shard", "look why the shard is not assigned, with GET _cluster/allocation/explain; Bitbucket cannot search in the index either", "%s", server)
	case has("same name already exists"):
		return problem.Wrapf(f, "index is there already", "stop Bitbucket and delete its indices, if they are not needed any more; bkp never does", "%s", server)
	}
	return problem.Wrapf(f, "search server gave an error", "look into the log of the search server", "%s", server)
}
