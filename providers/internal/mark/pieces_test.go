package mark_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"bkp/providers/internal/mark"
)

func TestPiecesMakeTheManifest(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, length := range []int{1, 9, 100, 5000} {
		manifest := make([]byte, length)
		for i := range manifest {
			manifest[i] = byte(rnd.Uint32())
		}
		pieces := mark.Pieces(manifest, 40)
		slices.Reverse(pieces)
		if got := mark.Join(pieces); !bytes.Equal(got, manifest) {
			t.Errorf("%d bytes became %d", length, len(got))
		}
		if got := mark.Join(pieces[1:]); got != nil {
			t.Errorf("without its last piece it is %q", got)
		}
		if got := mark.Join(append(pieces, "999.1000.old")); !bytes.Equal(got, manifest) {
			t.Errorf("beside an older piece it is %d bytes", len(got))
		}
	}
	for _, bad := range [][]string{nil, {"x"}, {"0.x.a"}, {"1.2.a"}, {"0.1.!"}, {"0.1.aaaa"}} {
		if got := mark.Join(bad); got != nil {
			t.Errorf("%q became %q", bad, got)
		}
	}
}
