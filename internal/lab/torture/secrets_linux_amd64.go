package main

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// secretForms are a secret as it could be written.
func secretForms(s string) []string {
	forms := []string{s, url.QueryEscape(s), url.PathEscape(s), hex.EncodeToString([]byte(s)), strings.Trim(strconv.Quote(s), `"`), strings.Trim(strconv.QuoteToASCII(s), `"`)}
	if b, err := json.Marshal(s); err == nil {
		forms = append(forms, strings.Trim(string(b), `"`))
	}
	// In base64 a text looks different by where it begins; what its neighbours
	// share of a letter is left out.
	for shift := range 3 {
		for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			text := e.EncodeToString([]byte(strings.Repeat("x", shift) + s))
			forms = append(forms, text[(shift*8+5)/6:len(text)-1])
		}
	}
	return forms
}

// passwords are secret everywhere, tokens everywhere but in the journal.
func (c *scene) passwords() []string {
	all := []string{c.password}
	if c.engine != nil {
		_, password := c.engine.account()
		all = append(all, password)
	}
	return all
}

func (c *scene) issued() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.tokens...)
}

// within names a secret that a text holds.
func within(text string, secrets []string) (form string, found bool) {
	for _, s := range secrets {
		for _, form := range secretForms(s) {
			if strings.Contains(text, form) {
				return form, true
			}
		}
	}
	return "", false
}

// judgeSecrets searches everything that was printed and written.
func (c *scene) judgeSecrets(o *outcome) {
	for _, leak := range o.leaked {
		o.broken(discreet, "%s", leak)
	}
	all := append(c.passwords(), c.issued()...)
	if form, found := within(o.output, all); found {
		o.broken(discreet, "%q is printed", form)
	}
	for _, folder := range []string{"state", "archives", "tmp"} {
		if err := c.searchFolder(o, folder, all); err != nil {
			o.broken(discreet, "%s cannot be searched: %v", folder, err)
		}
	}
	// Tokens of locks that are long gone make the search slow.
	c.mu.Lock()
	c.tokens = nil
	c.mu.Unlock()
}

func (c *scene) searchFolder(o *outcome, folder string, all []string) error {
	root := os.DirFS(filepath.Join(c.dir, folder))
	return fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && d.Name() == "copy" { // the home holds its own secrets
			if err == nil {
				err = fs.SkipDir
			}
			return err
		}
		if d.IsDir() || strings.HasSuffix(path, ".tar.zst") {
			return nil
		}
		text, err := fs.ReadFile(root, path)
		if err != nil {
			return err
		}
		secrets := all
		if strings.HasSuffix(path, ".jsonl") {
			secrets = c.passwords()
		}
		if form, found := within(string(text), secrets); found {
			o.broken(discreet, "%q stands in %s/%s", form, folder, path)
		}
		if info, err := d.Info(); err == nil && info.Mode().Perm()&0o077 != 0 {
			o.broken(discreet, "%s/%s has mode %s", folder, path, info.Mode())
		}
		return nil
	})
}

// leaks finds secrets in the arguments of a program, and in the environment of
// one that has no business with them.
func (c *scene) leaks(pid int, main bool, argv []string) []string {
	var all []string
	secrets := append(c.passwords(), c.issued()...)
	if form, found := within(strings.Join(argv, " "), secrets); found {
		all = append(all, fmt.Sprintf("%q is an argument of %s", form, argv[0]))
	}
	if main {
		return all // its environment is where it has them from
	}
	environment, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if form, found := within(string(environment), secrets); err == nil && found {
		all = append(all, fmt.Sprintf("%q is in the environment of %s", form, argv[0]))
	}
	return all
}
