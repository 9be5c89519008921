package providers

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/astro-ci/astro-ci/internal/secret"
)

// ErrNoLogin says that no log-in to a provider was found.
var ErrNoLogin = errors.New("none found")

// CheckValue refuses a value that a store would not take, or that a shell on the runner would spoil.
// A credential is text without white space.
func CheckValue(v *secret.Value, most int) error {
	return v.Use(func(b []byte) error {
		switch {
		case len(b) > most:
			return fmt.Errorf("the value is longer than %d bytes", most)
		case !utf8.Valid(b) || strings.ContainsFunc(string(b), func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
			return errors.New("the value holds white space, or a character that is no text")
		}
		return nil
	})
}

// WithValue puts the value into a body, as the text of a key, for as long as f runs.
func WithValue(v *secret.Value, body map[string]any, key string, f func() error) error {
	return v.Use(func(b []byte) error {
		body[key] = string(b)
		defer delete(body, key)
		return f()
	})
}
