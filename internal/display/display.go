// Package display cleans text that came from outside (names from an API, remotes, file content)
// so that it cannot move the cursor, hide itself or break a line.
//
// Cleaning happens once, where the text is decoded, and its result has a type of its own:
// a screen takes a Text and cannot be given a raw string by mistake.
package display

import (
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxRunes is the length at which Clean cuts a text; what was cut shows as "…".
const MaxRunes = 256

// maxMarks is how many combining marks may follow one another.
const maxMarks = 4

// Text is safe to print on a terminal. Its zero value is the empty text.
type Text struct{ s string }

// String returns the cleaned text.
func (t Text) String() string { return t.s }

// IsZero reports whether the text is empty.
func (t Text) IsZero() bool { return t.s == "" }

// MarshalText lets a Text stand in JSON and YAML.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.s), nil }

// UnmarshalText cleans what it decodes; with it every API answer is cleaned at the boundary.
func (t *Text) UnmarshalText(b []byte) error {
	*t = Clean(string(b))
	return nil
}

// UnmarshalJSON accepts a string or null.
func (t *Text) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	*t = Clean(s)
	return nil
}

// Clean returns raw without control characters, bidirectional overrides, zero-width and other
// invisible characters; white space, line breaks included, becomes one space; bytes that are not
// UTF-8 become U+FFFD; at most four combining marks stay together; the rest is cut at MaxRunes.
func Clean(raw string) Text {
	var b strings.Builder
	runes, marks, space := 0, 0, false
	for len(raw) > 0 {
		r, n := utf8.DecodeRuneInString(raw)
		raw = raw[n:]
		switch {
		case unicode.IsSpace(r):
			space = b.Len() > 0
			continue
		case Acts(r):
			continue
		case unicode.Is(unicode.M, r):
			if marks++; marks > maxMarks {
				continue
			}
		default:
			marks = 0
		}
		if runes >= MaxRunes || space && runes+1 >= MaxRunes {
			b.WriteRune('…')
			break
		}
		if space {
			b.WriteByte(' ')
			runes++
			space = false
		}
		b.WriteRune(r)
		runes++
	}
	return Text{b.String()}
}

// Acts reports runes that print nothing or act on the terminal: controls (C0, C1), format
// characters (bidi, zero width, tags), private use, surrogates, fillers.
func Acts(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp) ||
		r == '\u034f' || r == '\u115f' || r == '\u1160' || r == '\u3164' || r == '\uffa0' || // fillers
		unicode.Is(unicode.Variation_Selector, r)
}

// Block cleans text of several lines, like a difference or an error: line breaks and indentation
// stay, every other rune that Acts becomes U+FFFD.
func Block(raw string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && Acts(r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ReplaceAll(raw, "\r\n", "\n"))
}
