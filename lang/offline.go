package lang

import (
	"fmt"
	"reflect"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"bkp/internal/secret"
	"bkp/lang/funcs"
	"bkp/providers"
)

// Open returns, by address, the attributes whose values only the backup
// machine knows; it is empty unless Options.Offline is set.
func (c *Config) Open() map[string][]string { return c.open }

// StateDirKnown reports whether StateDir is what the configuration says: with
// Options.Offline, that may be out of reach.
func (c *Config) StateDirKnown() bool { return len(c.open[rootSettings]) == 0 }

// Elsewhere is what Resolved shows for an attribute whose value is only known
// on the machine that makes the backup.
const Elsewhere = "(known on the backup machine)"

// outOfReach reports whether a value is unknown because it comes from outside
// and this machine does not know it. Other unknown values come from an error,
// which was reported.
func (l *loader) outOfReach(v cty.Value) bool {
	return l.options.Offline && !v.IsWhollyKnown() && funcs.Has(v, funcs.External)
}

// leaveOpen passes over an attribute whose value is out of reach: it keeps its
// default, and a secret counts as set.
func (l *loader) leaveOpen(i *instance, name string, attr providers.Attribute, cfg any) {
	if attr.Secret {
		attr.Field(cfg).Set(reflect.ValueOf(secret.New("")))
	}
	if l.config.open == nil {
		l.config.open = map[string][]string{}
	}
	l.config.open[i.address] = append(l.config.open[i.address], name)
}

// mustKnow reports a value that decides what there is, and is out of reach.
func (l *loader) mustKnow(v cty.Value, at *hcl.Range, what string) {
	if !l.outOfReach(v) {
		return
	}
	l.report(problemAt(at, "Value is unknown here",
		fmt.Sprintf("%s depends on a variable without a value, the environment or a file of another machine, and what is planned depends on it.", what),
		"Give the value here, or run this on the machine that makes the backup."))
}
