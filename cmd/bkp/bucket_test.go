package main

import (
	"cmp"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"bkp/internal/lab/bed"
	"bkp/internal/lab/bucket"
)

// TestScriptsOfBuckets keeps archives in a store of this process, and
// TestBedScriptsOfBuckets in one that make beds built.
func TestScriptsOfBuckets(t *testing.T) {
	bucketScripts(t, func() bucket.Bucket { return bucket.Fake(t) })
}

func TestBedScriptsOfBuckets(t *testing.T) {
	bed.Needed(t)
	bucketScripts(t, func() bucket.Bucket { return bucket.Real(t, bucket.Options{}) })
}

// bucketScripts runs the scripts of buckets. `bucket` makes one, and sets S3_ENDPOINT,
// S3_ACCESS_KEY and S3_SECRET_KEY; `holds NUMBER` counts what is in it, unfinished
// uploads included; `silence` lets no upload in parts go on, and waits for one, while
// `speech` ends that; `answers STATUS CODE METHOD PATTERN` refuses the requests of a
// method whose key and query fit a pattern, `answers unconditional` drops their
// conditions, and `answers` ends both.
func bucketScripts(t *testing.T, create func() bucket.Bucket) {
	p := scripts("../../testdata/script/s3")
	var made sync.Map // of the scripts under way, by their endpoints
	of := func(ts *testscript.TestScript) *ownBucket {
		found, ok := made.Load(ts.Getenv("S3_ENDPOINT"))
		if !ok {
			ts.Fatalf("there is no bucket")
		}
		return found.(*ownBucket)
	}
	p.Cmds["bucket"] = func(ts *testscript.TestScript, _ bool, _ []string) {
		own := &ownBucket{Bucket: create()}
		endpoint := own.Proxy(t, func(r *http.Request) bucket.Trouble { return cmp.Or(own.answers.next(r), own.silence.next(r)) }).Endpoint
		made.Store(endpoint, own)
		ts.Setenv("S3_ENDPOINT", endpoint)
		ts.Setenv("S3_ACCESS_KEY", bucket.AccessKey)
		ts.Setenv("S3_SECRET_KEY", bucket.SecretKey)
	}
	p.Cmds["holds"] = func(ts *testscript.TestScript, _ bool, args []string) {
		if keys := of(ts).Keys(t); strconv.Itoa(len(keys)) != args[0] {
			ts.Fatalf("the bucket holds %q", keys)
		}
	}
	p.Cmds["answers"] = func(ts *testscript.TestScript, _ bool, args []string) { of(ts).answer(ts, args) }
	p.Cmds["silence"] = func(ts *testscript.TestScript, _ bool, _ []string) { of(ts).begin() }
	p.Cmds["unfinished"] = func(ts *testscript.TestScript, _ bool, _ []string) {
		own := of(ts)
		<-own.met
		if keys := own.Keys(t); !slices.ContainsFunc(keys, func(key string) bool { return strings.HasPrefix(key, "unfinished ") }) {
			ts.Fatalf("the bucket holds %q", keys)
		}
	}
	p.Cmds["speech"] = func(ts *testscript.TestScript, _ bool, _ []string) { of(ts).end() }
	testscript.Run(t, p)
}

// ownBucket is that of one script.
type ownBucket struct {
	bucket.Bucket
	silence
	answers
}

// answers is what the store says to some requests in place of an answer of its own.
type answers struct {
	mu      sync.Mutex
	trouble bucket.Trouble // "" for none
	method  string         // "" for any
	pattern *regexp.Regexp
}

func (a *answers) answer(ts *testscript.TestScript, args []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch len(args) {
	case 0:
		a.trouble = ""
	case 1:
		a.trouble, a.method, a.pattern = bucket.Trouble(args[0]), "", regexp.MustCompile("")
	default:
		status, err := strconv.Atoi(args[0])
		ts.Check(err)
		a.trouble, a.method, a.pattern = bucket.Refused(status, args[1]), args[2], regexp.MustCompile(args[3])
	}
}

func (a *answers) next(r *http.Request) bucket.Trouble {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.trouble == "" || a.method != "" && a.method != r.Method || !a.pattern.MatchString(r.URL.RequestURI()) {
		return ""
	}
	return a.trouble
}

// silence answers no second part of an upload, while it lasts.
type silence struct {
	mu    sync.Mutex
	lasts bool
	met   chan struct{}
}

func (s *silence) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lasts, s.met = true, make(chan struct{})
}

func (s *silence) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lasts = false
}

func (s *silence) next(r *http.Request) bucket.Trouble {
	s.mu.Lock()
	defer s.mu.Unlock()
	if part := r.URL.Query().Get("partNumber"); !s.lasts || part == "" || part == "1" {
		return ""
	}
	select {
	case <-s.met:
	default:
		close(s.met)
	}
	return bucket.Silent
}
