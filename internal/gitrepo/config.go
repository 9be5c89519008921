package gitrepo

import (
	"fmt"
	"strings"
)

// entry is one line of a git configuration: section.subsection.key = value. Section and key are
// lower case, the subsection is as written.
type entry struct{ section, subsection, key, value string }

// parseConfig reads git's configuration format by git's own grammar: what git refuses is refused
// here too, with the number of the line. Includes are not followed.
func parseConfig(text string) ([]entry, error) {
	p := parser{text: strings.ReplaceAll(strings.TrimPrefix(text, "\ufeff"), "\r\n", "\n"), line: 1}
	var out []entry
	at := entry{}
	for p.more() {
		ok := true
		switch c := p.next(); {
		case c == '#' || c == ';':
			p.skipLine()
		case space(c):
		case c == '[':
			at.section, at.subsection, ok = p.header()
		case letter(c):
			at.key, at.value, ok = p.setting(c)
			out = append(out, at)
		default:
			ok = false
		}
		if !ok {
			return nil, fmt.Errorf("git's configuration: line %d cannot be read", p.line)
		}
	}
	return out, nil
}

// parser walks over the text; the end of the text reads as a line break.
type parser struct {
	text string
	pos  int
	line int // of the character that was read last
	feed bool
}

func (p *parser) more() bool { return p.pos < len(p.text) }

func (p *parser) next() byte {
	if p.feed {
		p.line++
	}
	c := byte('\n')
	if p.more() {
		c = p.text[p.pos]
	}
	p.pos++
	p.feed = c == '\n'
	return c
}

func (p *parser) skipLine() {
	for p.next() != '\n' {
	}
}

// header reads a section's name after its "[": [core], [remote "origin"], or the old [remote.origin].
func (p *parser) header() (section, subsection string, ok bool) {
	var name strings.Builder
	c := p.next()
	for ; keyChar(c) || c == '.'; c = p.next() {
		name.WriteByte(lower(c))
	}
	section = name.String()
	if c == ']' {
		section, subsection, _ = strings.Cut(section, ".")
		return section, subsection, section != ""
	}
	apart := space(c)
	for c != '\n' && space(c) {
		c = p.next()
	}
	if c != '"' || !apart {
		return "", "", false
	}
	var sub strings.Builder
	for c = p.next(); c != '"'; c = p.next() {
		if c == '\\' {
			c = p.next()
		}
		if c == '\n' {
			return "", "", false
		}
		sub.WriteByte(c)
	}
	return section, sub.String(), section != "" && p.next() == ']'
}

// setting reads "key = value", or "key" alone, after the first letter of the key.
func (p *parser) setting(first byte) (key, value string, ok bool) {
	k := []byte{lower(first)}
	c := p.next()
	for ; keyChar(c); c = p.next() {
		k = append(k, lower(c))
	}
	for c == ' ' || c == '\t' {
		c = p.next()
	}
	switch c {
	case '\n':
		return string(k), "", true
	case '=':
		value, ok = p.value()
		return string(k), value, ok
	}
	return "", "", false
}

// value reads up to the end of the line, without comments, quotes and the white space around it.
func (p *parser) value() (string, bool) {
	var v []byte
	quoted, keep := false, 0 // keep: the length without white space at the end
	for {
		c := p.next()
		switch {
		case c == '\n':
			return string(v[:keep]), !quoted
		case !quoted && space(c):
			if len(v) > 0 {
				v = append(v, c)
			}
			continue
		case !quoted && (c == '#' || c == ';'):
			p.skipLine()
			return string(v[:keep]), true
		case c == '"':
			quoted = !quoted
		case c == '\\':
			c = p.next()
			if c == '\n' {
				continue
			}
			i := strings.IndexByte(`tbn\"`, c)
			if i < 0 {
				return "", false
			}
			v = append(v, "\t\b\n\\\""[i])
		default:
			v = append(v, c)
		}
		keep = len(v)
	}
}

func space(c byte) bool   { return c == ' ' || c >= '\t' && c <= '\r' }
func letter(c byte) bool  { return lower(c) >= 'a' && lower(c) <= 'z' }
func keyChar(c byte) bool { return letter(c) || c >= '0' && c <= '9' || c == '-' }

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
