package funcs

import (
	"errors"
	"fmt"

	"github.com/zclconf/go-cty/cty"
)

const (
	// MaxSize is the size that no value may exceed.
	MaxSize = 32 << 20
	// MaxDepth is how deep lists and objects may be nested. What walks them
	// recurses, and a stack that overflows cannot be recovered from.
	MaxDepth = 200
	// maxExponent of two is the largest that a number may have: to write it
	// in digits takes memory and time. 1e999, the largest literal, is below.
	maxExponent = 4096
	// overhead of an element.
	elementSize = 64
)

var (
	errSize   = fmt.Errorf("a value takes more than %d MiB", MaxSize>>20)
	errDepth  = fmt.Errorf("lists and objects are nested more than %d deep", MaxDepth)
	errNumber = errors.New("a number has more than a thousand digits")
)

// Size estimates the bytes that a value takes. It stops with an error at a
// value that is larger than MaxSize, nested deeper than MaxDepth, or holds a
// number of more than a thousand digits.
func Size(v cty.Value) (int, error) {
	left := MaxSize
	err := measure(v, &left, 0)
	return MaxSize - left, err
}

func measure(v cty.Value, left *int, depth int) error {
	v, _ = v.Unmark()
	*left -= elementSize
	if depth > MaxDepth {
		return errDepth
	}
	if !v.IsKnown() || v.IsNull() {
		return nil
	}
	switch ty := v.Type(); {
	case ty == cty.String:
		*left -= len(v.AsString())
	case ty == cty.Number:
		if n := v.AsBigFloat().MantExp(nil); n > maxExponent || n < -maxExponent {
			return errNumber
		}
	case v.CanIterateElements():
		for it := v.ElementIterator(); it.Next(); {
			_, e := it.Element()
			if err := measure(e, left, depth+1); err != nil {
				return err
			}
		}
	}
	if *left < 0 {
		return errSize
	}
	return nil
}
