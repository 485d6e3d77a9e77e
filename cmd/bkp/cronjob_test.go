package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

var (
	jobArgs = regexp.MustCompile(`(?m)^ +args: \[(.*)\]$`)
	jobEnv  = regexp.MustCompile(`(?m)^ +- name: (\w+)\n +value`)
)

// cmdCronJob runs what a CronJob of an example runs, with the variables that it sets
// and no others: `cronjob FILE OLD=>NEW…`. Their values are those of the script; paths
// of the container are replaced.
func cmdCronJob(ts *testscript.TestScript, neg bool, args []string) {
	b, err := os.ReadFile(filepath.Join(examples, args[0]))
	ts.Check(err)
	found := jobArgs.FindStringSubmatch(string(b))
	if found == nil {
		ts.Fatalf("%s has no args", args[0])
	}
	line := strings.ReplaceAll(found[1], `"`, "")
	for _, replacement := range args[1:] {
		old, now, ok := strings.Cut(replacement, "=>")
		if !ok || !strings.Contains(line, old) {
			ts.Fatalf("%q does not have %q", line, old)
		}
		line = strings.ReplaceAll(line, old, now)
	}
	// HOME is what the runtime takes from the image.
	argv := []string{"-i", "PATH=" + ts.Getenv("PATH"), "HOME=" + ts.Getenv("WORK"), "TMPDIR=" + ts.Getenv("TMPDIR")}
	for _, m := range jobEnv.FindAllStringSubmatch(string(b), -1) {
		value := ts.Getenv(m[1])
		if value == "" {
			ts.Fatalf("the script has no value for %s", m[1])
		}
		argv = append(argv, m[1]+"="+value)
	}
	err = ts.Exec("env", append(append(argv, "bkp"), strings.Split(line, ", ")...)...)
	if (err != nil) != neg {
		ts.Fatalf("%s: %v", args[0], err)
	}
}
