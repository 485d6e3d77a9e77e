package completion_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"bkp/internal/completion"
)

type grammar struct {
	Chdir string `short:"C" placeholder:"DIR"`
	Quiet bool
	Plan  struct {
		Out    string   `placeholder:"FILE"`
		Target []string `placeholder:"INSTANCE"`
		Format string   `enum:"text,markdown" default:"text"`
		Secret string   `hidden:""`
	} `cmd:"" aliases:"p"`
	Show struct {
		Name string `arg:"" name:"ID|PLAN"`
	} `cmd:""`
	Many struct {
		IDs []string `arg:"" name:"ID"`
	} `cmd:""`
	Private struct{} `cmd:"" hidden:""`
}

func TestComplete(t *testing.T) {
	t.Parallel()
	app, err := kong.New(new(grammar))
	if err != nil {
		t.Fatal(err)
	}
	var asked [][]string
	sources := completion.Sources{
		"ID": func([]string) []completion.Candidate { return []completion.Candidate{{Value: "a1"}, {Value: "b2"}} },
		"INSTANCE": func(before []string) []completion.Candidate {
			asked = append(asked, before)
			return []completion.Candidate{{Value: "prod"}}
		},
	}
	tests := []struct {
		line     string // | is where words are parted
		want     string
		fallback completion.Fallback
	}{
		{"", "plan show many", completion.Nothing},
		{"p", "plan", completion.Nothing},
		{"x", "", completion.Nothing},
		{"-", "--help --chdir --quiet", completion.Nothing},
		{"-q", "-quiet", completion.Nothing},
		{"--quiet|s", "show", completion.Nothing},
		{"--chdir|", "", completion.Folders},
		{"-C|", "", completion.Folders},
		{"-C|plan|show|", "a1 b2", completion.Plans},
		{"--chdir=x|p", "plan", completion.Nothing},
		{"plan|", "", completion.Nothing},
		{"plan|--", "--help --chdir --quiet --out --target --format", completion.Nothing},
		{"p|--o", "--out", completion.Nothing},
		{"plan|--out|", "", completion.Files},
		{"plan|--out=", "", completion.Files},
		{"plan|-out=", "", completion.Files},
		{"plan|--target|p", "prod", completion.Nothing},
		{"plan|--target=p", "prod", completion.Nothing},
		{"plan|--target=x", "", completion.Nothing},
		{"plan|--format|m", "markdown", completion.Nothing},
		{"plan|--nonsense=", "", completion.Nothing},
		{"show|", "a1 b2", completion.Plans},
		{"show|b", "b2", completion.Plans},
		{"show|a1|", "", completion.Nothing},
		{"many|a1|b", "b2", completion.Nothing},
		{"many|--|-", "", completion.Nothing},
	}
	for _, tt := range tests {
		got := completion.Complete(app.Model, strings.Split(tt.line, "|"), sources)
		var names []string
		for _, c := range got.Candidates {
			names = append(names, c.Value)
		}
		if strings.Join(names, " ") != tt.want || got.Fallback != tt.fallback {
			t.Errorf("%q: %v and %s, want %s and %s", tt.line, names, got.Fallback, tt.want, tt.fallback)
		}
	}
	if len(asked) == 0 || !slices.Equal(asked[0], []string{"plan", "--target"}) {
		t.Errorf("the source heard %q", asked)
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"plan|--out|=|x": "plan|--out=x",
		"plan|--out|=":   "plan|--out=",
		"plan|--out=x":   "plan|--out=x",
		"plan|=|x":       "plan|=|x",
		"--var|=|a|=|b":  "--var=a=b",
		"":               "",
	} {
		if got := strings.Join(completion.Words(strings.Split(given, "|")), "|"); got != want {
			t.Errorf("%q became %q, not %q", given, got, want)
		}
	}
}

func TestCompleted(t *testing.T) {
	t.Parallel()
	app, err := kong.New(new(struct {
		N    int
		Text string
		Dir  string `placeholder:"DIR"`
		Kind string `enum:"a,b" default:"a"`
	}))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range app.Model.Flags {
		if got, want := completion.Completed(f.Value, nil), f.Name != "text"; got != want {
			t.Errorf("%s: %t", f.Name, got)
		}
	}
}
