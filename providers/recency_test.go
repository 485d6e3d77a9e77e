package providers

import (
	"testing"
	"time"
)

func TestRecency(t *testing.T) {
	at := time.Date(2026, 11, 29, 2, 15, 0, 0, time.UTC)
	r := &Recency{At: at}
	r.Add(at.Add(time.Minute), 1)
	r.Add(at.Add(-59*time.Minute), 2)
	r.Add(at.Add(-25*time.Hour), 4)
	r.Add(at.Add(-365*24*time.Hour), 8)
	other := &Recency{At: at}
	other.Add(at.Add(-30*24*time.Hour), 16)
	for _, sum := range []*Recency{r.Plus(other), other.Plus(r), (*Recency)(nil).Plus(r).Plus(other).Plus(nil)} {
		if sum.Bytes != 31 {
			t.Errorf("%d bytes in all", sum.Bytes)
		}
		for _, c := range []struct {
			since time.Duration
			want  int64
			known bool
		}{{-time.Hour, 3, true}, {0, 3, true}, {24 * time.Hour, 3, true}, {25 * time.Hour, 7, true}, {30 * 24 * time.Hour, 23, true}, {31 * 24 * time.Hour, 0, false}} {
			if got, known := sum.Since(at.Add(-c.since)); got != c.want || known != c.known {
				t.Errorf("%s ago: %d, %t", c.since, got, known)
			}
		}
	}
	if _, known := (*Recency)(nil).Since(at); known {
		t.Error("nobody looked")
	}
}
