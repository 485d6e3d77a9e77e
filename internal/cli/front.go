package cli

import (
	"fmt"

	"bkp/internal/engine"
	"bkp/internal/engine/planner"
	"bkp/internal/event"
	"bkp/providers/all"
)

// engine works on the configuration that was loaded.
func (s *session) engine() *engine.Engine {
	if s.eng == nil {
		s.eng = &engine.Engine{Version: s.version, Front: front{s}, Hurry: s.io.Hurry, Packer: all.Packer()}
	}
	s.eng.Config, s.eng.Offline, s.eng.AcceptChangedHome = s.config, s.offline, s.acceptChangedHome
	s.eng.Identities, s.eng.AcceptUnencrypted, s.eng.LockTimeout = s.identities, s.acceptUnencrypted, s.lockTimeout
	return s.eng
}

// front shows what the engine says on the streams of a session.
type front struct{ s *session }

// Sink implements engine.Front.
func (f front) Sink(several bool) (event.Sink, func()) { return f.s.sink(several) }

// Note implements engine.Front.
func (f front) Note(message string) { f.s.say("%s", message) }

// Warn implements engine.Front.
func (f front) Warn(message, remedy string) { f.s.warn(message, remedy) }

// Found implements engine.Front.
func (f front) Found(findings []planner.Finding) { _ = f.s.findings(findings) }

// worthCounting is how many instances are too few for a line of their own.
const worthCounting = 10

// Checked implements engine.Front. It says on a terminal how far the checks of
// many instances are.
func (f front) Checked(n, all int) {
	if f.s.page.Width == 0 || f.s.JSON || all <= worthCounting {
		return
	}
	text := ""
	if n < all {
		text = fmt.Sprintf("checked %d of %d instances", n, all)
	}
	f.s.page.Status(text)
}
