package pipeline

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"

	"github.com/astro-ci/astro-ci/internal/pattern"
)

// The values a YAML document is made of: Map, List, Plain, Literal, string, int and bool.
//
// A string is always written in double quotes; it is the only type that may hold text from outside.
type (
	// Map is a mapping that keeps its order.
	Map []Pair
	// Pair is one entry of a Map.
	Pair struct {
		Key    string
		Quoted bool // the key comes from outside, or holds what needs quotes
		Value  any
		Above  []string // comment lines above the entry
		Beside string   // comment at the end of the line
	}
	// List is a sequence, one item a line.
	List []any
	// Plain is a constant of the program that is written without quotes.
	Plain string
	// Literal is a constant text of many lines that is written as it stands.
	Literal string
)

var (
	plainKey  = pattern.New(`^[A-Za-z_][A-Za-z0-9_-]*$`)
	plainText = pattern.New(`^[A-Za-z_$./][\x20-\x7e]*$`)
	// notPlain finds what ends a plain scalar, and the words that YAML 1.1 takes for a boolean or null.
	notPlain = pattern.New(`: | #|[: ]$|(?i)^(y|n|yes|no|on|off|true|false|null|\.inf|\.nan)$`)
)

// YAML writes a document: header as a comment, the entries of m with a blank line between them.
// It reads the result again and returns an error unless every value comes back as it went in.
func YAML(header []string, m Map) ([]byte, error) {
	w := &writer{}
	w.comment(0, header)
	for i, p := range m {
		if i > 0 || len(header) > 0 {
			w.b.WriteByte('\n')
		}
		w.pair(0, "", p)
	}
	if w.err != nil {
		return nil, fmt.Errorf("write yaml: %w", w.err)
	}
	var back any
	if err := yaml.UnmarshalWithOptions(w.b.Bytes(), &back, yaml.UseOrderedMap()); err != nil {
		return nil, fmt.Errorf("write yaml: read it again: %w", err)
	}
	if err := same("", m, back); err != nil {
		return nil, fmt.Errorf("write yaml: %w", err)
	}
	return w.b.Bytes(), nil
}

type writer struct {
	b   bytes.Buffer
	err error // the first one
}

func (w *writer) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
	}
}

func (w *writer) indent(depth int) { w.b.WriteString(strings.Repeat("  ", depth)) }

func (w *writer) comment(depth int, lines []string) {
	for _, l := range lines {
		w.checkComment(l)
		w.indent(depth)
		w.b.WriteString(strings.TrimRight("# "+l, " ") + "\n")
	}
}

func (w *writer) checkComment(line string) {
	for _, r := range line {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			w.fail("%U cannot stand in a comment", r)
		}
	}
}

// pair writes one entry; dash is "- " for the first entry of a list item, which is indented already.
func (w *writer) pair(depth int, dash string, p Pair) {
	if dash == "" {
		w.comment(depth, p.Above)
		w.indent(depth)
	}
	key := p.Key
	if p.Quoted {
		key = w.quote(key)
	} else if !plainKey.MatchString(key) {
		w.fail("%q is not a plain key", key)
	}
	w.b.WriteString(dash + key + ":")
	w.value(depth, p.Value, p.Beside)
}

// value writes what follows a "key:" or, for scalars, a "-".
func (w *writer) value(depth int, v any, beside string) {
	end := "\n"
	if beside != "" {
		w.checkComment(beside)
		end = " # " + beside + "\n"
	}
	switch v := v.(type) {
	case Map:
		if len(v) == 0 {
			w.b.WriteString(" {}" + end)
			return
		}
		w.b.WriteString(end)
		for _, p := range v {
			w.pair(depth+1, "", p)
		}
	case List:
		if len(v) == 0 {
			w.b.WriteString(" []" + end)
			return
		}
		w.b.WriteString(end)
		w.items(depth+1, v)
	case Literal:
		w.b.WriteString(" |" + end)
		w.literal(depth+1, string(v))
	case Plain:
		if s := string(v); !plainText.MatchString(s) || notPlain.MatchString(s) {
			w.fail("%q needs quotes", s)
		}
		w.b.WriteString(" " + string(v) + end)
	case string:
		w.b.WriteString(" " + w.quote(v) + end)
	case int, bool:
		w.b.WriteString(fmt.Sprintf(" %v", v) + end)
	default:
		w.fail("%T is not a YAML value", v)
	}
}

