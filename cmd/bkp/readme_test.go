package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdReadme takes what a page asks an administrator to install, with the folders
// of a system led to those of the script: the lines of cron as cron-N.sh, the
// units of systemd as unit-N.service and unit-N.timer, and secrets.env.
func cmdReadme(ts *testscript.TestScript, neg bool, args []string) {
	b, err := os.ReadFile(filepath.Join(repository, args[0]))
	ts.Check(err)
	here := ts.MkAbs(".")
	text := strings.NewReplacer("/etc/bkp", here+"/etc/bkp", "/usr/local/bin", here+"/usr/local/bin", "/var/log", here+"/var/log", "'the password'", "'sandbox'").Replace(string(b))
	write := func(name, content string, mode os.FileMode) {
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(content), mode))
	}
	for _, dir := range []string{"etc/bkp", "usr/local/bin", "var/log"} {
		ts.Check(os.MkdirAll(ts.MkAbs(dir), 0o700))
	}
	line := regexp.MustCompile(`(?m)^(?:[0-9*]+ +){5}root +(.*)$`)
	for n, m := range line.FindAllStringSubmatch(text, -1) {
		write(fmt.Sprintf("cron-%d.sh", n), m[1], 0o600)
	}
	for n, block := range strings.Split(text, "```ini\n")[1:] {
		body, _, _ := strings.Cut(block, "```")
		kind := "service"
		if strings.Contains(body, "[Timer]") {
			kind = "timer"
		}
		body = regexp.MustCompile(`(?m)^ +`).ReplaceAllString(body, "")
		write(fmt.Sprintf("unit-%d.%s", n, kind), body, 0o600)
	}
	secrets := regexp.MustCompile("(?s)```sh file=\\S+secrets.env\n(.*?)```").FindStringSubmatch(text)
	if secrets == nil {
		ts.Fatalf("%s does not show secrets.env", args[0])
	}
	write("etc/bkp/secrets.env", secrets[1], 0o600)
}

// cmdUnit does what systemd does to start a service of Type=oneshot: it sets the
// variables of EnvironmentFile, and nothing else but PATH, and runs ExecStart
// without a shell.
func cmdUnit(ts *testscript.TestScript, neg bool, args []string) {
	settings := map[string]string{}
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			settings[key] = value
		}
	}
	argv := []string{"-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"}
	for line := range strings.Lines(ts.ReadFile(settings["EnvironmentFile"])) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok || strings.HasPrefix(name, "#") {
			continue
		}
		if strings.ContainsAny(name, " \t") {
			ts.Fatalf("systemd does not read %q", line)
		}
		argv = append(argv, name+"="+strings.Trim(value, `'"`))
	}
	if !filepath.IsAbs(strings.Fields(settings["ExecStart"])[0]) {
		ts.Fatalf("systemd refuses %s", settings["ExecStart"])
	}
	err := ts.Exec("env", append(argv, strings.Fields(settings["ExecStart"])...)...)
	if (err != nil) != neg {
		ts.Fatalf("%s: %v", settings["ExecStart"], err)
	}
}
