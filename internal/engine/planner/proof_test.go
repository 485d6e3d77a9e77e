package planner

import (
	"testing"
	"time"

	"bkp/internal/engine/plan"
	"bkp/providers"
)

func TestProofWarnsWhenOldOrMissing(t *testing.T) {
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	history := []providers.Manifest{{ID: "prod-20261101T000000Z"}, {ID: "prod-20261121T000000Z"}}
	for name, c := range map[string]struct {
		history []providers.Manifest
		proven  time.Duration // ago; 0: never
		max     time.Duration
		want    string
	}{
		"before the first backup": {nil, 0, time.Hour, ""},
		"never":                   {history, 0, time.Hour, "no backup has been proven to restore"},
		"young":                   {history, time.Minute, time.Hour, ""},
		"old":                     {history, 2 * time.Hour, time.Hour, "the last proven restore is old"},
		"never, any age will do":  {history, 0, 0, ""},
		"old, any age will do":    {history, 2 * time.Hour, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := &planning{Request: Request{Address: "instance.prod", History: c.history, MaxProofAge: c.max, Now: func() time.Time { return now }}}
			if c.proven > 0 {
				p.LastProven = &plan.Proof{Backup: "prod-20261101T000000Z", At: now.Add(-c.proven)}
			}
			p.proof()
			got := ""
			for _, f := range p.result.Findings {
				got += f.Summary
			}
			if got != c.want || p.result.Plan.LastProven != p.LastProven {
				t.Errorf("found %q", got)
			}
		})
	}
	p := &planning{Request: Request{History: history}}
	if got := p.newest(); got != "prod-20261121T000000Z" {
		t.Errorf("newest: %s", got)
	}
}
