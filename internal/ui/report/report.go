package report

import (
	_ "embed" // for the template and the style
	"html/template"
	"io"

	"bkp/internal/engine/overview"
)

// Mark is in the head of every report, so that bkp knows its own.
const Mark = `<meta name="generator" content="bkp report">`

//go:embed page.html
var pageText string

//go:embed style.css
var styleText string

var page = template.Must(template.New("page").Parse(pageText))

// view is what the template shows.
type view struct {
	Mark  template.HTML
	Style template.CSS
	Title string
	Made  string
	By    string
	// Instances are in the order of the configuration.
	Instances []instance
}

// Write writes the page.
func Write(w io.Writer, p overview.Page) error {
	v := view{
		Mark:  Mark,
		Style: template.CSS(styleText), //nolint:gosec // it is a file of this package
		Title: "Backups of " + title(p), Made: moment(p.Made), By: "bkp " + p.Tool + " on " + p.Host + ", from the configuration in " + p.Folder,
	}
	for _, i := range p.Instances {
		v.Instances = append(v.Instances, newInstance(i, p.Made))
	}
	return page.Execute(w, v)
}

func title(p overview.Page) string {
	if len(p.Instances) == 1 {
		return p.Instances[0].Name
	}
	return count(len(p.Instances), "instance")
}
