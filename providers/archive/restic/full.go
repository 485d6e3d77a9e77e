package restic

import (
	"bytes"
	"context"
	"errors"
	"strings"
)

// errFull is the cause when a repository has no space left. restic itself tries
// again for a quarter of an hour, and space does not come back by waiting; or it gives
// up at once, and then does not always end (seen with 0.18.1).
var errFull = errors.New("no space left on device")

// fullWatch reads what restic says of its errors, and ends it where it cannot save
// something because the disk is full. What it says of its cache, which it can do without,
// is no such line.
type fullWatch struct {
	end  context.CancelCauseFunc
	line bytes.Buffer
}

// maxComplaint bounds what is kept of a line, in bytes.
const maxComplaint = 16 << 10

// Write implements io.Writer. It never fails.
func (w *fullWatch) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		part, after, isWhole := bytes.Cut(rest, []byte("\n"))
		if w.line.Len()+len(part) <= maxComplaint {
			w.line.Write(part)
		}
		if !isWhole {
			break
		}
		if text := w.line.String(); strings.Contains(text, "Save(<") && strings.Contains(text, errFull.Error()) {
			w.end(errFull)
		}
		w.line.Reset()
		rest = after
	}
	return len(p), nil
}
