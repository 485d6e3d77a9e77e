package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

type amazonCmd struct {
	place
	GiB     []int  `default:"10,100,1000" help:"Sizes of the volumes and the database."`
	Program string `default:"bin/bkp" help:"The bkp to measure. Where it is not there, the one on PATH."`
}

// perGiB is how long the stand-in's snapshots take for each GiB, its database's among them.
const perGiB = 100 * time.Millisecond

// amazonTimes are those from DRAINED to complete for one size, on the stand-in's clock.
type amazonTimes struct {
	gib                             int
	pointInTime, snapshot, byScript time.Duration
}

// Run measures each size.
func (c *amazonCmd) Run(ctx context.Context) error {
	program, err := findProgram(c.Program)
	if err != nil {
		return err
	}
	return c.in(func(dir string) error {
		var all []amazonTimes
		for _, gib := range c.GiB {
			t, err := measureAmazon(ctx, program, dir, gib)
			if err != nil {
				return err
			}
			all = append(all, t)
		}
		return publish(c.Out, "amazon", c.noted(amazonTable(all)))
	})
}

func amazonTable(all []amazonTimes) string {
	var b strings.Builder
	b.WriteString("| two volumes and a database of | bkp, `point_in_time` | bkp, `snapshot` | the scripts' order of calls |\n|---|---|---|---|\n")
	for _, t := range all {
		fmt.Fprintf(&b, "| %d GiB each | **%s** | %s | %s |\n", t.gib, printTime(float64(t.pointInTime)), printTime(float64(t.snapshot)), printTime(float64(t.byScript)))
	}
	fmt.Fprintf(&b, "\nFrom DRAINED to complete, on the clock of the stand-in, whose snapshots take %s for each GiB.\n", perGiB)
	return b.String()
}
