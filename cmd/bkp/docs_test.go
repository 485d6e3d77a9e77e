package main

import (
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
)

const (
	repository = "../.."
	mostReadme = 6000 // bytes: one reads it whole, or not at all
)

// TestLinksOfTheDocsResolve reads README.md and every page below docs.
func TestLinksOfTheDocsResolve(t *testing.T) {
	for _, wrong := range brokenLinks(t, repository) {
		t.Error(wrong)
	}
}

func TestReadmeIsShort(t *testing.T) {
	info, err := os.Stat(filepath.Join(repository, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > mostReadme {
		t.Errorf("README.md has %d bytes, more than %d: move text to a page of docs", info.Size(), mostReadme)
	}
}

// TestBrokenLinksAreFound breaks a page in each way that a link can break.
func TestBrokenLinksAreFound(t *testing.T) {
	const good = "# A page\n\n[self](#a-page) [other](docs/b.md#the---out-flag) [web](https://example.com/x#y) [folder](docs)\n"
	const other = "# B\n\n## The `--out` flag\n\n## Twice\n\n## Twice\n\n[back](../README.md#a-page) [second](#twice-1)\n\n```\n[in code](nowhere.md)\n```\n"
	for name, c := range map[string]struct{ readme, other, want string }{
		"none":             {good, other, ""},
		"missing file":     {good + "[x](docs/c.md)\n", other, `README.md: "docs/c.md"`},
		"missing anchor":   {good + "[x](docs/b.md#c)\n", other, `README.md: "docs/b.md#c"`},
		"missing here":     {good + "[x](#c)\n", other, `README.md: "#c"`},
		"missing in docs":  {good, other + "[x](c.md)\n", `docs/b.md: "c.md"`},
		"missing picture":  {good + "![x](docs/c.svg)\n", other, `README.md: "docs/c.svg"`},
		"by reference":     {good + "[x][r]\n\n[r]: docs/c.md\n", other, `README.md: "docs/c.md"`},
		"outside":          {good + "[x](../..)\n", other, `README.md: "../.."`},
		"absolute":         {good + "[x](/docs/b.md)\n", other, `README.md: "/docs/b.md"`},
		"repeated heading": {good, other + "[x](#twice-2)\n", `docs/b.md: "#twice-2"`},
		"in a table":       {good + "| a |\n| --- |\n| [x](docs/c.md) |\n", other, `README.md: "docs/c.md"`},
		"nobody links it":  {"# A page\n", other, `docs/b.md: no page links to it`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, content := range map[string]string{"README.md": c.readme, "docs/b.md": c.other} {
				if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got := strings.Join(brokenLinks(t, dir), "\n")
			if c.want == "" && got != "" || !strings.HasPrefix(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// page is what links need to know of a file in Markdown.
type page struct {
	links   []string
	anchors map[string]bool
}

// brokenLinks names the links of README.md and docs/**/*.md in dir that lead
// nowhere, and the pages that no other page leads to. Addresses with a scheme
// are left out: a test must not depend on the network.
func brokenLinks(t *testing.T, dir string) []string {
	t.Helper()
	pages := map[string]page{}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, path)
		if err != nil || filepath.Ext(path) != ".md" || rel != "README.md" && !strings.HasPrefix(rel, "docs"+string(filepath.Separator)) {
			return err
		}
		source, err := os.ReadFile(path)
		pages[filepath.ToSlash(rel)] = readPage(source)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var broken []string
	linked := map[string]bool{"README.md": true}
	for name, p := range pages {
		for _, link := range p.links {
			to, err := resolve(dir, name, link, pages)
			if err != nil {
				broken = append(broken, fmt.Sprintf("%s: %q: %v", name, link, err))
			} else if to != name {
				linked[to] = true
			}
		}
	}
	for name := range pages {
		if !linked[name] {
			broken = append(broken, name+": no page links to it")
		}
	}
	slices.Sort(broken)
	return broken
}

// resolve returns the file that a link of a page leads to, "" for one elsewhere.
func resolve(dir, from, link string, pages map[string]page) (string, error) {
	u, err := url.Parse(link)
	if err != nil || u.Scheme != "" {
		return "", err
	}
	to := from
	if u.Path != "" {
		to = filepath.ToSlash(filepath.Join(filepath.Dir(from), u.Path))
		if !filepath.IsLocal(to) || strings.HasPrefix(u.Path, "/") {
			return "", fmt.Errorf("leads out of the repository")
		}
		if _, err := os.Stat(filepath.Join(dir, to)); err != nil {
			return "", err
		}
	}
	if u.Fragment != "" && !pages[to].anchors[u.Fragment] {
		return "", fmt.Errorf("%s has no heading for #%s", to, u.Fragment)
	}
	return to, nil
}

func parse(source []byte) ast.Node {
	return goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser().Parse(text.NewReader(source))
}

func readPage(source []byte) page {
	p := page{anchors: map[string]bool{}}
	_ = ast.Walk(parse(source), func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Link:
			p.links = append(p.links, string(n.Destination))
		case *ast.Image:
			p.links = append(p.links, string(n.Destination))
		case *ast.Heading:
			slug, base := anchor(plainText(n, source)), ""
			for i := 1; p.anchors[slug]; i++ {
				if base == "" {
					base = slug
				}
				slug = fmt.Sprintf("%s-%d", base, i)
			}
			p.anchors[slug] = true
		}
		return ast.WalkContinue, nil
	})
	return p
}

func plainText(n ast.Node, source []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if leaf, ok := n.(*ast.Text); ok && entering {
			b.Write(leaf.Segment.Value(source))
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}

// anchor makes of a heading what GitHub makes of it.
func anchor(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r):
			return unicode.ToLower(r)
		default:
			return -1
		}
	}, strings.TrimSpace(heading))
}
