package providertest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"bkp/providers"
)

// Sealing is a strategy that encrypts, with keys of its own.
type Sealing struct {
	// New opens it for the recipients of all Keys, with files of identities.
	New func(t *testing.T, identities ...string) providers.Sealer
	// Keys are the files of the recipients' identities, two or more, and
	// Fingerprints those of the recipients in the same order.
	Keys, Fingerprints []string
	// Stranger is the identity of nobody.
	Stranger string
}

// RunSealer holds a sealer to its contract.
func RunSealer(t *testing.T, make func(t *testing.T) Sealing) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, Sealing){
		"each identity opens it":             eachOpens,
		"its check needs no identity":        checksWithoutKey,
		"no identity, and that of nobody":    opensForNobody,
		"no change of it passes":             noChangePasses,
		"an end that was not written":        noEndPasses,
		"what it writes into may fail":       failsToWrite,
		"each recipient is proven by itself": provesEach,
	} {
		t.Run(name, func(t *testing.T) { test(t, make(t)) })
	}
}

// sizes of content around the sizes of chunks that formats have.
var sizes = []int{0, 1, 1<<16 - 1, 1 << 16, 1<<16 + 1, 3<<20 + 17}

func content(n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(i*7 + i>>8)
	}
	return out
}

func (s Sealing) seal(t *testing.T, plain []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := s.New(t).Seal(t.Context(), &out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// unseal reads to the end. What was read before an error is returned with it.
func (s Sealing) unseal(t *testing.T, sealed []byte, identities ...string) ([]byte, error) {
	t.Helper()
	r, err := s.New(t, identities...).Open(t.Context(), bytes.NewReader(sealed))
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(r)
	return got, errors.Join(err, r.Close())
}

func eachOpens(t *testing.T, s Sealing) {
	for _, n := range sizes {
		plain := content(n)
		sealed := s.seal(t, plain)
		if n > 100 && bytes.Contains(sealed, plain[:100]) {
			t.Errorf("%d bytes: the content can be read in what is sealed", n)
		}
		for _, key := range s.Keys {
			if got, err := s.unseal(t, sealed, key); err != nil || !bytes.Equal(got, plain) {
				t.Errorf("%d bytes: %d came back, %v", n, len(got), err)
			}
		}
		if got, err := s.unseal(t, sealed, s.Stranger, s.Keys[1]); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes, with a stranger's key first: %d came back, %v", n, len(got), err)
		}
	}
}

func checksWithoutKey(t *testing.T, s Sealing) {
	r, err := s.New(t).Check(t.Context())
	if err != nil || len(r.Findings) > 0 || len(r.Facts) == 0 {
		t.Errorf("check: %+v, %v", r, err)
	}
	got, err := s.New(t).Recipients(t.Context())
	want := slices.Sorted(slices.Values(s.Fingerprints))
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("recipients are %q, %v; want %q", got, err, want)
	}
	if method := s.New(t).Method(); method == "" {
		t.Error("it has no method")
	}
}

func opensForNobody(t *testing.T, s Sealing) {
	sealed := s.seal(t, content(1000))
	for name, identities := range map[string][]string{"none": nil, "a stranger's": {s.Stranger}} {
		if got, err := s.unseal(t, sealed, identities...); !errors.Is(err, providers.ErrNoIdentity) || len(got) > 0 {
			t.Errorf("identities, %s: %d bytes, %v", name, len(got), err)
		}
	}
	if _, err := s.unseal(t, sealed, s.Keys[0]+".gone"); err == nil || errors.Is(err, providers.ErrNoIdentity) {
		t.Errorf("a file that is not there: %v", err)
	}
}

// noChangePasses changes what is sealed: nothing may come to a good end.
func noChangePasses(t *testing.T, s Sealing) {
	plain := content(200 << 10)
	sealed := s.seal(t, plain)
	changed := map[string][]byte{"plain": plain, "empty": {}, "longer": append(slices.Clone(sealed), 'x'), "twice": slices.Concat(sealed, sealed)}
	for _, at := range []int{0, 40, len(sealed) / 3, len(sealed) / 2, len(sealed) - 1} {
		flipped := slices.Clone(sealed)
		flipped[at] ^= 1
		changed[fmt.Sprint("flipped at ", at)] = flipped
	}
	for _, n := range []int{1, 100, len(sealed) / 3, 64 << 10, 128 << 10, len(sealed) - 17, len(sealed) - 1} {
		changed[fmt.Sprint("cut at ", n)] = sealed[:n]
	}
	for how, content := range changed {
		got, err := s.unseal(t, content, s.Keys[0])
		// A bit of what only another recipient reads may change nothing for this one.
		if isHarmless := strings.HasPrefix(how, "flipped") && bytes.Equal(got, plain); err == nil && !isHarmless {
			t.Errorf("%s: %d bytes come to a good end", how, len(got))
		}
	}
}

func noEndPasses(t *testing.T, s Sealing) {
	var out bytes.Buffer
	w, err := s.New(t).Seal(t.Context(), &out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content(1 << 20)); err != nil {
		t.Fatal(err)
	}
	half := slices.Clone(out.Bytes())
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if len(half) == out.Len() {
		t.Fatal("Close writes nothing")
	}
	if got, err := s.unseal(t, half, s.Keys[0]); err == nil {
		t.Errorf("without its end %d bytes come to a good one", len(got))
	}
}

// full is a disk with room for some bytes.
type full struct{ left int }

var errFull = errors.New("no space left")

func (f *full) Write(p []byte) (int, error) {
	if len(p) > f.left {
		return 0, errFull
	}
	f.left -= len(p)
	return len(p), nil
}

func failsToWrite(t *testing.T, s Sealing) {
	w, err := s.New(t).Seal(t.Context(), &full{left: 100 << 10})
	if err == nil {
		_, err = w.Write(content(2 << 20))
		err = errors.Join(err, w.Close())
	}
	if !errors.Is(err, errFull) {
		t.Errorf("with a full disk: %v", err)
	}
}

func provesEach(t *testing.T, s Sealing) {
	sealed := s.seal(t, content(100))
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(sealed)), t.Context().Err() }
	prove := func(identities ...string) []string {
		got, err := s.New(t, identities...).Proves(t.Context(), open)
		if err != nil {
			t.Errorf("proof: %v", err)
		}
		return slices.Sorted(slices.Values(got))
	}
	for i, key := range s.Keys {
		if got := prove(s.Stranger, key); !slices.Equal(got, []string{s.Fingerprints[i]}) {
			t.Errorf("key %d proves %q", i, got)
		}
	}
	if got := prove(s.Keys...); !slices.Equal(got, slices.Sorted(slices.Values(s.Fingerprints))) {
		t.Errorf("all keys prove %q", got)
	}
	if got := prove(s.Stranger); len(got) > 0 {
		t.Errorf("a stranger's key proves %q", got)
	}
	// What a key opens counts, and not whose it is.
	sealed = content(1000)
	if got, err := s.New(t, s.Keys...).Proves(t.Context(), open); len(got) > 0 {
		t.Errorf("what was not sealed proves %q, %v", got, err)
	}
}
