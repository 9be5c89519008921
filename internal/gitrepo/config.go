package gitrepo

import (
	"strings"
)

// entry is one line of a git configuration: section.subsection.key = value. Section and key are
// lower case, the subsection is as written.
type entry struct{ section, subsection, key, value string }

// parseConfig reads git's configuration format as far as remotes need it: sections with a quoted
// subsection, comments, quoted values and escapes. Includes are not followed.
func parseConfig(text string) (out []entry) {
	var section, subsection string
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", "")) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
		case line[0] == '[':
			head, _, ok := strings.Cut(line[1:], "]")
			if !ok {
				continue
			}
			name, sub, quoted := strings.Cut(head, `"`)
			section, subsection = strings.ToLower(strings.TrimSpace(name)), ""
			if quoted {
				subsection = unescape(strings.TrimSuffix(strings.TrimSpace(sub), `"`))
			}
		default:
			k, v, _ := strings.Cut(line, "=")
			out = append(out, entry{section, subsection, strings.ToLower(strings.TrimSpace(k)), value(v)})
		}
	}
	return out
}

// value takes comments and quotes off a value.
func value(raw string) string {
	var b strings.Builder
	quoted := false
	raw = strings.TrimSpace(raw)
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && i+1 < len(raw):
			i++
			switch raw[i] {
			case 'n':
				b.WriteByte('\n')
			case 't':
				b.WriteByte('\t')
			default:
				b.WriteByte(raw[i])
			}
		case !quoted && (c == '#' || c == ';'):
			return strings.TrimSpace(b.String())
		default:
			b.WriteByte(c)
		}
	}
	return strings.TrimSpace(b.String())
}

func unescape(s string) string { return strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(s) }
