package s3

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bkp/internal/lab/bucket"
	"bkp/internal/problem"
	"bkp/internal/secret"
	"bkp/providers"
	"bkp/providers/archive/place"
)

// nth has a trouble for one request, by its number.
type nth struct {
	mu       sync.Mutex
	left     int
	trouble  bucket.Trouble
	happened bool
}

func (n *nth) next(*http.Request) bucket.Trouble {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.left--
	if n.left != 0 {
		return ""
	}
	n.happened = true
	return n.trouble
}

var passing = []bucket.Trouble{bucket.Dropped, bucket.Unanswered, bucket.Truncated, bucket.SlowDown, bucket.Silent}

// TestEachRequestMayFailOnce: a place goes on, whichever it is, and neither loses
// nor doubles anything.
func TestEachRequestMayFailOnce(t *testing.T) {
	for _, trouble := range passing {
		t.Run(string(trouble), func(t *testing.T) {
			t.Parallel()
			failEach(t, bucket.Fake(t), trouble)
		})
	}
}

func TestBedEachRequestMayFailOnce(t *testing.T) {
	for _, trouble := range append(slices.Clone(passing), bucket.Corrupt) {
		t.Run(string(trouble), func(t *testing.T) {
			t.Parallel()
			failEach(t, bucket.Real(t, bucket.Options{}), trouble)
		})
	}
}

func failEach(t *testing.T, b bucket.Bucket, trouble bucket.Trouble) {
	text := numbered(2*quick.part + 5)
	for k := 1; ; k++ {
		n := &nth{left: k, trouble: trouble}
		s := at(t, b.Proxy(t, n.next), nil)
		once(t, s, text)
		if t.Failed() {
			t.Fatalf("request %d", k)
		}
		if left := b.Keys(t); len(left) > 0 {
			t.Fatalf("request %d: left %q", k, left)
		}
		allFree(t, s)
		if !n.happened {
			t.Logf("%d requests", k-1)
			return
		}
	}
}

// once uses all verbs of a place.
func once(t *testing.T, s *Store, text string) {
	t.Helper()
	large, small := place.Name(id, "large"), place.Name(id, "small")
	if by, err := s.Claim(t.Context(), id, "me"); err != nil || by != "me" {
		t.Errorf("claim: %q, %v", by, err)
	}
	for name, text := range map[string]string{large: text, small: "small"} {
		put(t, s, name, text)
		r, err := s.Open(t.Context(), name, 0, -1)
		must(t, err)
		got, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil || string(got) != text {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	if all, err := s.List(t.Context(), id); err != nil || len(all) != 2 {
		t.Errorf("list: %v, %v", all, err)
	}
	must(t, s.Delete(t.Context(), large), s.Delete(t.Context(), small), s.Clean(t.Context(), id), s.Unclaim(t.Context(), id))
}

// TestWhatStaysWrongIsAProblem, with what to do about it, and soon.
func TestWhatStaysWrongIsAProblem(t *testing.T) {
	b := bucket.Fake(t)
	for _, c := range []struct {
		trouble bucket.Trouble
		want    string
	}{
		{bucket.Dropped, "object store cannot be reached"},
		{bucket.SlowDown, "object store fails"},
		{bucket.Expired, "keys of the object store have expired"},
	} {
		t.Run(string(c.trouble), func(t *testing.T) {
			s := at(t, b.Proxy(t, func(r *http.Request) bucket.Trouble {
				if r.Method == http.MethodHead {
					return "" // has no body to say why
				}
				return c.trouble
			}), nil)
			s.limits.patience = time.Second
			_, listed := s.List(t.Context(), "")
			created := s.Create(t.Context(), place.Name(id, "x"), func(w io.Writer) error {
				_, err := io.WriteString(w, numbered(2*quick.part))
				return err
			})
			r, err := s.Check(t.Context(), "bkp:test")
			must(t, err)
			if len(r.Findings) != 1 || r.Findings[0].Summary != c.want {
				t.Errorf("check: %+v", r.Findings)
			}
			for _, err := range []error{listed, created, s.Clean(t.Context(), id)} {
				var p *problem.Problem
				if !errors.As(err, &p) || p.Summary != c.want || p.Remedy == "" || !errors.Is(err, place.ErrUnavailable) {
					t.Errorf("%v", err)
				}
			}
			allFree(t, s)
		})
	}
}

// TestKeysThatExpireAreFetchedAgain if they are not those of the configuration.
func TestKeysThatExpireAreFetchedAgain(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", bucket.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", bucket.SecretKey)
	n := &nth{left: 2, trouble: bucket.Expired}
	s := at(t, bucket.Fake(t).Proxy(t, n.next), func(c *Config) { c.AccessKey, c.SecretKey = "", secret.String{} })
	put(t, s, place.Name(id, "x"), "text")
	if !n.happened {
		t.Error("nothing expired")
	}
}

func TestNoKeysAtAll(t *testing.T) {
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_PROFILE"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_CONFIG_FILE", "/nonexistent")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
	s := at(t, bucket.Fake(t), func(c *Config) { c.AccessKey, c.SecretKey, c.Profile = "", secret.String{}, "nobody" })
	r, err := s.Check(t.Context(), "bkp:test")
	if err != nil || len(r.Findings) != 1 || r.Findings[0].Summary != "no keys for the object store" {
		t.Errorf("%+v, %v", r.Findings, err)
	}
}

