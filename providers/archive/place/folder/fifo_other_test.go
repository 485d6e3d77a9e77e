//go:build !unix

package folder

import "errors"

func makeFIFO(string) error { return errors.ErrUnsupported }
