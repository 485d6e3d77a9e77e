package prometheus

import (
	"fmt"
	"strconv"
	"strings"

	"bkp/providers"
)

// instanceLabel names the Bitbucket. The label instance is Prometheus' own: it is the
// machine that was scraped.
const instanceLabel = "bitbucket"

var (
	escapeHelp  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	escapeLabel = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

// Text is the figures in Prometheus' text format 0.0.4.
func Text(m providers.Measures) string {
	var b strings.Builder
	for _, f := range m.Families {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s gauge\n", f.Name, escapeHelp.Replace(f.Help), f.Name)
		for _, s := range f.Samples {
			labels := []string{instanceLabel + `="` + escapeLabel.Replace(m.Instance) + `"`}
			for _, l := range s.Labels {
				labels = append(labels, l.Name+`="`+escapeLabel.Replace(l.Value)+`"`)
			}
			fmt.Fprintf(&b, "%s{%s} %s\n", f.Name, strings.Join(labels, ","), strconv.FormatFloat(s.Value, 'g', -1, 64))
		}
	}
	return b.String()
}
