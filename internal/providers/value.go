package providers

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
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

// notPlain are the characters of a repository's path that some backends refuse in a name.
var notPlain = pattern.New(`[^A-Za-z0-9_.-]+`)

// PlainPath is the path of a repository with nothing in it but letters, digits, "_.-", and "/" between
// the parts.
func PlainPath(r setup.Repository) string {
	parts := strings.Split(r.Path, "/")
	for i, part := range parts {
		parts[i] = notPlain.ReplaceAllString(part, "-")
	}
	return strings.Join(parts, "/")
}

var plainWord = pattern.New(`^[A-Za-z0-9/._:=@-]+$`)

// ShellWord quotes a text for a shell when it has to be.
func ShellWord(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// WithValue puts the value into a body, as the text of a key, for as long as f runs.
func WithValue(v *secret.Value, body map[string]any, key string, f func() error) error {
	return v.Use(func(b []byte) error {
		body[key] = string(b)
		defer delete(body, key)
		return f()
	})
}

// unknown stands for what is not known of a value, so that nothing is left of what an earlier write told.
const unknown = "unknown"

// Tags tell what a value is for, in stores that keep pairs beside it.
func Tags(m Meta) map[string]string {
	out := map[string]string{"astro-ci-setup": cmp.Or(m.Setup, unknown), "astro-ci-token": cmp.Or(m.TokenID, unknown), "astro-ci-expires": unknown}
	if !m.ExpiresAt.IsZero() {
		out["astro-ci-expires"] = m.ExpiresAt.UTC().Format(time.DateOnly)
	}
	return out
}

// Note tells the same in one line.
func Note(m Meta) string {
	out := "astro-ci setup=" + m.Setup + " token=" + cmp.Or(m.TokenID, unknown)
	if !m.ExpiresAt.IsZero() {
		out += " ends=" + m.ExpiresAt.UTC().Format(time.DateOnly)
	}
	return out
}

// Untold is the note of a receipt when the value was written, and what tells about it was not.
func Untold(what string, err error) display.Text {
	if err == nil {
		return display.Text{}
	}
	say, h := what+" could not be brought up to date", hint.Of(err)
	if h.Next != "" { // it names what is needed; there is no room for more
		return display.Clean(say + ". " + h.Next)
	}
	if s, ok := errors.AsType[*httpx.StatusError](err); ok && !s.Message.IsZero() {
		return display.Clean(say + ": " + s.Message.String())
	}
	return display.Clean(say + ": " + h.Doing)
}

// Mark is a note to keep beside a value, for stores that show one, and the mark in it by which this write
// is known again.
func Mark(m Meta) (note, mark string) {
	mark = strings.ToLower(rand.Text()[:12])
	return Note(m) + " write=" + mark, mark
}

// MarkIn finds the mark in a note; "" when it has none.
func MarkIn(note string) string {
	if before, mark, ok := strings.Cut(note, " write="); ok && strings.HasPrefix(before, "astro-ci setup=") {
		return mark
	}
	return ""
}
