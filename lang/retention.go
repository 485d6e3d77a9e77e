package lang

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"

	"bkp/internal/records/retention"
	"bkp/providers"
)

// Retention says which backups are kept. Its block is an ordinary one and no
// kind: there is nothing to choose from, so that its address has no strategy.
type Retention struct {
	// Address such as retention.standard; Name as that of a Component.
	Address, Name string

	KeepLast    int    `hcl:"keep_last,optional" help:"keep the newest backups, this many" unset:"no such rule" example:"7"`
	KeepHourly  int    `hcl:"keep_hourly,optional" help:"keep the newest backup of each of the last hours that have one, this many" unset:"no such rule"`
	KeepDaily   int    `hcl:"keep_daily,optional" help:"keep the newest backup of each of the last days that have one, this many" unset:"no such rule" example:"14"`
	KeepWeekly  int    `hcl:"keep_weekly,optional" help:"the same for weeks, which begin on Monday" unset:"no such rule"`
	KeepMonthly int    `hcl:"keep_monthly,optional" help:"the same for months" unset:"no such rule"`
	KeepYearly  int    `hcl:"keep_yearly,optional" help:"the same for years" unset:"no such rule"`
	KeepWithin  string `hcl:"keep_within,optional" help:"keep all backups that are no older than this before the newest one: years, months, days and hours, as 1y6m14d12h" unset:"no such rule" example:"2d"`
	Timezone    string `hcl:"timezone,optional" help:"where days begin, such as Europe/Berlin" unset:"UTC"`
	MinSize     int    `hcl:"min_size,optional" help:"percent of the bytes or repositories of the backups before it that a backup must hold to count as a good one; 0 counts all"`
	MaxDelete   int    `hcl:"max_delete,optional" help:"how many backups one run may remove from an archive; if there are more, it removes none and warns. 0 is any number"`

	Range hcl.Range
	Attrs map[string]hcl.Range
}

// defaultRetention applies to what a retention block does not set.
var defaultRetention = Retention{MinSize: 10, MaxDelete: 10}

// Policy are the rules of the block, which is valid.
func (r *Retention) Policy() retention.Policy {
	within, _ := retention.ParsePeriod(r.KeepWithin)
	return retention.Policy{
		Last: r.KeepLast, Hourly: r.KeepHourly, Daily: r.KeepDaily, Weekly: r.KeepWeekly, Monthly: r.KeepMonthly, Yearly: r.KeepYearly,
		Within: within, Timezone: r.Timezone, MinSize: r.MinSize, MaxDelete: r.MaxDelete,
	}
}

func (l *loader) decodeRetention(i *instance) {
	out := defaultRetention
	out.Address, out.Name, out.Range, out.Attrs = i.address, i.label(), i.rng, i.ranges()
	if !l.decodeInto(i, &out) {
		return
	}
	i.retentions = append(i.retentions, &out)
}

// ValidateConfig implements providers.ConfigValidator.
func (r *Retention) ValidateConfig() []providers.ConfigProblem {
	var out []providers.ConfigProblem
	add := func(attribute, summary, detail, remedy string) {
		out = append(out, providers.ConfigProblem{Attribute: attribute, Summary: summary, Detail: detail, Remedy: remedy})
	}
	for _, rule := range []struct {
		name  string
		count int
	}{
		{"keep_last", r.KeepLast}, {"keep_hourly", r.KeepHourly}, {"keep_daily", r.KeepDaily}, {"keep_weekly", r.KeepWeekly},
		{"keep_monthly", r.KeepMonthly}, {"keep_yearly", r.KeepYearly}, {"max_delete", r.MaxDelete},
	} {
		if rule.count < 0 {
			add(rule.name, "Invalid number of backups", fmt.Sprintf("%s has %s = %d.", r.Address, rule.name, rule.count), "Give 1 or more, or leave it out.")
		}
	}
	if _, err := retention.ParsePeriod(r.KeepWithin); err != nil {
		add("keep_within", "Invalid period", err.Error()+".", `Write it as "14d" or "1y6m".`)
	}
	if _, err := r.Policy().Location(); err != nil {
		add("timezone", "Unknown time zone", err.Error()+".", `Give a name of the IANA database, such as "Europe/Berlin".`)
	}
	if r.MinSize < 0 || r.MinSize > 100 {
		add("min_size", "Invalid share", fmt.Sprintf("%s has min_size = %d.", r.Address, r.MinSize), "Give 0 to 100 percent.")
	}
	if len(out) == 0 && r.Policy().Empty() {
		out = append(out, providers.ConfigProblem{
			Rests: []string{"keep_last", "keep_hourly", "keep_daily", "keep_weekly", "keep_monthly", "keep_yearly", "keep_within"}, Summary: "Retention keeps nothing",
			Detail: r.Address + " has no rule that keeps a backup.", Remedy: "Add one, such as keep_last = 7.",
		})
	}
	return out
}
