package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"bkp/internal/problem"
	"bkp/internal/scaffold"
	"bkp/lang"
	"bkp/providers/all"
)

type initCmd struct {
	Home        string `placeholder:"DIR" help:"Home of Bitbucket; its bitbucket.properties fills in the rest."`
	URL         string `name:"url" placeholder:"URL" help:"Base URL of Bitbucket."`
	Username    string `placeholder:"NAME" help:"System administrator whose name bkp uses."`
	Destination string `placeholder:"DIR" help:"Folder in which archives are kept."`
	NoInput     bool   `help:"Never ask, not even on a terminal."`
}

// Help is shown by bkp init --help.
func (initCmd) Help() string {
	return `Writes main.bkp.hcl, a commented starter configuration. It fails if the folder
already has a configuration. With --home it reads bitbucket.properties there and
fills in the database and the URL; a password is referenced and never copied.
Variables of a container, such as JDBC_URL, count before that file.
On a terminal it asks for values that no flag gives.

Examples:
  bkp init
  bkp init --home /var/atlassian/application-data/bitbucket
  bkp -chdir /etc/bkp init --no-input --url https://bitbucket.example.com

` + exitCodes("failed")
}

// starterFile is what init writes.
const starterFile = "main.bkp.hcl"

func (c *initCmd) Run(s *session) error {
	if err := refuseConfigured("."); err != nil {
		return err
	}
	answers, warnings, err := c.answers(s)
	if err != nil {
		return err
	}
	starter, err := scaffold.Write(answers, all.Registry())
	if err != nil {
		return err
	}
	if err := writeNew(starterFile, starter.Text, s.io.Umask); err != nil {
		return err
	}
	var diags hcl.Diagnostics
	for _, w := range append(warnings, starter.Warnings...) {
		diags = append(diags, diagnosticAt(*w, nil))
	}
	if err := s.diagnostics(nil, diags); err != nil {
		return err
	}
	return s.nextSteps(starter.Env)
}

// refuseConfigured keeps an existing configuration as it is.
func refuseConfigured(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return problem.Wrap(err, "folder not readable", "run bkp init in a folder that you may read and write")
	}
	for _, e := range entries {
		if lang.IsSource(e.Name()) {
			return problem.New("the folder already has a configuration", e.Name()+" is here", "edit it, or run bkp init in another folder:\n\n    bkp -chdir DIR init")
		}
	}
	return nil
}

// writeNew writes a configuration file that does not exist.
func writeNew(name string, text []byte, umask int) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		remedy := "make the folder writable"
		if errors.Is(err, fs.ErrExist) {
			remedy = "bkp never overwrites a file: choose another name, or move that file away"
		}
		return problem.Wrap(err, "file not written", remedy)
	}
	_, err = f.Write(text)
	if runtime.GOOS != "windows" {
		// A configuration holds no secret, and is for all to read.
		err = errors.Join(err, f.Chmod(0o644&^fs.FileMode(umask)))
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return problem.Wrap(errors.Join(err, os.Remove(name)), "file not written", "free some space")
	}
	return nil
}

// answers gathers what flags, the home and the operator give, in this order.
func (c *initCmd) answers(s *session) (scaffold.Answers, []*problem.Problem, error) {
	q := questions{s: s, ask: s.io.interactive() && !c.NoInput && !s.JSON, in: bufio.NewReader(s.io.In)}
	a := scaffold.Defaults()
	home, err := c.askHome(&q, a.Home)
	if err != nil {
		return a, nil, err
	}
	var warnings []*problem.Problem
	if c.Home != "" || q.ask {
		if a, warnings, err = c.readHome(a, home); err != nil {
			return a, nil, err
		}
	}
	for _, f := range []struct {
		question, flag string
		answer         *string
	}{
		{"base URL", c.URL, &a.URL},
		{"system administrator for bkp", c.Username, &a.Username},
		{"folder for the archives", c.Destination, &a.Destination},
	} {
		if *f.answer, err = q.prompt(f.question, f.flag, *f.answer); err != nil {
			return a, nil, err
		}
	}
	return a, warnings, nil
}

// askHome asks for the folder. A URL in its place, which many expect to be asked for
// first, is noted as the base URL, and the question asked again.
func (c *initCmd) askHome(q *questions, fallback string) (string, error) {
	const question = "home of Bitbucket, the folder that holds shared/"
	if strings.Contains(c.Home, "://") {
		return "", problem.Usagef("--home %s is a URL: give the folder of the home, and the address with --url", c.Home)
	}
	for {
		home, err := q.prompt(question, c.Home, fallback)
		if err != nil || !strings.Contains(home, "://") {
			return home, err
		}
		if c.URL == "" {
			c.URL = home
		}
		q.s.page.Hint("this is noted as the base URL. The home is a folder of this machine")
	}
}

// readHome adds what a home shows. One that the operator only typed need not
// be on this machine.
func (c *initCmd) readHome(a scaffold.Answers, home string) (scaffold.Answers, []*problem.Problem, error) {
	found, warnings, err := scaffold.ReadHome(home, os.LookupEnv)
	if err == nil {
		return a.With(found), warnings, nil
	}
	if c.Home != "" {
		return a, nil, err
	}
	a.Home = home
	return a, []*problem.Problem{problem.Warn("the database is unknown", err.Error(), "fill in the database block")}, nil
}

// questions asks an operator who is there.
type questions struct {
	s   *session
	ask bool
	in  *bufio.Reader
}

// prompt returns what the flag says, else the operator's answer, else fallback.
func (q *questions) prompt(question, flag, fallback string) (string, error) {
	if flag != "" || !q.ask {
		if flag == "" {
			flag = fallback
		}
		return flag, nil
	}
	_, _ = fmt.Fprintf(q.s.io.Err, "%s [%s]: ", question, fallback)
	type reply struct {
		line string
		err  error
	}
	replies := make(chan reply, 1)
	// A read cannot be interrupted: after a signal it is left to the end of
	// the process.
	go func() {
		line, err := q.in.ReadString('\n')
		replies <- reply{strings.TrimSpace(line), err}
	}()
	select {
	case <-q.s.ctx.Done():
		return "", context.Cause(q.s.ctx)
	case r := <-replies:
		switch {
		case r.line != "":
			return r.line, nil
		case r.err != nil:
			return "", problem.Wrap(r.err, "no answer", "answer, or add --no-input")
		}
		return fallback, nil
	}
}

func (s *session) nextSteps(env []string) error {
	if s.JSON {
		return s.stream().Write(initEvent{Event: "initialized", File: starterFile, Env: env})
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s is written. Next: read and edit it, then\n\n", starterFile)
	for _, name := range env {
		fmt.Fprintf(&b, "    export %s=…\n", name)
	}
	b.WriteString("    bkp validate\n    bkp plan\n")
	_, err := fmt.Fprint(s.io.Out, b.String())
	return err
}

// initEvent reports to programs what init wrote, and which environment variables
// it reads.
type initEvent struct {
	Event string   `json:"event"`
	File  string   `json:"file"`
	Env   []string `json:"env"`
}
