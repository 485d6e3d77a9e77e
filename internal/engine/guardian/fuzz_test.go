package guardian

import (
	"bytes"
	"testing"
)

// FuzzRead proves that the child outlives whatever its pipe brings, and stops
// reading at the first line that is none of the parent's.
func FuzzRead(f *testing.F) {
	for _, text := range []string{
		"", "\n", "{", "null\n", `{"expect":true}` + "\n", `{"released":true}` + "\n",
		`{"watch":{"url":"http://x","run":"prod-20261122T000000Z","journal":"j","log":"l","within":1}}` + "\n" + `{"lease":{"unlock":"u","cancel":"c"}}` + "\n",
		`{"watch":{"within":1e99}}` + "\n", `{"lease":null,"expect":true}` + "\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c := &child{messages: make(chan message)}
		go c.read(bytes.NewReader(text))
		lines := 0
		for m := range c.messages {
			lines++
			if m.Watch != nil {
				c.watch = *m.Watch
				_ = c.watch.config()
			}
			if m.Watch == nil && !m.Released {
				c.take(m)
			}
		}
		if most := bytes.Count(text, []byte("\n")) + 1; lines > most {
			t.Errorf("%d messages in %d lines", lines, most)
		}
	})
}
