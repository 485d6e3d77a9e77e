package notify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/template"
	"time"

	"bkp/providers"
)

// functions are what a template may call.
var functions = template.FuncMap{
	"json": func(v any) (string, error) {
		b, err := json.Marshal(v)
		return string(b), err
	},
	"text":  Text,
	"join":  func(sep string, list []string) string { return strings.Join(list, sep) },
	"upper": strings.ToUpper,
}

// Render fills in a template of the operator.
func Render(text string, n providers.Notice) (string, error) {
	t, err := template.New("template").Funcs(functions).Option("missingkey=error").Parse(text)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	if err := t.Execute(&limited{w: &b, left: maxRendered}, n); err != nil {
		return "", err
	}
	return b.String(), nil
}

// maxRendered bounds what a template makes, in bytes: a loop must not eat the
// memory of a run.
const maxRendered = 1 << 20

type limited struct {
	w    io.Writer
	left int
}

// Write implements io.Writer.
func (l *limited) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, fmt.Errorf("the template makes more than %d bytes", maxRendered)
	}
	return l.w.Write(p)
}

// Example is a notice with all that there can be, to try templates on.
func Example() providers.Notice {
	return providers.Notice{
		Occasion: providers.Failure, Operation: providers.OfBackup, Instance: "prod", URL: "https://bitbucket.example.com",
		Run: "prod-20261122T214431Z", Host: "backup1", Tool: "1.0.0", At: time.Date(2026, 11, 22, 21, 46, 2, 0, time.UTC),
		Summary: "The backup of prod failed", Detail: "archive.tar.local: no space left on device", Remedy: "free some space",
		Took: 90 * time.Second, LockWindow: 800 * time.Millisecond, Bytes: 1 << 30,
		Stored: []string{"archive.tar.local"}, Removed: []string{"prod-20261120T214431Z"}, Warnings: []string{"a warning"}, Standing: []string{"no drill yet"},
		Report: "https://intranet.example.com/bkp.html",
	}
}

// TemplateProblems tries a template out.
func TemplateProblems(attribute, text string) []providers.ConfigProblem {
	if text == "" {
		return nil
	}
	if _, err := Render(text, Example()); err != nil {
		return []providers.ConfigProblem{{
			Attribute: attribute, Rests: []string{attribute}, Summary: "template cannot be used", Detail: err.Error(),
			Remedy: "write it as a template of Go, such as {{.Summary}}, {{json .}} or {{range .Warnings}}{{.}} {{end}}",
		}}
	}
	return nil
}
