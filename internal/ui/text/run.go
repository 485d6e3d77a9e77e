package text

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pterm/pterm"

	"bkp/internal/event"
)

const (
	// redraw is how often the live lines change, remind how often a long step
	// says how far it is where nothing can be redrawn.
	redraw = 100 * time.Millisecond
	remind = 30 * time.Second
)

// Run shows the events of a run. Make one with NewRun and call Close at the
// end. It is safe for concurrent use.
type Run struct {
	// Several is set before the first event if these are of runs of several
	// instances: each line then names its own.
	Several bool

	mu    sync.Mutex
	out   io.Writer
	style Style
	// width of the terminal; nil where nothing can be redrawn.
	width func() int

	area    *pterm.AreaPrinter
	steps   map[string]*running
	lastNew time.Time
}

type running struct {
	last  event.Event
	begun time.Time
	said  time.Time
}

// NewRun returns a view that writes to out. With width, which says how many
// columns the terminal has at the moment, progress is redrawn in place; out
// MUST then be the terminal's file.
func NewRun(out io.Writer, style Style, width func() int) *Run {
	return &Run{out: out, style: style, width: width, steps: map[string]*running{}}
}

func (r *Run) live() bool { return r.width != nil }

// Emit implements event.Sink.
func (r *Run) Emit(e event.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch e.Kind {
	case event.StepStarted:
		r.steps[step(e)] = &running{last: e, begun: e.Time, said: e.Time}
		if !r.live() {
			r.print(e, r.label(e)+e.Message)
		}
	case event.StepProgress:
		r.progress(e)
	case event.StepDone:
		delete(r.steps, step(e))
		r.print(e, r.style.Green(tick(r.live()))+r.label(e)+"done in "+Duration(e.Elapsed))
	case event.StepFailed:
		delete(r.steps, step(e))
		r.print(e, r.style.Red(cross(r.live()))+r.label(e)+"failed after "+Duration(e.Elapsed))
	case event.Locked:
		r.print(e, r.style.Red(r.whose(e)+e.Address+"  locked: users wait from here"))
	case event.Unlocked:
		r.print(e, r.style.Green(r.whose(e)+e.Address+"  unlocked after "+Duration(e.Elapsed)+": users are back"))
	case event.Warning:
		r.print(e, r.style.Yellow("warning: ")+r.whose(e)+strings.TrimLeft(e.Address+": ", ": ")+e.Message)
	case event.Note, event.Summary:
		r.print(e, r.whose(e)+e.Message)
	}
	r.draw(e.Kind != event.StepProgress)
}

func tick(live bool) string {
	if live {
		return "✓ "
	}
	return ""
}

func cross(live bool) string {
	if live {
		return "✗ "
	}
	return ""
}

func (r *Run) label(e event.Event) string { return r.whose(e) + e.Address + "  " + e.Phase + "  " }

// whose names the instance of an event where that of another may be meant.
func (r *Run) whose(e event.Event) string {
	if !r.Several || e.Instance == "" {
		return ""
	}
	return e.Instance + "  "
}

// step is the key of a step: instances may share a component.
func step(e event.Event) string { return e.Instance + " " + e.Address }

func (r *Run) progress(e event.Event) {
	s := r.steps[step(e)]
	if s == nil {
		return
	}
	e.Phase, e.Message = s.last.Phase, s.last.Message
	s.last = e
	if !r.live() && e.Time.Sub(s.said) >= remind {
		s.said = e.Time
		r.print(e, r.label(e)+figures(e, e.Time.Sub(s.begun)))
	}
}

// print writes a line above what is live.
func (r *Run) print(e event.Event, line string) {
	r.stopArea()
	line = visible(line)
	if r.live() {
		// Wrapping takes the columns out, so it is for what needs it.
		if width := r.width(); runes(line)+2 > width {
			line = wrap(line, width, 4)
		}
		_, _ = fmt.Fprintln(r.out, "  "+line)
		return
	}
	_, _ = fmt.Fprintln(r.out, e.Time.Local().Format("15:04:05")+"  "+line)
}

func (r *Run) draw(now bool) {
	if !r.live() || len(r.steps) == 0 || (!now && time.Since(r.lastNew) < redraw) {
		return
	}
	r.lastNew = time.Now()
	var lines []string
	width := r.width()
	for _, key := range slices.Sorted(maps.Keys(r.steps)) {
		s := r.steps[key]
		lines = append(lines, fitted(visible("  … "+r.label(s.last)), figures(s.last, time.Since(s.begun)), width)...)
	}
	if r.area == nil {
		area := pterm.DefaultArea.WithRemoveWhenDone()
		area.SetWriter(r.out) // before Start, or it draws on standard output
		if _, err := area.Start(); err != nil {
			return
		}
		r.area = area
	}
	r.area.Update(strings.Join(lines, "\n"))
}

func (r *Run) stopArea() {
	if r.area != nil {
		_ = r.area.Stop()
		r.area = nil
	}
}

// Close takes the live lines away. It may be called twice.
func (r *Run) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopArea()
}

// fitted puts label and figures on one line or on two, and truncates what is
// longer than the terminal is wide: a line that goes on below by itself cannot
// be taken away again.
func fitted(label, figures string, width int) []string {
	lines := []string{label + figures}
	if runes(lines[0]) >= width {
		lines = []string{strings.TrimRight(label, " "), "    " + figures}
	}
	for i, l := range lines {
		if r := []rune(l); width > 1 && len(r) >= width {
			lines[i] = string(r[:width-2]) + "…"
		}
	}
	return lines
}

// figures shows how far a step is, how fast, and how long it will take.
func figures(e event.Event, elapsed time.Duration) string {
	if e.Files == 0 && e.Bytes == 0 {
		return e.Message
	}
	var parts []string
	if e.Files > 0 {
		text := Count(e.Files)
		if e.TotalFiles > 0 {
			text += " of " + Count(e.TotalFiles)
		}
		parts = append(parts, text+" files")
	}
	if e.Bytes > 0 {
		text := Bytes(e.Bytes)
		if e.TotalBytes > 0 {
			text += " of " + Bytes(e.TotalBytes)
		}
		parts = append(parts, text)
		if elapsed > time.Second {
			parts = append(parts, Bytes(int64(float64(e.Bytes)/elapsed.Seconds()))+"/s")
		}
	}
	if left, ok := remaining(e, elapsed); ok {
		parts = append(parts, Duration(left.Round(time.Second))+" left")
	}
	return strings.Join(parts, ", ")
}

func remaining(e event.Event, elapsed time.Duration) (time.Duration, bool) {
	if elapsed < 2*time.Second || e.Bytes <= 0 || e.TotalBytes <= e.Bytes {
		return 0, false
	}
	return time.Duration(float64(elapsed) * float64(e.TotalBytes-e.Bytes) / float64(e.Bytes)), true
}
