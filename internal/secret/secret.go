// Package secret holds values that must never be printed.
//
// A Value keeps its bytes in a closure: fmt, log/slog, encoding/json and reflection find a
// function there and nothing to show, also when the Value sits in an unexported field. Use is the
// only way to the bytes. The package makes no promise to wipe memory; it keeps values short-lived.
package secret

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

const hidden = "[secret]"

// Value is one secret. The zero value and nil hold nothing.
type Value struct {
	use func(func([]byte) error) error
}

// New takes a copy of b.
func New(b []byte) *Value {
	own := append([]byte(nil), b...)
	return &Value{use: func(f func([]byte) error) error { return f(own) }}
}

// Use lends the bytes to f; f must not keep them.
func (v *Value) Use(f func([]byte) error) error {
	if v.Empty() {
		return errors.New("the secret is empty")
	}
	return v.use(f)
}

// Empty reports whether there is nothing inside.
func (v *Value) Empty() bool { return v == nil || v.use == nil || v.Len() == 0 }

// Len is the number of bytes.
func (v *Value) Len() (n int) {
	if v == nil || v.use == nil {
		return 0
	}
	_ = v.use(func(b []byte) error { n = len(b); return nil })
	return n
}

// Equal compares in constant time.
func (v *Value) Equal(w *Value) (same bool) {
	if v.Empty() || w.Empty() {
		return false
	}
	_ = v.use(func(a []byte) error {
		return w.use(func(b []byte) error {
			same = subtle.ConstantTimeCompare(a, b) == 1
			return nil
		})
	})
	return same
}

// Format prints "[secret]" for every verb.
func (Value) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// String prints "[secret]".
func (Value) String() string { return hidden }

// GoString prints "[secret]".
func (Value) GoString() string { return hidden }

// LogValue prints "[secret]".
func (Value) LogValue() slog.Value { return slog.StringValue(hidden) }

var errMarshal = errors.New("a secret cannot be written as text")

// MarshalJSON refuses: a secret must never be saved by accident.
func (Value) MarshalJSON() ([]byte, error) { return nil, errMarshal }

// MarshalText refuses, see MarshalJSON.
func (Value) MarshalText() ([]byte, error) { return nil, errMarshal }
