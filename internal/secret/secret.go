// Package secret keeps secret values out of everything that is printed,
// encoded or compared by accident.
//
// It leaves out where a secret comes from: the language's functions env and
// file, and sensitive variables, make one.
package secret

import (
	"fmt"
	"io"
	"strings"
)

// Hidden is what every representation of a secret shows.
const Hidden = "(sensitive)"

// String is a secret text. Its zero value is the empty secret. Printing,
// formatting and encoding it never show the value.
type String struct{ value *string }

// New returns value as a secret.
func New(value string) String { return String{value: &value} }

// Reveal returns the value. Call it at the last moment: where the value is
// handed to the tool or the server that needs it.
func (s String) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsSet reports whether a value was given, an empty one included.
func (s String) IsSet() bool { return s.value != nil }

// String implements fmt.Stringer without the value.
func (s String) String() string { return Hidden }

// GoString implements fmt.GoStringer without the value.
func (s String) GoString() string { return Hidden }

// Format implements fmt.Formatter, so that no verb reaches the value.
func (s String) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Hidden) }

// MarshalText implements encoding.TextMarshaler without the value; JSON and
// logs use it.
func (s String) MarshalText() ([]byte, error) { return []byte(Hidden), nil }

// Redact replaces every secret that occurs in text by Hidden.
func Redact(text string, secrets ...String) string {
	for _, s := range secrets {
		if v := s.Reveal(); v != "" {
			text = strings.ReplaceAll(text, v, Hidden)
		}
	}
	return text
}
