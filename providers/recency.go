package providers

import "time"

// recentHours is how far a look at a tree remembers: a month of nights.
const recentHours = 31 * 24

// Recency is when the files of a tree last changed, by the hour: what is new since the
// last backup for an archive that stores nothing twice. A file that was written, renamed
// or packed anew counts as a whole. A nil one knows nothing.
type Recency struct {
	// At is the time of the look.
	At time.Time
	// Hours are the bytes of the files that changed in each hour before At, the newest
	// first, up to recentHours.
	Hours []int64
	// Bytes are those of all files.
	Bytes int64
}

// Add counts a file by the time at which the file system changed it last.
func (r *Recency) Add(changed time.Time, bytes int64) {
	r.Bytes += bytes
	hour := int(max(r.At.Sub(changed), 0) / time.Hour) // a file server's clock may be ahead
	if hour >= recentHours {
		return
	}
	for len(r.Hours) <= hour {
		r.Hours = append(r.Hours, 0)
	}
	r.Hours[hour] += bytes
}

// Plus adds two looks at about the same time.
func (r *Recency) Plus(o *Recency) *Recency {
	if r == nil || o == nil {
		if r == nil {
			return o
		}
		return r
	}
	sum := Recency{At: r.At, Bytes: r.Bytes + o.Bytes, Hours: make([]int64, max(len(r.Hours), len(o.Hours)))}
	for i := range sum.Hours {
		if i < len(r.Hours) {
			sum.Hours[i] += r.Hours[i]
		}
		if i < len(o.Hours) {
			sum.Hours[i] += o.Hours[i]
		}
	}
	return &sum
}

// Since is how many bytes changed after an instant, at most an hour's more, and whether
// that is known.
func (r *Recency) Since(t time.Time) (bytes int64, known bool) {
	if r == nil || r.At.Sub(t) >= recentHours*time.Hour {
		return 0, false
	}
	last := int(max(r.At.Sub(t), 0) / time.Hour)
	for i := range min(last+1, len(r.Hours)) {
		bytes += r.Hours[i]
	}
	return bytes, true
}
