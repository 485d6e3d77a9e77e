package email

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"time"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/notify"
)

// maxSubject bounds a subject, in bytes: readers show less.
const maxSubject = 200

// message is the whole mail. No text of a notice can add a header: the subject is
// one encoded word, and all else is the body.
func (e notifier) message(n providers.Notice) ([]byte, error) {
	n = e.Linked(n)
	const remedy = "correct the template of the block"
	subject, err := notify.Render(e.Subject, n)
	if err != nil {
		return nil, problem.Wrap(err, "template cannot be used", remedy)
	}
	text, err := notify.Render(cmp.Or(e.Template, "{{text .}}"), n)
	if err != nil {
		return nil, problem.Wrap(err, "template cannot be used", remedy)
	}
	var b bytes.Buffer
	for _, h := range []struct{ name, value string }{
		{"From", header(e.From)}, {"To", recipients(e.To)}, {"Subject", mime.QEncoding.Encode("utf-8", notify.Shorten(oneLine(subject), maxSubject))},
		{"Date", n.At.Format(time.RFC1123Z)}, {"Message-ID", "<" + rand.Text() + "@" + domain(e.From) + ">"},
		{"Auto-Submitted", "auto-generated"}, {"X-Bkp-Occasion", string(n.Occasion)},
		{"MIME-Version", "1.0"}, {"Content-Type", "text/plain; charset=utf-8"}, {"Content-Transfer-Encoding", "quoted-printable"},
	} {
		fmt.Fprintf(&b, "%s: %s\r\n", h.name, h.value)
	}
	b.WriteString("\r\n")
	w := quotedprintable.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		return nil, err
	}
	return b.Bytes(), w.Close()
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// header writes an address as a header has it, with its name encoded.
func header(address string) string {
	a, err := mail.ParseAddress(address)
	if err != nil {
		return oneLine(address)
	}
	return a.String()
}

func recipients(to []string) string {
	var out []string
	for _, a := range to {
		out = append(out, header(a))
	}
	return strings.Join(out, ",\r\n ")
}

func domain(address string) string {
	_, at, _ := strings.Cut(bare(address), "@")
	return cmp.Or(at, "localhost")
}
