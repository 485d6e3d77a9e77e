// Package placetest is what every place must pass. Only tests import it.
package placetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"

	"bkp/providers"
	"bkp/providers/archive/place"
)

// Backups that the suite makes.
const (
	ID    = providers.BackupID("test-20261122T214431Z")
	Other = providers.BackupID("test-20261123T214431Z")
)

// Harness joins a place to storage of its own.
type Harness struct {
	// Open opens the place as another process would.
	Open func(t *testing.T) place.Place
	// Litter leaves what a Create of an object leaves that is killed.
	Litter func(t *testing.T, name string)
}

// Run holds a place to its contract. make returns a harness with storage of its
// own, that does not exist yet, for every test.
func Run(t *testing.T, make func(t *testing.T) Harness) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, Harness){
		"what is created is there":             created,
		"a part is read":                       ranges,
		"nothing is there before its end":      whole,
		"a failed write leaves nothing":        failedWrite,
		"an ended context leaves nothing":      endedContext,
		"nothing is replaced":                  neverReplaced,
		"of several who create one wins":       oneCreates,
		"what is not there":                    absent,
		"only names are taken":                 names,
		"delete leaves the others":             deleted,
		"clean removes what was not finished":  cleaned,
		"a claim is one's":                     claims,
		"of several who claim one wins":        oneClaims,
		"check changes nothing":                checked,
		"a place that does not exist is empty": empty,
	} {
		t.Run(name, func(t *testing.T) { test(t, make(t)) })
	}
}

func put(t *testing.T, p place.Place, name, text string) {
	t.Helper()
	if err := p.Create(t.Context(), name, func(w io.Writer) error { _, err := io.WriteString(w, text); return err }); err != nil {
		t.Fatalf("create %s: %v", name, err)
	}
}

func get(t *testing.T, p place.Place, name string, offset, length int64) string {
	t.Helper()
	r, err := p.Open(t.Context(), name, offset, length)
	if err != nil {
		t.Fatalf("open %s: %v", name, err)
	}
	data, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatalf("read %s: %v", name, err)
	}
	return string(data)
}

