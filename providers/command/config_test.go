package command_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"bkp/internal/secret"
	"bkp/providers"
	"bkp/providers/command"
)

func TestConfigurationsThatCannotWork(t *testing.T) {
	t.Parallel()
	quick, tidy, long := &command.Quick{}, &command.Tidy{}, &command.Long{}
	for name, c := range map[string]struct {
		change func(*command.Commands)
		want   string
	}{
		"nothing wrong":            {func(*command.Commands) {}, ""},
		"list without delete":      {func(c *command.Commands) { c.List = quick }, "one of them is missing"},
		"stays, cannot be brought": {func(c *command.Commands) { c.List, c.Delete = quick, tidy }, "restore, which is missing"},
		"keep of nothing":          {func(c *command.Commands) { c.Keep = quick }, "keep is about what stays"},
		"all that stays needs":     {func(c *command.Commands) { c.List, c.Delete, c.Restore, c.Keep = quick, tidy, long, quick }, ""},
		"a secret in an argument": {
			func(c *command.Commands) {
				c.Secrets = []command.Secret{{Name: "PASSWORD", Value: secret.New("hunter2")}}
				c.Capture.Command = []string{"curl", "--user", "bkp:hunter2"}
			}, "argument 2 of capture holds the secret PASSWORD",
		},
		"a variable of bkp":  {func(c *command.Commands) { c.Environment = map[string]string{"BKP_VERB": "x"} }, "begins with BKP_"},
		"no variable's name": {func(c *command.Commands) { c.Environment = map[string]string{"A B": "x"} }, `"A B"`},
		"a variable twice": {
			func(c *command.Commands) {
				c.Environment = map[string]string{"A": "x"}
				c.Secrets = []command.Secret{{Name: "A", Value: secret.New("y")}}
			}, "A",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := command.Defaults()
			cfg.Capture.Command, cfg.Discard.Command = []string{"capture"}, []string{"discard"}
			c.change(&cfg)
			found := cfg.ValidateConfig()
			if (c.want == "") != (len(found) == 0) || c.want != "" && !strings.Contains(found[0].Detail, c.want) {
				t.Errorf("got %+v", found)
			}
		})
	}
}

func TestCommandsThatCannotWork(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		call command.Call
		want string
	}{
		"on PATH":      {command.Call{Command: []string{"lvs"}, Timeout: time.Second}, ""},
		"absolute":     {command.Call{Command: []string{"/bin/sh", "-c", "x"}, Timeout: time.Second}, ""},
		"nothing":      {command.Call{Timeout: time.Second}, "command is empty"},
		"relative":     {command.Call{Command: []string{"./script"}, Timeout: time.Second}, "path is not absolute"},
		"without time": {command.Call{Command: []string{"lvs"}}, "timeout is zero"},
	} {
		got := ""
		for _, p := range c.call.ValidateConfig() {
			got = p.Summary
		}
		if got != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestTextOfACommandCanBeTyped(t *testing.T) {
	t.Parallel()
	c := command.Call{Command: []string{"/usr/lib/filer", "two words", "it's", "", "--size=10g"}}
	if got, want := c.Text(), `/usr/lib/filer 'two words' 'it'\''s' '' --size=10g`; got != want {
		t.Errorf("got %s", got)
	}
}

func TestYieldsFollowsWhatIsDeclared(t *testing.T) {
	t.Parallel()
	c := command.Defaults()
	if got := c.Yields(); !slices.Equal(got, []providers.Life{providers.Staged}) {
		t.Errorf("trees alone: %v", got)
	}
	c.List, c.Delete = &command.Quick{}, &command.Tidy{}
	if got := c.Yields(); !slices.Contains(got, providers.Native) || !slices.Contains(got, providers.Staged) {
		t.Errorf("what stays: %v", got)
	}
}