// TestChecksOfOneMaker do not disturb each other, as several instances have one archive;
// and a later one removes what one left that was killed.
func TestChecksOfOneMaker(t *testing.T) {
	b := bucket.Fake(t)
	check := func(s *Store, maker string, fails bool) {
		if r, err := s.Check(t.Context(), maker); err != nil || r.Failed() != fails {
			t.Errorf("%+v, %v", r.Findings, err)
		}
	}
	lame := at(t, b.Answering(t, http.StatusForbidden, "AccessDenied", func(r *http.Request) bool { return r.Method == http.MethodDelete }), nil)
	check(lame, "bkp:one", true)
	check(lame, "bkp:other", true)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { check(at(t, b, nil), "bkp:one", false) })
	}
	all.Wait()
	if left := b.Keys(t); len(left) != 2 {
		t.Errorf("young probes may be in use: %q", left)
	}
	later := at(t, b, nil)
	begun := later.newUpload(t.Context(), probesOf("bkp:one")+"KILLED")
	_, err := begun.Write([]byte("parts"))
	must(t, err, begun.send())
	later.limits.abandoned = -time.Minute // times of a store are of a second
	check(later, "bkp:one", false)
	if left := b.Keys(t); len(left) != 1 {
		t.Errorf("left: %q", left)
	}
	if left, err := later.unfinished(t.Context(), later.key("")); err != nil || len(left) > 0 {
		t.Errorf("unfinished: %v, %v", left, err)
	}
}

// answering is a store that says the same to all requests of some methods.
func answering(t *testing.T, b bucket.Bucket, status int, code string, methods ...string) *Store {
	t.Helper()
	return at(t, b.Answering(t, status, code, func(r *http.Request) bool { return slices.Contains(methods, r.Method) }), nil)
}

// TestCheckNamesWhatAStoreLacks and what its keys may not do.
func TestCheckNamesWhatAStoreLacks(t *testing.T) {
	for name, c := range map[string]struct {
		status  int
		code    string
		methods []string
		want    string
	}{
		"wrong key":      {403, "InvalidAccessKeyId", []string{http.MethodGet}, "object store refuses the keys: list"},
		"wrong secret":   {403, "SignatureDoesNotMatch", []string{http.MethodGet}, "object store refuses the keys: list"},
		"no bucket":      {404, "NoSuchBucket", []string{http.MethodGet}, "bucket does not exist"},
		"clock":          {403, "RequestTimeTooSkewed", []string{http.MethodGet}, "clock differs from that of the object store"},
		"region":         {301, "PermanentRedirect", []string{http.MethodGet}, "bucket is in another region"},
		"no listing":     {403, "AccessDenied", []string{http.MethodGet}, "object store refuses access: list"},
		"no writing":     {403, "AccessDenied", []string{http.MethodPut}, "object store refuses access: write"},
		"no deleting":    {403, "AccessDenied", []string{http.MethodDelete}, "object store refuses access: delete"},
		"no parts":       {403, "AccessDenied", []string{http.MethodPost}, "object store refuses access: write in parts"},
		"storage class":  {400, "InvalidStorageClass", []string{http.MethodPut}, "object store has no such storage class"},
		"full":           {507, "XMinioStorageFull", []string{http.MethodPut}, "object store"},
		"checksums":      {501, "NotImplemented", []string{http.MethodPut}, "object store"},
		"writes nothing": {200, "", []string{http.MethodPut}, "object store lost an object"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := bucket.Fake(t)
			s := answering(t, b, c.status, c.code, c.methods...)
			s.limits.patience = time.Second
			r, err := s.Check(t.Context(), "bkp:test")
			must(t, err)
			isWanted := func(f providers.Finding) bool {
				return f.Severity == problem.Error && strings.HasPrefix(f.Error(), c.want) && f.Remedy != ""
			}
			if !slices.ContainsFunc(r.Findings, isWanted) {
				t.Errorf("%+v", r.Findings)
			}
			if left := b.Keys(t); len(left) > 0 && name != "no deleting" && name != "no parts" {
				t.Errorf("left: %q", left)
			}
		})
	}
}

// TestCheckFindsAStoreWithoutConditionalWrites, as a proxy that drops the condition
// is one.
func TestCheckFindsAStoreWithoutConditionalWrites(t *testing.T) {
	b := bucket.Fake(t)
	s := at(t, b.Proxy(t, func(r *http.Request) bucket.Trouble { r.Header.Del("If-None-Match"); return "" }), nil)
	r, err := s.Check(t.Context(), "bkp:test")
	if err != nil || !r.Failed() || r.Findings[0].Summary != "object store has no conditional writes" {
		t.Errorf("%+v, %v", r.Findings, err)
	}
	if left := b.Keys(t); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// TestOnlyOneUploadInPartsWins: others are refused when they complete theirs.
func TestBedOnlyOneUploadInPartsWins(t *testing.T) {
	b := bucket.Real(t, bucket.Options{})
	const many = 4
	errs := make([]error, many)
	begun, all := sync.WaitGroup{}, sync.WaitGroup{}
	begun.Add(many)
	for i := range many {
		s := at(t, b, nil)
		all.Go(func() {
			errs[i] = s.Create(t.Context(), place.Name(id, "one"), func(w io.Writer) error {
				begun.Done()
				begun.Wait() // none sees that of another before it begins
				_, err := io.WriteString(w, strings.Repeat(fmt.Sprint(i), quick.part+1))
				return err
			})
		})
	}
	all.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else if !errors.Is(err, fs.ErrExist) {
			t.Error(err)
		}
	}
	if keys := b.Keys(t); won != 1 || len(keys) != 1 {
		t.Errorf("%d won, and the bucket has %q", won, keys)
	}
}