// list are the names of what is there and no more than that.
func list(t *testing.T, p place.Place, b providers.BackupID) []string {
	t.Helper()
	all, err := p.List(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, o := range all {
		if o.Odd == nil {
			out = append(out, o.Name)
		}
	}
	if !slices.IsSorted(out) {
		t.Errorf("not sorted: %q", out)
	}
	return out
}

func holds(t *testing.T, p place.Place, b providers.BackupID, want ...string) {
	t.Helper()
	if got := list(t, p, b); !slices.Equal(got, want) {
		t.Errorf("%q holds %q, want %q", b, got, want)
	}
}

func created(t *testing.T, h Harness) {
	p := h.Open(t)
	large := strings.Repeat("0123456789", 1<<18)
	one, two, three := place.Name(ID, "one.tar"), place.Name(ID, "two"), place.Name(Other, "one.tar")
	put(t, p, two, "")
	put(t, p, one, large)
	put(t, p, three, "3")
	p = h.Open(t)
	if got := get(t, p, one, 0, -1); got != large {
		t.Errorf("%d bytes came back", len(got))
	}
	if got := get(t, p, two, 0, -1); got != "" {
		t.Errorf("%q came back", got)
	}
	holds(t, p, ID, one, two)
	holds(t, p, "", one, two, three)
	if o, err := p.Stat(t.Context(), one); err != nil || o.Name != one || o.Bytes != int64(len(large)) || o.Odd != nil {
		t.Errorf("stat: %+v, %v", o, err)
	}
	if p.At(one) == p.At(three) || !strings.HasPrefix(p.At(one), p.Destination().Name) || !strings.HasPrefix(p.At(one), p.At(string(ID))) {
		t.Errorf("they lie at %q and %q", p.At(one), p.At(three))
	}
}

func ranges(t *testing.T, h Harness) {
	p, name := h.Open(t), place.Name(ID, "one")
	put(t, p, name, "0123456789")
	for _, c := range []struct {
		offset, length int64
		want           string
	}{{0, 0, ""}, {0, 3, "012"}, {4, 2, "45"}, {7, -1, "789"}, {7, 9, "789"}, {10, -1, ""}} {
		if got := get(t, p, name, c.offset, c.length); got != c.want {
			t.Errorf("%d bytes from %d are %q, want %q", c.length, c.offset, got, c.want)
		}
	}
}

func whole(t *testing.T, h Harness) {
	p, name := h.Open(t), place.Name(ID, "one")
	err := p.Create(t.Context(), name, func(w io.Writer) error {
		if _, err := w.Write(bytes.Repeat([]byte("x"), 1<<20)); err != nil {
			return err
		}
		other := h.Open(t)
		if _, err := other.Stat(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("half of it is there: %v", err)
		}
		holds(t, other, ID)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	holds(t, p, ID, name)
}

func failedWrite(t *testing.T, h Harness) {
	p, name, boom := h.Open(t), place.Name(ID, "one"), errors.New("boom")
	err := p.Create(t.Context(), name, func(w io.Writer) error {
		_, _ = io.WriteString(w, "half")
		return boom
	})
	if !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
	holds(t, p, "")
	put(t, p, name, "whole")
}

func endedContext(t *testing.T, h Harness) {
	p, name := h.Open(t), place.Name(ID, "one")
	ctx, cancel := context.WithCancel(t.Context())
	err := p.Create(ctx, name, func(w io.Writer) error {
		cancel()
		_, err := io.WriteString(w, "more")
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("create: %v", err)
	}
	holds(t, p, "")
	put(t, p, name, "whole")
	if r, err := p.Open(ctx, name, 0, -1); err == nil {
		if _, err = io.ReadAll(r); !errors.Is(err, context.Canceled) {
			t.Errorf("read: %v", err)
		}
		_ = r.Close()
	}
}

func neverReplaced(t *testing.T, h Harness) {
	p, name := h.Open(t), place.Name(ID, "one")
	put(t, p, name, "first")
	err := p.Create(t.Context(), name, func(w io.Writer) error { _, err := io.WriteString(w, "second"); return err })
	if !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v", err)
	}
	if got := get(t, p, name, 0, -1); got != "first" {
		t.Errorf("it is %q now", got)
	}
}

func oneCreates(t *testing.T, h Harness) {
	p, name := h.Open(t), place.Name(ID, "one")
	const many = 10
	errs := make([]error, many)
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() {
			errs[i] = p.Create(t.Context(), name, func(w io.Writer) error {
				_, err := w.Write(bytes.Repeat([]byte{byte('a' + i)}, 100_000))
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
	if got := get(t, p, name, 0, -1); won != 1 || len(got) != 100_000 || strings.Trim(got, got[:1]) != "" {
		t.Errorf("%d created it, and it has %d bytes", won, len(got))
	}
}

func absent(t *testing.T, h Harness) {
	p, name := h.Open(t), place.Name(ID, "one")
	for range 2 {
		if _, err := p.Open(t.Context(), name, 0, -1); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("open: %v", err)
		}
		if _, err := p.Stat(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("stat: %v", err)
		}
		if err := p.Delete(t.Context(), name); err != nil {
			t.Errorf("delete: %v", err)
		}
		put(t, p, place.Name(ID, "two"), "2")
		if err := p.Delete(t.Context(), place.Name(ID, "two")); err != nil {
			t.Error(err)
		}
	}
}

func names(t *testing.T, h Harness) {
	p := h.Open(t)
	for _, name := range []string{
		"", "x", string(ID), string(ID) + "/", "../x", string(ID) + "/..", string(ID) + "/../x", string(ID) + "/.hidden", string(ID) + "/a/b",
		"/etc/" + string(ID), "nobackup/one", string(ID) + "/a\x00b", string(ID) + `/a\b`, string(ID) + "/" + strings.Repeat("n", 241),
	} {
		if err := p.Create(t.Context(), name, func(io.Writer) error { return nil }); err == nil {
			t.Errorf("created %q", name)
		}
		if _, err := p.Open(t.Context(), name, 0, -1); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("open of %q: %v", name, err)
		}
		if err := p.Delete(t.Context(), name); err == nil {
			t.Errorf("deleted %q", name)
		}
	}
	for _, b := range []providers.BackupID{"x", "../" + ID, "."} {
		_, err := p.List(t.Context(), b)
		_, claim := p.Claim(t.Context(), b, "me")
		if err == nil || claim == nil || p.Clean(t.Context(), b) == nil || p.Unclaim(t.Context(), b) == nil {
			t.Errorf("%q passes for an id", b)
		}
	}
	put(t, p, place.Name(ID, strings.Repeat("n", 240)), "long")
	put(t, p, place.Name(ID, `home.mirror%5B~x`), "odd")
}

func deleted(t *testing.T, h Harness) {
	p := h.Open(t)
	one, two, three := place.Name(ID, "one"), place.Name(ID, "two"), place.Name(Other, "one")
	for _, name := range []string{one, two, three} {
		put(t, p, name, name)
	}
	for range 2 {
		if err := p.Delete(t.Context(), one); err != nil {
			t.Fatal(err)
		}
	}
	holds(t, p, "", two, three)
	if got := get(t, p, two, 0, -1); got != two {
		t.Errorf("%q", got)
	}
	put(t, p, one, "again")
}

func cleaned(t *testing.T, h Harness) {
	p := h.Open(t)
	one, two, three := place.Name(ID, "one"), place.Name(ID, "two"), place.Name(Other, "one")
	put(t, p, one, "1")
	h.Litter(t, two)
	h.Litter(t, three)
	holds(t, p, "", one)
	for range 2 {
		if err := p.Clean(t.Context(), ID); err != nil {
			t.Fatal(err)
		}
	}
	holds(t, p, "", one)
	put(t, p, two, "2")
	if err := errors.Join(p.Clean(t.Context(), Other), p.Delete(t.Context(), one), p.Delete(t.Context(), two), p.Clean(t.Context(), ID)); err != nil {
		t.Fatal(err)
	}
	if all, err := p.List(t.Context(), ""); err != nil || len(all) > 0 {
		t.Errorf("left: %v, %v", all, err)
	}
	put(t, p, three, "3")
}

func claims(t *testing.T, h Harness) {
	is := func(want string) {
		t.Helper()
		if by, err := h.Open(t).Claimed(t.Context(), ID); err != nil || by != want {
			t.Errorf("it is %q's, want %q: %v", by, want, err)
		}
	}
	claim := func(who, want string) {
		t.Helper()
		if by, err := h.Open(t).Claim(t.Context(), ID, who); err != nil || by != want {
			t.Errorf("%s claims, and it is %q's, want %q: %v", who, by, want, err)
		}
	}
	is("")
	claim("bkp:host:/state one", "bkp:host:/state one")
	claim("bkp:host:/state one", "bkp:host:/state one")
	claim("another", "bkp:host:/state one")
	is("bkp:host:/state one")
	if by, err := h.Open(t).Claim(t.Context(), Other, "another"); err != nil || by != "another" {
		t.Errorf("%q, %v", by, err)
	}
	holds(t, h.Open(t), "")
	for range 2 {
		if err := h.Open(t).Unclaim(t.Context(), ID); err != nil {
			t.Fatal(err)
		}
	}
	is("")
	claim("another", "another")
}

func oneClaims(t *testing.T, h Harness) {
	const many = 20
	by := make([]string, many)
	var all sync.WaitGroup
	for i := range many {
		p := h.Open(t)
		all.Go(func() {
			var err error
			if by[i], err = p.Claim(t.Context(), ID, strings.Repeat("x", i+1)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	slices.Sort(by)
	if len(slices.Compact(by)) != 1 {
		t.Errorf("it is several's: %q", by)
	}
}

func checked(t *testing.T, h Harness) {
	p := h.Open(t)
	if r, err := p.Check(t.Context(), "bkp:test"); err != nil || r.Failed() {
		t.Fatalf("%v %v", r.Findings, err)
	}
	empty(t, h)
	put(t, p, place.Name(ID, "one"), "1")
	if r, err := p.Check(t.Context(), "bkp:test"); err != nil || r.Failed() {
		t.Fatalf("%v %v", r.Findings, err)
	}
	holds(t, p, "", place.Name(ID, "one"))
}

func empty(t *testing.T, h Harness) {
	p := h.Open(t)
	holds(t, p, "")
	holds(t, p, ID)
	if err := errors.Join(p.Clean(t.Context(), ID), p.Unclaim(t.Context(), ID)); err != nil {
		t.Error(err)
	}
	if by, err := p.Claimed(t.Context(), ID); err != nil || by != "" {
		t.Errorf("%q, %v", by, err)
	}
	if p.Destination().Name == "" {
		t.Error("it has no name")
	}
}