// items writes a list; items that are mappings are set apart by blank lines.
func (w *writer) items(depth int, l List) {
	for i, item := range l {
		m, ok := item.(Map)
		if !ok {
			switch item.(type) {
			case string, Plain, Literal, int, bool:
			default:
				w.fail("%T is not an item of a list", item)
			}
			w.indent(depth)
			w.b.WriteByte('-')
			w.value(depth, item, "")
			continue
		}
		if len(m) == 0 {
			w.fail("an item of a list is empty")
			return
		}
		if i > 0 {
			w.b.WriteByte('\n')
		}
		w.comment(depth, m[0].Above)
		w.indent(depth)
		w.pair(depth+1, "- ", m[0])
		for _, p := range m[1:] {
			w.pair(depth+1, "", p)
		}
	}
}

func (w *writer) literal(depth int, s string) {
	if !strings.HasSuffix(s, "\n") || strings.HasSuffix(s, "\n\n") || strings.HasPrefix(s, " ") || strings.HasPrefix(s, "\n") {
		w.fail("a literal must start with text and end with one line break")
	}
	for line := range strings.Lines(s) {
		line = strings.TrimSuffix(line, "\n")
		for _, r := range line {
			if r < ' ' || r > '~' {
				w.fail("%U cannot stand in a literal", r)
			}
		}
		if line != strings.TrimRight(line, " ") {
			w.fail("a line of a literal ends with a space")
		}
		if line != "" {
			w.indent(depth)
		}
		w.b.WriteString(line + "\n")
	}
}

// quote writes s as a double-quoted scalar; what is not printable is escaped.
func (w *writer) quote(s string) string {
	if !utf8.ValidString(s) {
		w.fail("%q is not UTF-8", s)
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case unicode.IsPrint(r) && r <= 0xFFFF:
			b.WriteRune(r)
		case r <= 0xFF:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r <= 0xFFFF:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// same reports where what was read differs from what was written.
func same(at string, want, got any) error {
	switch want := want.(type) {
	case Map:
		read, ok := got.(yaml.MapSlice)
		if !ok && len(want) == 0 {
			m, empty := got.(map[string]any)
			ok = empty && len(m) == 0
		}
		if !ok || len(read) != len(want) {
			return fmt.Errorf("%s: the mapping came back as %T", at, got)
		}
		for i, p := range want {
			if read[i].Key != p.Key {
				return fmt.Errorf("%s: the key %q came back as %v", at, p.Key, read[i].Key)
			}
			if err := same(at+"/"+p.Key, p.Value, read[i].Value); err != nil {
				return err
			}
		}
		return nil
	case List:
		read, ok := got.([]any)
		if !ok || len(read) != len(want) {
			return fmt.Errorf("%s: the list came back as %T", at, got)
		}
		for i := range want {
			if err := same(fmt.Sprintf("%s/%d", at, i), want[i], read[i]); err != nil {
				return err
			}
		}
		return nil
	case Plain:
		return equal(at, string(want), got)
	case Literal:
		return equal(at, string(want), got)
	case int:
		// Numbers come back as uint64 or int64.
		if fmt.Sprint(got) != fmt.Sprint(want) {
			return fmt.Errorf("%s: %d came back as %v", at, want, got)
		}
		return nil
	}
	return equal(at, want, got)
}

func equal(at string, want, got any) error {
	if want != got {
		return fmt.Errorf("%s: a value did not come back as it went in", at)
	}
	return nil
}
