package shelf

import (
	"sync"

	"bkp/providers"
)

// Progress is how far all parts of a backup have come. It is safe for concurrent use.
type Progress struct {
	report func(providers.Progress)
	mu     sync.Mutex
	done   providers.Progress
}

// NewProgress begins one without totals.
func NewProgress(env providers.Env) *Progress { return &Progress{report: env.Report} }

// ProgressOf begins one of what m has in other archives; of what none has yet the size
// is not known.
func ProgressOf(env providers.Env, m providers.Manifest) *Progress {
	p := NewProgress(env)
	for _, art := range m.Artifacts {
		part, _ := m.Part(art.Address)
		p.Expect(part)
	}
	return p
}

// Expect adds a part to the totals.
func (p *Progress) Expect(part providers.Part) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done.TotalFiles += part.Files
	p.done.TotalBytes += part.Bytes
}

// Add counts, and reports unless it is too little for that.
func (p *Progress) Add(files, bytes int64, isReported bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done.Files += files
	p.done.Bytes += bytes
	if isReported {
		p.report(p.done)
	}
}

// Follow returns a function that adds how far somebody else has come with a part.
func (p *Progress) Follow() func(providers.Progress) {
	var before providers.Progress
	return func(now providers.Progress) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.done.Files += now.Files - before.Files
		p.done.Bytes += now.Bytes - before.Bytes
		before = now
		p.report(p.done)
	}
}
