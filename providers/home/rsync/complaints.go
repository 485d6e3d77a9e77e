package rsync

import (
	"errors"
	"io"
	"strings"

	"bkp/internal/host"
)

// complaintLines is how many of rsync's reasons to fail are kept.
const complaintLines = 20

// complaints takes what rsync says of a run, and keeps why it failed. Where users
// work, hundreds of files that vanished are reported after it.
type complaints struct {
	log     io.Writer
	reasons []string
	// grave is set once a reason is more than something else in the place of a file.
	grave bool
}

// Write implements io.Writer for whole lines.
func (c *complaints) Write(p []byte) (int, error) {
	line := strings.TrimSpace(string(p))
	if strings.Contains(line, "failed") {
		grave := !replaced.MatchString(line)
		// One grave reason is kept, however many others came before.
		if grave && !c.grave || len(c.reasons) < complaintLines {
			c.reasons = append(c.reasons, line)
		}
		c.grave = c.grave || grave
	}
	if c.log == nil {
		return len(p), nil
	}
	_, err := c.log.Write(p)
	return len(p), err
}

// explain gives the reasons in place of the last lines that rsync said, and
// forgets them.
func (c *complaints) explain(err error) error {
	reasons := c.reasons
	c.reasons, c.grave = nil, false
	var exit *host.ExitError
	if !errors.As(err, &exit) || len(reasons) == 0 {
		return err
	}
	said := *exit
	said.Stderr = strings.Join(reasons, "; ")
	return &said
}
