package text

import (
	"strings"

	"github.com/pterm/pterm"
)

// columnGap stands between the columns of a table.
const columnGap = "  "

// Table prints rows below a header. Where they do not fit, each row becomes a
// block with a line for each column.
func (p Page) Table(header []string, rows [][]string) error {
	if p.Width > 0 && tableWidth(header, rows) > p.Width {
		p.records(header, rows)
		return nil
	}
	data := pterm.TableData{header}
	for _, r := range rows {
		data = append(data, r)
	}
	t := pterm.DefaultTable.WithHasHeader().WithSeparator(columnGap).WithHeaderRowSeparator("").WithData(data).
		WithStyle(pterm.NewStyle()).WithSeparatorStyle(pterm.NewStyle()).WithHeaderStyle(pterm.NewStyle())
	text, err := t.Srender()
	if err != nil {
		return err
	}
	for i, l := range strings.Split(strings.TrimRight(pterm.RemoveColorFromString(text), "\n"), "\n") {
		l = strings.TrimRight(l, " ")
		if i == 0 {
			l = p.Style.Bold(l)
		}
		p.line("%s", l)
	}
	return nil
}

func tableWidth(header []string, rows [][]string) int {
	total := (len(header) - 1) * len(columnGap)
	for i, h := range header {
		width := runes(h)
		for _, r := range rows {
			width = max(width, runes(r[i]))
		}
		total += width
	}
	return total
}

func (p Page) records(header []string, rows [][]string) {
	width := 0
	for _, h := range header {
		width = max(width, runes(h))
	}
	for i, r := range rows {
		if i > 0 {
			p.line("")
		}
		for j, h := range header {
			name := h + strings.Repeat(" ", width-runes(h))
			p.line("%s%s%s", p.Style.Bold(name), columnGap, wrap(r[j], p.Width, width+len(columnGap)))
		}
	}
}

func runes(s string) int { return len([]rune(s)) }
