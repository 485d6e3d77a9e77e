package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// filer stands in for a filer with a REST interface like ONTAP's: snapshots of a
// consistency group in two phases, with jobs that end later. The home of the
// sandbox is its volume.
type filer struct {
	password, home string

	mu        sync.Mutex
	snapshots []*filerSnapshot
	jobs      map[string]int // polls until the job has ended
	faults    map[string][]string
	counts    map[string]int
	next      int
}

type filerSnapshot struct {
	UUID    string `json:"uuid"`
	Name    string `json:"name"`
	State   string `json:"state"`
	Comment string `json:"comment,omitempty"`
}

const filerGroup = "0b6c1f6e-2f0e-11ef-9d4b-00a098d39e12"

// cmdFiler starts a filer, and sets FILER_URL and FILER_PASSWORD.
//
//	filer fault CALL WHAT...  the next calls: a status, lost (done, and no reply), slow (done, and a late reply), expired
//	filer holds NAME...       its snapshots are these
//	filer called CALL N       the call was made so often
//	filer forget              every snapshot is gone
//
// Calls are check, start, commit, take, comment, find, list, delete and job.
func cmdFiler(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 0 {
		f := &filer{password: `sec"ret of the filer`, home: ts.Getenv("SANDBOX_HOME"), jobs: map[string]int{}, faults: map[string][]string{}, counts: map[string]int{}}
		server := httptest.NewServer(f)
		ts.Defer(server.Close)
		ts.Setenv("FILER_URL", server.URL)
		ts.Setenv("FILER_PASSWORD", f.password)
		filers.Store(server.URL, f)
		return
	}
	found, ok := filers.Load(ts.Getenv("FILER_URL"))
	if !ok {
		ts.Fatalf("there is no filer")
	}
	f := found.(*filer)
	f.mu.Lock()
	defer f.mu.Unlock()
	switch args[0] {
	case "fault":
		f.faults[args[1]] = args[2:]
	case "holds":
		var names []string
		for _, s := range f.snapshots {
			names = append(names, s.Name)
		}
		if got := strings.Join(names, " "); got != strings.Join(args[1:], " ") {
			ts.Fatalf("the filer holds %q", got)
		}
	case "called":
		if got := fmt.Sprint(f.counts[args[1]]); got != args[2] {
			ts.Fatalf("%s was called %s times", args[1], got)
		}
	case "forget":
		f.snapshots = nil
		ts.Check(os.RemoveAll(filepath.Join(f.home, ".snapshot")))
	default:
		ts.Fatalf("unknown: filer %s", args[0])
	}
}

// filers are those of scripts under way, by their addresses.
var filers sync.Map

// ServeHTTP implements http.Handler.
func (f *filer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, password, _ := r.BasicAuth(); password != f.password {
		http.Error(w, `{"error": {"message": "not authorized"}}`, http.StatusUnauthorized)
		return
	}
	f.mu.Lock()
	call := callOf(r)
	f.counts[call]++
	fault := ""
	if queue := f.faults[call]; len(queue) > 0 {
		fault, f.faults[call] = queue[0], queue[1:]
	}
	if status, err := strconv.Atoi(fault); err == nil {
		f.mu.Unlock()
		http.Error(w, `{"error": {"message": "as the test wants it"}}`, status)
		return
	}
	if fault == "expired" {
		f.snapshots = slices.DeleteFunc(f.snapshots, func(s *filerSnapshot) bool { return s.State == "started" })
	}
	status, body := f.do(call, r)
	f.mu.Unlock()
	switch fault {
	case "lost":
		panic(http.ErrAbortHandler)
	case "slow":
		<-r.Context().Done() // until the client has had enough
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func callOf(r *http.Request) string {
	q := r.URL.Query()
	switch {
	case strings.HasPrefix(r.URL.Path, "/api/cluster/jobs/"):
		return "job"
	case !strings.Contains(r.URL.Path, "/snapshots"):
		return "check"
	case r.Method == http.MethodPost && q.Get("action") == "start":
		return "start"
	case r.Method == http.MethodPost:
		return "take"
	case r.Method == http.MethodPatch && q.Get("action") == "commit":
		return "commit"
	case r.Method == http.MethodPatch:
		return "comment"
	case r.Method == http.MethodDelete:
		return "delete"
	case q.Get("name") != "":
		return "find"
	}
	return "list"
}

type message map[string]any

func refusal(text string) message { return message{"error": message{"message": text}} }

func (f *filer) do(call string, r *http.Request) (int, any) {
	var asked filerSnapshot
	_ = json.NewDecoder(r.Body).Decode(&asked)
	at := f.index(func(s *filerSnapshot) bool { return s.UUID == filepath.Base(r.URL.Path) })
	switch call {
	case "check":
		if filepath.Base(r.URL.Path) != filerGroup {
			return http.StatusNotFound, refusal("no such group")
		}
		return http.StatusOK, message{"name": "bitbucket"}
	case "job":
		id := filepath.Base(r.URL.Path)
		if f.jobs[id]--; f.jobs[id] > 0 {
			return http.StatusOK, message{"state": "running"}
		}
		return http.StatusOK, message{"state": "success"}
	case "start", "take":
		if f.index(func(s *filerSnapshot) bool { return s.State == "started" || s.Name == asked.Name }) >= 0 {
			return http.StatusConflict, refusal("there is one already")
		}
		s := &filerSnapshot{UUID: f.id(), Name: asked.Name, State: "started"}
		f.snapshots = append(f.snapshots, s)
		if call == "take" {
			return f.commit(s)
		}
		return http.StatusCreated, message{}
	case "find", "list":
		records := []*filerSnapshot{}
		for _, s := range f.snapshots {
			if name := r.URL.Query().Get("name"); name == "" || name == s.Name {
				records = append(records, s)
			}
		}
		return http.StatusOK, message{"records": records}
	}
	if at < 0 {
		return http.StatusNotFound, refusal("no such snapshot")
	}
	s := f.snapshots[at]
	switch call {
	case "commit":
		return f.commit(s)
	case "comment":
		s.Comment = asked.Comment
		return http.StatusOK, message{}
	default:
		f.snapshots = append(f.snapshots[:at], f.snapshots[at+1:]...)
		if err := os.RemoveAll(f.snapshot(s)); err != nil {
			return http.StatusInternalServerError, refusal(err.Error())
		}
		return f.job()
	}
}

func (f *filer) snapshot(s *filerSnapshot) string { return filepath.Join(f.home, ".snapshot", s.Name) }

// commit copies the volume: the sandbox is drained by then.
func (f *filer) commit(s *filerSnapshot) (int, any) {
	if err := os.MkdirAll(f.snapshot(s), 0o755); err != nil {
		return http.StatusInternalServerError, refusal(err.Error())
	}
	entries, _ := os.ReadDir(f.home)
	for _, e := range entries {
		if e.Name() == ".snapshot" {
			continue
		}
		if out, err := exec.Command("cp", "-a", filepath.Join(f.home, e.Name()), f.snapshot(s)).CombinedOutput(); err != nil {
			return http.StatusInternalServerError, refusal(string(out))
		}
	}
	s.State = "committed"
	return f.job()
}

func (f *filer) job() (int, any) {
	id := f.id()
	f.jobs[id] = 2
	return http.StatusAccepted, message{"job": message{"uuid": id}}
}

func (f *filer) id() string {
	f.next++
	return fmt.Sprintf("00000000-0000-0000-0000-%012d", f.next)
}

func (f *filer) index(is func(*filerSnapshot) bool) int {
	for i, s := range f.snapshots {
		if is(s) {
			return i
		}
	}
	return -1
}
