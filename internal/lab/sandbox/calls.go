package sandbox

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	tokenHeader    = "X-Atlassian-Maintenance-Token" //nolint:gosec // a header's name
	defaultVersion = "10.2.0"
)

// code returns the corner's status, or the documented one.
func code(corner, documented int) int {
	if corner != 0 {
		return corner
	}
	return documented
}

// withJSON is a reply with a body. The types encoded here always encode.
func withJSON[T any](status int, body T) reply {
	text, err := json.Marshal(body)
	if err != nil {
		return failure(http.StatusInternalServerError, err.Error())
	}
	return reply{status: status, body: text}
}

type apiErrors struct {
	Errors []apiError `json:"errors"`
	Owner  *Owner     `json:"owner,omitempty"`
}

type apiError struct {
	Context       *string `json:"context"`
	Message       string  `json:"message"`
	ExceptionName *string `json:"exceptionName"`
}

func failure(status int, message string) reply {
	return withJSON(status, apiErrors{Errors: []apiError{{Message: message}}})
}

func unavailable(c Corners) reply {
	r := failure(http.StatusServiceUnavailable, "Bitbucket is currently unavailable: it is in maintenance")
	if !c.NoRetryAfter {
		r.header = map[string]string{"Retry-After": "30"}
	}
	return r
}

// refused turns the machine's refusal into the status that the corners name.
func (s *Server) refused(err error) reply {
	codes := s.Corners().Codes
	status := http.StatusInternalServerError
	switch {
	case errors.Is(err, errLocked):
		status = code(codes.AlreadyLocked, http.StatusConflict)
	case errors.Is(err, errWrongToken):
		status = code(codes.WrongToken, http.StatusConflict)
	case errors.Is(err, errNotLocked):
		status = code(codes.NotLocked, http.StatusNotFound)
	case errors.Is(err, errNoTask):
		status = code(codes.NoTask, http.StatusNotFound)
	case errors.Is(err, errTaskRunning):
		status = code(codes.TaskRunning, http.StatusConflict)
	case errors.Is(err, errProgress):
		status = code(codes.BadProgress, http.StatusBadRequest)
	}
	return failure(status, err.Error())
}

type lockReply struct {
	UnlockToken string `json:"unlockToken,omitempty"`
	Owner       Owner  `json:"owner"`
}

func (s *Server) postLock(*http.Request) reply {
	token, owner, err := s.machine.lock(Owner{DisplayName: s.options.User, Name: s.options.User})
	if err != nil {
		status := code(s.Corners().Codes.AlreadyLocked, http.StatusConflict)
		return withJSON(status, apiErrors{Errors: []apiError{{Message: err.Error()}}, Owner: &owner})
	}
	return withJSON(http.StatusAccepted, lockReply{UnlockToken: token, Owner: owner})
}

func (s *Server) getLock(*http.Request) reply {
	state := s.State()
	if !state.Locked() {
		return failure(http.StatusNotFound, errNotLocked.Error())
	}
	return withJSON(http.StatusOK, lockReply{Owner: *state.Owner})
}

func (s *Server) deleteLock(r *http.Request) reply {
	if err := s.machine.unlock(r.URL.Query().Get("token")); err != nil {
		return s.refused(err)
	}
	return reply{status: code(s.Corners().Codes.Unlocked, http.StatusAccepted)}
}

type taskReply struct {
	ID          string        `json:"id"`
	Progress    progressReply `json:"progress"`
	State       TaskState     `json:"state"`
	Type        string        `json:"type"`
	CancelToken string        `json:"cancelToken,omitempty"`
}

type progressReply struct {
	Message    string `json:"message"`
	Percentage int    `json:"percentage"`
}

func (s *Server) postBackup(r *http.Request) reply {
	if r.URL.Query().Get("external") != "true" {
		return failure(http.StatusBadRequest, "the sandbox makes external backups only: add external=true")
	}
	c := s.Corners()
	t, err := s.machine.start(r.Header.Get(tokenHeader), drain{delay: time.Duration(c.Drain), end: c.DrainEnd})
	if err != nil {
		return s.refused(err)
	}
	s.mu.Lock()
	s.stale = s.corners.StalePolls
	s.mu.Unlock()
	message, percent := t.shown()
	return withJSON(http.StatusAccepted, taskReply{
		ID: t.id, Progress: progressReply{message, percent}, State: t.state, Type: "BACKUP", CancelToken: t.cancel,
	})
}

type maintenanceReply struct {
	Task     *taskReply `json:"task,omitempty"`
	Database Latch      `json:"db-state,omitempty"`
	SCM      Latch      `json:"scm-state,omitempty"`
}

