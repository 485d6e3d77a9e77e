package host

import "mvdan.cc/sh/v3/syntax"

// ShellWord is text as one word of bash, for commands that are printed. Nothing that
// bkp itself runs goes through a shell.
func ShellWord(text string) string {
	word, err := syntax.Quote(text, syntax.LangBash)
	if err != nil { // a zero byte, which no path and no address has
		return "''"
	}
	return word
}
