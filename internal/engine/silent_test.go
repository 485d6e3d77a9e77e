package engine

import (
	"bkp/internal/engine/planner"
	"bkp/internal/event"
)

// silent is a front that shows nothing.
type silent struct{}

func (silent) Sink(bool) (event.Sink, func()) { return event.Discard{}, func() {} }
func (silent) Note(string)                    {}
func (silent) Warn(string, string)            {}
func (silent) Found([]planner.Finding)        {}
func (silent) Checked(int, int)               {}
