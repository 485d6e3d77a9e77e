package retention

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Period is a span of the calendar, as restic writes it: 1y6m14d12h has years,
// months, days and hours. A month is as long as the calendar has it.
type Period struct{ Years, Months, Days, Hours int }

var periodText = regexp.MustCompile(`^([0-9]{1,4}y)?([0-9]{1,5}m)?([0-9]{1,6}d)?([0-9]{1,7}h)?$`)

// ParsePeriod reads a period; "" is none.
func ParsePeriod(text string) (Period, error) {
	m := periodText.FindStringSubmatch(text)
	if m == nil {
		return Period{}, fmt.Errorf("%q is no period: write years, months, days and hours in this order, as 1y6m14d12h", text)
	}
	number := func(part string) int {
		n, _ := strconv.Atoi(strings.TrimRight(part, "ymdh")) // "" is 0; the pattern bounds it
		return n
	}
	return Period{number(m[1]), number(m[2]), number(m[3]), number(m[4])}, nil
}

// Zero reports whether the period has no length.
func (p Period) Zero() bool { return p == Period{} }

// Before is the instant that lies the period before t.
func (p Period) Before(t time.Time) time.Time {
	return t.AddDate(-p.Years, -p.Months, -p.Days).Add(-time.Duration(p.Hours) * time.Hour)
}

// String writes the period as ParsePeriod reads it.
func (p Period) String() string {
	var b strings.Builder
	for _, part := range []struct {
		n    int
		unit string
	}{{p.Years, "y"}, {p.Months, "m"}, {p.Days, "d"}, {p.Hours, "h"}} {
		if part.n != 0 {
			fmt.Fprintf(&b, "%d%s", part.n, part.unit)
		}
	}
	return b.String()
}

// MarshalText implements encoding.TextMarshaler.
func (p Period) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Period) UnmarshalText(b []byte) (err error) {
	*p, err = ParsePeriod(string(b))
	return err
}
