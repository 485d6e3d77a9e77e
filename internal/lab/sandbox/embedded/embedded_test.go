package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// filled makes a database of 3 repositories and n pushes, and returns it with
// its path.
func filled(t *testing.T, n int) (*DB, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "db.mv.db")
	db, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	for id := 1; id <= 3; id++ {
		if err := db.AddRepository(Repository{ID: id, Name: fmt.Sprint("repository-", id)}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		if _, err := db.AddPush(push(i)); err != nil {
			t.Fatal(err)
		}
	}
	return db, path
}

func push(i int) Push {
	return Push{Repository: 1 + i%3, Branch: "main", Commit: strings.Repeat("a", 40), At: time.Unix(int64(i), 0).UTC()}
}

func TestReadReturnsWhatWasAdded(t *testing.T) {
	const n = growth + 10 // past the point where the file grows
	_, path := filled(t, n)
	rows, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(rows.Repositories) != 3 || len(rows.Pushes) != n {
		t.Fatalf("%d repositories, %d pushes", len(rows.Repositories), len(rows.Pushes))
	}
	for i, got := range rows.Pushes {
		want := push(i)
		want.ID = int64(i + 1)
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
	}
}

func TestConcurrentPushes(t *testing.T) {
	db, path := filled(t, 0)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for i := range 20 {
				if _, err := db.AddPush(push(i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	if rows, err := Read(path); err != nil || len(rows.Pushes) != 160 {
		t.Errorf("%d pushes, %v", len(rows.Pushes), err)
	}
}

// Every mix of an older beginning and a newer rest, and the other way round,
// is what a copy of a file gives that is changed meanwhile.
func TestEveryTornCopyIsDetected(t *testing.T) {
	db, path := filled(t, 20)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.AddPush(push(1)); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(before) != len(after) {
		t.Fatal("the file grew: the test wants a change in place")
	}
	for cut := 1; cut < len(after); cut++ {
		if before[cut-1] == after[cut-1] {
			continue // as torn as a cut further on
		}
		for name, torn := range map[string][]byte{
			"old then new": append(append([]byte{}, before[:cut]...), after[cut:]...),
			"new then old": append(append([]byte{}, after[:cut]...), before[cut:]...),
		} {
			if string(torn) == string(before) || string(torn) == string(after) {
				continue // the cut lies where nothing differs
			}
			if _, err := parse(torn); !errors.Is(err, ErrTorn) {
				t.Fatalf("%s, cut at %d: %v, want ErrTorn", name, cut, err)
			}
		}
	}
}

// An older or newer record in place of another is whole in itself.
func TestForeignRecordIsDetected(t *testing.T) {
	_, path := filled(t, 6)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	record := func(n int) []byte { return b[(1+n)*recordSize:][:recordSize] }
	copy(record(3), record(6)) // two pushes to the same repository
	if _, err := parse(b); !errors.Is(err, ErrTorn) {
		t.Errorf("got %v, want ErrTorn", err)
	}
}

func TestTruncatedIsDetected(t *testing.T) {
	_, path := filled(t, 5)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{0, 1, recordSize, recordSize + 1, 3 * recordSize} {
		if _, err := parse(whole[:size]); !errors.Is(err, ErrTorn) {
			t.Errorf("%d bytes: %v, want ErrTorn", size, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	db, path := filled(t, 1)
	if err := db.AddRepository(Repository{ID: 1}); err == nil {
		t.Error("a repository was added twice")
	}
	if _, err := db.AddPush(Push{Repository: 99}); err == nil {
		t.Error("a push to no repository was taken")
	}
	if _, err := db.AddPush(Push{Repository: 1, Branch: strings.Repeat("x", recordSize)}); err == nil {
		t.Error("a row that does not fit was taken")
	}
	if _, err := Create(path); !errors.Is(err, os.ErrExist) {
		t.Errorf("create over a database: %v", err)
	}
	if rows, err := Read(path); err != nil || len(rows.Pushes) != 1 {
		t.Errorf("after refusals: %d pushes, %v", len(rows.Pushes), err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte{})
	f.Add(make([]byte, 2*recordSize))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := parse(b); err != nil && !errors.Is(err, ErrTorn) {
			t.Errorf("%v does not wrap ErrTorn", err)
		}
	})
}
