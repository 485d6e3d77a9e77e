package s3

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"bkp/internal/lab/bucket"
	"bkp/internal/secret"
	"bkp/providers/archive/place"
)

// sink is a store that keeps nothing of an object but how long it is, and calls held
// for each part that comes and goes.
type sink struct {
	mu    sync.Mutex
	bytes int64
	mark  string
	held  func()
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n, _ := io.Copy(io.Discard, r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	query := r.URL.Query()
	switch {
	case r.Method == http.MethodPut:
		s.bytes += n
		s.held()
		w.Header().Set("ETag", `"00"`)
	case r.Method == http.MethodHead && s.bytes == 0:
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodHead:
		w.Header().Set(uploadHeader, s.mark)
		w.Header().Set("Content-Length", strconv.FormatInt(s.bytes, 10))
		w.Header().Set("Last-Modified", "Sun, 22 Nov 2026 21:44:31 GMT")
	case query.Has("uploads"):
		s.mark = r.Header.Get(uploadHeader)
		_, _ = fmt.Fprint(w, "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>")
	default:
		_, _ = fmt.Fprint(w, `<CompleteMultipartUploadResult><ETag>"00"</ETag></CompleteMultipartUploadResult>`)
	}
}

// TestMemoryOfAnUploadIsBounded however long it is: what is in use at the end of each
// part is its buffers, and little more.
func TestMemoryOfAnUploadIsBounded(t *testing.T) {
	inUse := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	var most int64
	store := &sink{held: func() { most = max(most, inUse()) }}
	server := httptest.NewServer(store)
	defer server.Close()
	l := standard()
	cfg := Defaults()
	cfg.Endpoint, cfg.PathStyle, cfg.AccessKey, cfg.SecretKey = server.URL, true, bucket.AccessKey, secret.New(bucket.SecretKey)
	s, err := open("s3://backups", cfg, l)
	must(t, err)
	const parts, besides = 24, 8 << 20
	before, chunk := inUse(), make([]byte, 1<<20)
	must(t, s.Create(t.Context(), place.Name(id, "long"), func(w io.Writer) error {
		for range parts * l.part / len(chunk) {
			if _, err := w.Write(chunk); err != nil {
				return err
			}
		}
		return nil
	}))
	bound := int64(l.buffers*l.part + besides)
	if bound > 56<<20 {
		t.Errorf("%d buffers of %d bytes are more than a backup may take", l.buffers, l.part)
	}
	if used := most - before; store.bytes != int64(parts*l.part) || used > bound {
		t.Errorf("%d bytes were in use for %d, at most %d should be", used, store.bytes, bound)
	}
}
