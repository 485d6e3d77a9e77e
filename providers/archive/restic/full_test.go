package restic

import (
	"context"
	"errors"
	"testing"
)

// TestAFullRepositoryEndsRestic: only what restic would try again ends it, however it
// is written.
func TestAFullRepositoryEndsRestic(t *testing.T) {
	t.Parallel()
	const retry = "Save(<data/0f3a>) returned error, retrying after 552ms: write /repo/data/0f/0f3a: no space left on device\n"
	for text, isFull := range map[string]bool{
		retry: true,
		"{\"message_type\":\"error\",\"error\":{\"message\":\"write /home/file: no space left on device\"}}\n": false,
		"unable to open cache: mkdir /cache: no space left on device\n":                                        false,
		"Save(<data/0f3a>) returned error, retrying after 552ms: connection reset by peer\n":                   false,
		"Save(<data/0f3a>) failed: write /repo/data/0f/0f3a-tmp-1: no space left on device\n":                  true,
		"first line\n" + retry: true,
	} {
		for _, each := range []int{1, 7, len(text)} {
			ctx, end := context.WithCancelCause(t.Context())
			w := &fullWatch{end: end}
			for rest := []byte(text); len(rest) > 0; {
				n := min(each, len(rest))
				if got, err := w.Write(rest[:n]); got != n || err != nil {
					t.Fatalf("%d, %v", got, err)
				}
				rest = rest[n:]
			}
			if got := errors.Is(context.Cause(ctx), errFull); got != isFull {
				t.Errorf("%q in pieces of %d: ended %v", text, each, got)
			}
			end(nil)
		}
	}
}
