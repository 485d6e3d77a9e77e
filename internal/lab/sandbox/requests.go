package sandbox

import (
	"slices"
	"time"
)

// requestLogSize is how many requests the log remembers.
const requestLogSize = 4096

// Request is one request that the server got.
type Request struct {
	Time   time.Time `json:"time"`
	Call   Call      `json:"call"`
	Method string    `json:"method"`
	Path   string    `json:"path"`
	Query  string    `json:"query,omitempty"`
	Status int       `json:"status,omitempty"` // 0: the connection was reset
	Lost   bool      `json:"lost,omitempty"`   // it took effect, the reply was not sent
}

// requestLog is a ring of the last requests, and counts of all.
type requestLog struct {
	ring   []Request
	next   int
	counts map[Call]int
}

func (s *Server) note(r Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &s.log
	if l.counts == nil {
		l.counts = map[Call]int{}
	}
	l.counts[r.Call]++
	if len(l.ring) < requestLogSize {
		l.ring = append(l.ring, r)
		return
	}
	l.ring[l.next] = r
	l.next = (l.next + 1) % requestLogSize
}

// Requests returns the last requests, oldest first.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Concat(s.log.ring[s.log.next:], s.log.ring[:s.log.next])
}

// Count returns how often a call was made.
func (s *Server) Count(c Call) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.counts[c]
}

// Counts returns how often each call was made.
func (s *Server) Counts() map[Call]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := make(map[Call]int, len(s.log.counts))
	for c, n := range s.log.counts {
		counts[c] = n
	}
	return counts
}
