package command

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestExitCodes(t *testing.T) {
	used := t.TempDir()
	for name, test := range map[string]struct {
		args []string
		code int
		says string
	}{
		"help":             {[]string{"--help"}, 0, "bitbucket-sandbox"},
		"unknown flag":     {[]string{"serve", "--nonsense"}, 80, "unknown flag --nonsense"},
		"no folder":        {[]string{"serve"}, 80, "--dir"},
		"bad drain":        {[]string{"serve", "--dir", used, "--drain-end", "soon"}, 80, "must be one of"},
		"unknown corner":   {[]string{"serve", "--dir", used, "--corners", `{"x":1}`}, 1, "corners cannot be read"},
		"unknown answer":   {[]string{"serve", "--dir", used, "--rules", `[{"call":"unlock","answer":"nonsense"}]`}, 1, `no answer "nonsense"`},
		"unknown database": {[]string{"serve", "--dir", filepath.Join(used, "a", "home"), "--postgres", "oracle://x"}, 1, "hint: say embedded"},
		"two databases":    {[]string{"serve", "--dir", used, "--postgres", "postgres://x/y", "--mysql", "mysql://x/y"}, 80, "--mysql"},
		"no home":          {[]string{"check", filepath.Join(used, "none"), "embedded"}, 1, "none"},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			if code := Run(ctx, test.args, &out, &out); code != test.code || !strings.Contains(out.String(), test.says) {
				t.Errorf("exit code %d, want %d, and %q in:\n%s", code, test.code, test.says, out.String())
			}
		})
	}
}

func TestCornerFlags(t *testing.T) {
	c, err := cornerFlags{Version: "9.1.0", UnlockCode: 200, Corners: `{"resets":{"lock":2}}`}.corners()
	if err != nil || c.Version != "9.1.0" || c.Codes.Unlocked != 200 || c.Resets["lock"] != 2 {
		t.Errorf("%+v, %v", c, err)
	}
}
