package sqlserver

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"bkp/internal/lab/tds"
)

// request is a statement that moves data, while it is carried out.
type request struct {
	pause Pause
	// works counts what it does.
	works int
}

// Pause keeps a statement from going on, and the server says meanwhile that it is carried out.
type Pause struct {
	// At are words of the statement.
	At string
	// Until ends the pause.
	Until <-chan struct{}
	// Percent is how far it is.
	Percent int
	// IsBusy is set if it does something each time that somebody looks.
	IsBusy bool
}

// Pause adds one, for one statement.
func (s *Server) Pause(p Pause) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pauses = append(s.pauses, p)
}

// Watch calls seen for each batch with these words.
func (s *Server) Watch(words string, seen func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watch.words, s.watch.seen = words, seen
}

// listed enters a statement into the list of requests for as long as it is carried out.
func listed(do func(batch) (tds.Reply, error)) func(batch) (tds.Reply, error) {
	return func(b batch) (tds.Reply, error) {
		b.server.mu.Lock()
		r := &request{}
		if i := slices.IndexFunc(b.server.pauses, func(p Pause) bool { return strings.Contains(b.sql, p.At) }); i >= 0 {
			r.pause = b.server.pauses[i]
			b.server.pauses = slices.Delete(b.server.pauses, i, i+1)
		}
		b.server.running[b.login.Session] = r
		b.server.mu.Unlock()
		defer func() {
			b.server.mu.Lock()
			defer b.server.mu.Unlock()
			delete(b.server.running, b.login.Session)
		}()
		if r.pause.Until != nil {
			select {
			case <-r.pause.Until:
			case <-b.ctx.Done():
				return tds.Reply{}, b.ctx.Err()
			}
		}
		return do(b)
	}
}

// requests shows a session what others do, if its login may see that.
func (b batch) requests() (tds.Reply, error) {
	_, number, _ := strings.Cut(b.sql, "session_id = ")
	id, err := strconv.Atoi(strings.TrimSpace(number))
	if err != nil {
		return tds.Reply{}, &tds.Error{Number: errSyntax, Message: "which session?"}
	}
	columns := tds.Reply{Columns: []string{"floor", "percent_complete", "cpu_time", "reads", "writes", "logical_reads", "wait_type"}}
	if !b.may("VIEW SERVER STATE") {
		return columns, nil
	}
	b.server.mu.Lock()
	defer b.server.mu.Unlock()
	r := b.server.running[id]
	if r == nil {
		return columns, nil
	}
	if r.pause.IsBusy {
		r.works++
	}
	return one(strconv.Itoa(r.pause.Percent), fmt.Sprintf("%d.5", r.pause.Percent), strconv.Itoa(r.works), "0", "0", "0", "BACKUPIO"), nil
}

func (b batch) number() (tds.Reply, error) { return one(strconv.Itoa(b.login.Session)), nil }

// rename carries out ALTER DATABASE … MODIFY NAME.
func (b batch) rename() (tds.Reply, error) {
	names := quoted(b.sql, "[", "]")
	b.server.mu.Lock()
	defer b.server.mu.Unlock()
	d := b.server.databases[names[0]]
	switch {
	case d == nil || d.state != online:
		return tds.Reply{}, &tds.Error{Number: errNoDatabase, Message: fmt.Sprintf("Database %q cannot be opened.", names[0])}
	case b.server.databases[names[1]] != nil:
		return tds.Reply{}, &tds.Error{Number: errTaken, Message: fmt.Sprintf("Database '%s' already exists. Choose a different database name.", names[1])}
	}
	delete(b.server.databases, names[0])
	d.Name = names[1]
	b.server.databases[d.Name] = d
	return tds.Reply{}, nil
}
