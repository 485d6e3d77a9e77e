//go:build unix

package mirror

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"bkp/providers"
	"bkp/providers/home"
	"bkp/providers/providertest"
)

// The size of the home that benchmarks use; -bench alone takes a small one.
var (
	benchFiles = flag.Int("files", 6_000, "files of the benchmark's home")
	benchBytes = flag.Int64("bytes", 150_000_000, "bytes of the benchmark's home")
)

// BenchmarkPasses times a first pass and one over a home that did not change,
// beside rsync -a --delete on the same home, and prints the ratios: below 1 the
// mirror is faster. Both copies are made anew, and each unchanged pass is the
// best of three.
func BenchmarkPasses(b *testing.B) {
	rsync, err := exec.LookPath("rsync")
	if err != nil {
		b.Skip("no rsync; make deps installs it")
	}
	dir := b.TempDir()
	source := filepath.Join(dir, "home")
	fill(b, source, *benchFiles, *benchBytes)
	for b.Loop() {
		s := &strategy{Base: home.Base{
			Config: home.Config{Path: source},
			Env:    providers.Env{WorkDir: filepath.Join(dir, "work"), Parallelism: runtime.NumCPU()},
		}}
		copied := filepath.Join(dir, "rsync")
		for _, d := range []string{s.Env.WorkDir, copied} {
			if err := os.RemoveAll(d); err != nil {
				b.Fatal(err)
			}
		}
		byRsync := func() error {
			return exec.CommandContext(context.Background(), rsync, "-a", "--delete", source+"/", copied+"/").Run()
		}
		first, theirFirst := best(b, 1, func() error { _, err := s.Capture(b.Context(), providertest.ID); return err }), best(b, 1, byRsync)
		capture := func() error { _, err := s.Capture(b.Context(), providertest.ID); return err }
		again, theirAgain := best(b, 3, capture), best(b, 3, byRsync)
		b.Logf("first pass %v, rsync %v; unchanged %v, rsync %v", first, theirFirst, again, theirAgain)
		b.ReportMetric(first.Seconds()/theirFirst.Seconds(), "first/rsync")
		b.ReportMetric(again.Seconds()/theirAgain.Seconds(), "unchanged/rsync")
	}
}

func best(b *testing.B, n int, do func() error) time.Duration {
	b.Helper()
	var out time.Duration
	for i := range n {
		start := time.Now()
		if err := do(); err != nil {
			b.Fatal(err)
		}
		if d := time.Since(start); i == 0 || d < out {
			out = d
		}
	}
	return out
}

// BenchmarkMemory makes two passes over a home of -files empty files and
// reports the most memory that the process took, in MB.
func BenchmarkMemory(b *testing.B) {
	dir := b.TempDir()
	source := filepath.Join(dir, "home")
	fill(b, source, *benchFiles, 0)
	for b.Loop() {
		s := &strategy{Base: home.Base{
			Config: home.Config{Path: source},
			Env:    providers.Env{WorkDir: filepath.Join(dir, "work"), Parallelism: runtime.NumCPU()},
		}}
		for range 2 {
			if _, err := s.Capture(b.Context(), providertest.ID); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(peak(b), "MB")
	}
}

// peak is the most memory that the system has seen this process use.
func peak(b *testing.B) float64 {
	b.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Skip("this system does not report the peak of a process's memory")
	}
	var kb int
	for line := range lines(string(status)) {
		if n, err := fmt.Sscanf(line, "VmHWM: %d kB", &kb); n == 1 && err == nil {
			return float64(kb) / 1000
		}
	}
	b.Fatal("no VmHWM")
	return 0
}

func lines(text string) func(func(string) bool) {
	return func(yield func(string) bool) {
		start := 0
		for i := range len(text) {
			if text[i] == '\n' {
				if !yield(text[start:i]) {
					return
				}
				start = i + 1
			}
		}
	}
}

// fill makes a home like those of git: folders of two hexadecimal digits, a
// dozen files each, most small and some large.
func fill(b *testing.B, root string, files int, bytes int64) {
	b.Helper()
	rnd := rand.New(rand.NewPCG(1, 2))
	block := make([]byte, 1<<20)
	for i := range block {
		block[i] = byte(rnd.Uint32())
	}
	var dir string
	mean := bytes / int64(files)
	for i := range files {
		if i%12 == 0 {
			n := i / 12
			dir = filepath.Join(root, "shared", "data", "repositories", strconv.Itoa(n/256), "objects", fmt.Sprintf("%02x", n%256))
			if err := os.MkdirAll(dir, 0o750); err != nil {
				b.Fatal(err)
			}
		}
		size := mean / 2
		if i%64 == 0 {
			size = mean * 32 // half of the bytes lie in packs
		}
		size = min(size, int64(len(block)))
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%038x", rnd.Uint64())), block[:size], 0o444); err != nil {
			b.Fatal(err)
		}
	}
}