func (s *Server) getMaintenance(r *http.Request) reply {
	if err := s.machine.checkToken(r.Header.Get(tokenHeader)); err != nil {
		return s.refused(err)
	}
	if stale, status := s.drawStale(); stale {
		if status == http.StatusOK {
			return withJSON(status, maintenanceReply{Database: Available, SCM: Available})
		}
		return failure(status, "this node knows of no maintenance task")
	}
	state := s.machine.polled()
	if state.Task == nil && !s.Corners().IdleAnswers {
		return failure(http.StatusNotFound, "no maintenance task is known")
	}
	body := maintenanceReply{Database: state.Database, SCM: state.SCM}
	if t := state.Task; t != nil {
		body.Task = &taskReply{ID: t.ID, State: t.State, Type: "BACKUP", Progress: progressReply{t.Message, t.Progress}}
	}
	return withJSON(http.StatusOK, body)
}

// drawStale reports whether this poll reaches a node that does not know the
// task, and what that node answers.
func (s *Server) drawStale() (stale bool, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stale == 0 {
		return false, 0
	}
	s.stale--
	return true, code(s.corners.StaleAnswer, http.StatusNotFound)
}

func (s *Server) postProgress(r *http.Request) reply {
	percent, err := strconv.Atoi(r.URL.Query().Get("percentage"))
	if err != nil {
		return failure(http.StatusBadRequest, "percentage is not a whole number")
	}
	if err := s.machine.progress(r.URL.Query().Get("token"), percent); err != nil {
		return s.refused(err)
	}
	return reply{status: http.StatusAccepted}
}

func (s *Server) postCancel(r *http.Request) reply {
	if err := s.machine.cancel(r.URL.Query().Get("token")); err != nil {
		return s.refused(err)
	}
	return reply{status: http.StatusAccepted}
}

type propertiesReply struct {
	Version     string `json:"version"`
	BuildNumber string `json:"buildNumber"`
	BuildDate   string `json:"buildDate"`
	DisplayName string `json:"displayName"`
}

func (s *Server) getProperties(*http.Request) reply {
	version := s.Corners().Version
	if version == "" {
		version = defaultVersion
	}
	return withJSON(http.StatusOK, propertiesReply{
		Version: version, BuildNumber: "10002000", BuildDate: "1756684800000", DisplayName: "Bitbucket",
	})
}

type statusReply struct {
	State string `json:"state"`
}

func (s *Server) getStatus(*http.Request) reply {
	state := s.Corners().NodeState
	if state == "" {
		state = "RUNNING"
		if s.State().Locked() {
			state = "MAINTENANCE"
		}
	}
	if state == "RUNNING" || state == "MAINTENANCE" {
		return withJSON(http.StatusOK, statusReply{state})
	}
	return withJSON(http.StatusServiceUnavailable, statusReply{state})
}

type clusterReply struct {
	LocalNode clusterNode   `json:"localNode"`
	Nodes     []clusterNode `json:"nodes"`
	Running   bool          `json:"running"`
}

type clusterNode struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Local bool   `json:"local"`
}

func (s *Server) getCluster(*http.Request) reply {
	node := clusterNode{ID: "6b1f2a3c-sandbox", Name: "sandbox", Local: true}
	return withJSON(http.StatusOK, clusterReply{LocalNode: node, Nodes: []clusterNode{node}, Running: true})
}

type page[T any] struct {
	Values     []T  `json:"values"`
	Size       int  `json:"size"`
	Limit      int  `json:"limit"`
	Start      int  `json:"start"`
	IsLastPage bool `json:"isLastPage"`
}

func pageOf[T any](values []T) page[T] {
	return page[T]{Values: append([]T{}, values...), Size: len(values), Limit: 25, IsLastPage: true}
}

func (s *Server) getMeshNodes(*http.Request) reply {
	c := s.Corners()
	if c.MeshPaged {
		return withJSON(http.StatusOK, pageOf(c.MeshNodes))
	}
	if h := s.mesh(); h != nil && len(c.MeshNodes) == 0 {
		c.MeshNodes = h.MeshNodes()
	}
	return withJSON(http.StatusOK, append([]MeshNode{}, c.MeshNodes...))
}

func (s *Server) getInconsistentReplicas(*http.Request) reply {
	c := s.Corners()
	if h := s.mesh(); h != nil && len(c.InconsistentReplicas) == 0 {
		return withJSON(http.StatusOK, h.Inconsistent())
	}
	return withJSON(http.StatusOK, pageOf(c.InconsistentReplicas))
}

// mesh is the home whose nodes are listed, or nil.
func (s *Server) mesh() *Home {
	if s.options.Mesh == nil {
		return nil
	}
	return s.options.Mesh()
}

// getPage is any page, REST call or git request of a user.
func (s *Server) getPage(r *http.Request) reply {
	if strings.HasPrefix(r.URL.Path, "/mvc/") || strings.HasPrefix(r.URL.Path, "/rest/") {
		if state := s.State(); state.Locked() || state.Database != Available {
			return unavailable(s.Corners())
		}
		return failure(http.StatusNotFound, "the sandbox has no such call: "+r.Method+" "+r.URL.Path)
	}
	if !s.machine.page() {
		return unavailable(s.Corners())
	}
	return reply{status: http.StatusOK, body: []byte("<!doctype html><title>Bitbucket sandbox</title>\n")}
}
