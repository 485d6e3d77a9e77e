package problem

import (
	"errors"
	"fmt"
)

// failures are errors that have nothing to do with each other, such as those
// of two instances. Make one with Join.
type failures struct{ all []error }

// Error gives a line each.
func (f *failures) Error() string { return errors.Join(f.all...).Error() }

// Unwrap returns all.
func (f *failures) Unwrap() []error { return f.all }

// Join is one error of several that have nothing to do with each other: nil if
// all are, and the only one if there is one. Each takes it apart.
func Join(errs ...error) error {
	var all []error
	for _, err := range errs {
		if err != nil {
			all = append(all, Each(err)...)
		}
	}
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	return &failures{all}
}

// Each are the errors that Join made one of.
func Each(err error) []error {
	// kong hands over what a command returns in a list of one.
	if list, ok := err.(interface{ Unwrap() []error }); ok && len(list.Unwrap()) == 1 {
		return Each(list.Unwrap()[0])
	}
	if f, ok := err.(*failures); ok { //nolint:errorlint // what is wrapped belongs to what wraps it
		return f.all
	}
	return []error{err}
}

// ErrUsage is what an error is that Usage made, and nothing else.
var ErrUsage = errors.New("usage")

// usageError is ErrUsage without its text, which would stand before every
// message.
type usageError struct{ error }

// Usage marks an error as one of how bkp was called, not of what happened.
func Usage(err error) error { return usageError{err} }

// Usagef is Usage of a new error.
func Usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// Is reports whether the error is one of usage.
func (usageError) Is(target error) bool { return target == ErrUsage }

// Unwrap returns the error itself.
func (e usageError) Unwrap() error { return e.error }

// Counted is a number of things: "1 instance", "2 instances".
func Counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
