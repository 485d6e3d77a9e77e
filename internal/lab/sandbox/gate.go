package sandbox

import (
	"context"
	"errors"
	"time"
)

// ErrUnavailable is what a user meets while the instance is locked or latched:
// HTTP status 503.
var ErrUnavailable = errors.New("503 service unavailable: the instance is in maintenance")

// Outage is a time without service as users saw it: from the first 503 to the
// first request that began after it and succeeded.
type Outage struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to,omitzero"` // zero: still under way
}

// Length of the outage; one still under way counts until now.
func (o Outage) Length() time.Duration {
	if o.To.IsZero() {
		return time.Since(o.From)
	}
	return o.To.Sub(o.From)
}

// Users is what the users of the instance saw: of its pages, and of the load's
// writes.
type Users struct {
	OK          int           `json:"ok"`
	Unavailable int           `json:"unavailable"` // 503
	Failed      int           `json:"failed"`      // any other error
	First503    time.Time     `json:"first_503,omitzero"`
	Last503     time.Time     `json:"last_503,omitzero"`
	Longest     time.Duration `json:"longest_outage_ns"`
	Outages     []Outage      `json:"outages,omitempty"`
}

type users struct {
	ok, unavailable, failed int
	first, last             time.Time
	outages                 []Outage
}

// refused notes a 503. Callers hold the machine's mu.
func (u *users) refused(now time.Time) {
	u.unavailable++
	if u.first.IsZero() {
		u.first = now
	}
	u.last = now
	if n := len(u.outages); n == 0 || !u.outages[n-1].To.IsZero() {
		u.outages = append(u.outages, Outage{From: now})
	}
}

// served notes a success of a request that began at the given time. One that
// was in flight when the lock came does not end the outage.
func (u *users) served(began, now time.Time) {
	u.ok++
	if n := len(u.outages); n > 0 && u.outages[n-1].To.IsZero() && !began.Before(u.outages[n-1].From) {
		u.outages[n-1].To = now
	}
}

// Write carries out one operation of a user. While the instance is locked or
// latched it returns ErrUnavailable and does not call f. A drain waits until f
// has returned; f is given a context that is not cancelled half-way, so that
// what belongs together is written together.
func (s *Server) Write(ctx context.Context, f func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	began, ok := s.machine.enter()
	if !ok {
		return ErrUnavailable
	}
	err := errors.New("the write panicked")
	defer func() { s.machine.leave(began, err == nil) }()
	err = f(context.WithoutCancel(ctx))
	return err
}

// page is a user's look at a page, which takes no time.
func (m *machine) page() bool {
	began, ok := m.enter()
	if ok {
		m.leave(began, true)
	}
	return ok
}

func (m *machine) enter() (began time.Time, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance()
	now := time.Now()
	database, _ := m.latches()
	if m.owner != nil || database != Available {
		m.users.refused(now)
		return now, false
	}
	m.inFlight++
	return now, true
}

func (m *machine) leave(began time.Time, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	m.inFlight--
	if m.inFlight == 0 {
		m.idleSince = now
	}
	if ok {
		m.users.served(began, now)
	} else {
		m.users.failed++
	}
}

// Users returns what users saw so far.
func (s *Server) Users() Users {
	m := &s.machine
	m.mu.Lock()
	defer m.mu.Unlock()
	u := Users{
		OK: m.users.ok, Unavailable: m.users.unavailable, Failed: m.users.failed,
		First503: m.users.first, Last503: m.users.last,
		Outages: append([]Outage(nil), m.users.outages...),
	}
	for _, o := range u.Outages {
		u.Longest = max(u.Longest, o.Length())
	}
	return u
}

// Locks returns the history of every lock, oldest first.
func (s *Server) Locks() []LockRecord {
	s.machine.mu.Lock()
	defer s.machine.mu.Unlock()
	s.machine.advance()
	return append([]LockRecord(nil), s.machine.locks...)
}
