package engine

import (
	"bkp/internal/engine/planner"
	"bkp/internal/event"
)

// Lint finds risky combinations in every instance without touching anything.
func (eng *Engine) Lint() ([]planner.Finding, error) {
	var found []planner.Finding
	for _, i := range eng.Config.Instances {
		o, err := eng.open(i, event.Discard{}, 1)
		if err != nil {
			return nil, err
		}
		found = append(found, planner.Lint(eng.request(o, records{}))...)
		o.close()
	}
	return found, nil
}
