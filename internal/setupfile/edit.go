package setupfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pattern"
)

const header = `# The setups of this repository: which tokens of Astro its pipelines use, and where they are kept.
# There is no secret in this file; commit it. What it says is brought about by: astro-ci apply
version: 1
`

// shared are the keys that a new file has as defaults: what the setups of a repository have in common.
var shared = []string{"organization", "platform", "repo"}

// Set returns the file with the answers of a setup; raw may be empty. remarks stand beside answers, by the
// same ids: the name of what an id means. An answer that the file has already is not touched, and neither
// are comments and other setups.
func Set(raw []byte, name string, answers Answers, remarks map[string]display.Text, steps []flow.Step) ([]byte, error) {
	ks := keys(steps)
	want := Answers{}
	for _, k := range ks {
		if v := answers[k.ID]; v != "" {
			want[k.ID] = v
		}
	}
	return edit(raw, ks, func(e *editor, f File) error {
		e.remarks = remarks
		at, ok := e.at.entries[name]
		if !ok {
			e.add(name, want, f)
			return nil
		}
		if at.first == at.last && len(at.keys) > 0 {
			return errors.New("the setup " + name + " is written on one line")
		}
		e.change(at, want, f, slices.IndexFunc(f.Setups, func(s Setup) bool { return s.Name == name }))
		return nil
	}, func(f File) bool {
		got, ok := f.Answers(name)
		delete(got, "name")
		return ok && maps.Equal(got, want)
	}, name)
}

// Remove returns the file without a setup, or nil when nothing else is left than what Set begins a file with:
// no other setup, no comment and no default of a person. answers and remarks are those that Set was given. A
// setup that is not there is no error.
func Remove(raw []byte, name string, answers Answers, remarks map[string]display.Text, steps []flow.Step) ([]byte, error) {
	out, err := without(raw, name, steps)
	if err != nil || bytes.Equal(out, raw) {
		return out, err
	}
	fresh, err := Set(nil, name, answers, remarks, steps)
	if err == nil {
		fresh, err = without(fresh, name, steps)
	}
	if err == nil && bytes.Equal(fresh, bytes.ReplaceAll(out, []byte("\r\n"), []byte("\n"))) {
		return nil, nil
	}
	return out, nil // whatever it is, it stays
}

// without takes an entry out.
func without(raw []byte, name string, steps []flow.Step) ([]byte, error) {
	return edit(raw, keys(steps), func(e *editor, f File) error {
		at, ok := e.at.entries[name]
		if !ok {
			return nil
		}
		if at.first == e.at.setups.first {
			return errors.New("the setups are written on one line")
		}
		from := at.first - 1
		if strings.TrimSpace(e.lines[from-1]) == "" { // it set the entry apart
			from--
		}
		e.lines = slices.Delete(e.lines, from, at.last)
		if len(f.Setups) == 1 {
			e.lines[e.at.setups.first-1] = setupsKey + ": {}"
		}
		return nil
	}, func(f File) bool { return !slices.Contains(f.Names(), name) }, name)
}

// editor changes lines. Every change is made once, on what was read.
type editor struct {
	lines   []string
	at      layout
	keys    []flow.Step
	remarks map[string]display.Text
}

// edit reads raw, lets do change its lines, and reads the result again: it has to be right, and everything
// but the setup called name has to be as before.
func edit(raw []byte, ks []flow.Step, do func(*editor, File) error, right func(File) bool, name string) ([]byte, error) {
	f, at, err := read(raw, ks)
	if err != nil {
		return nil, err
	}
	end := "\n"
	if bytes.Contains(raw, []byte("\r\n")) {
		end = "\r\n"
	}
	e := &editor{at: at, keys: ks}
	if text := strings.ReplaceAll(string(raw), "\r\n", "\n"); text != "" {
		e.lines = strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	}
	err = do(e, f)
	out := []byte(strings.Join(e.lines, end) + end)
	if err == nil && !slices.Equal(e.lines, strings.Split(strings.TrimSuffix(strings.ReplaceAll(string(raw), "\r\n", "\n"), "\n"), "\n")) {
		var after File
		if after, _, err = read(out, ks); err == nil && (!right(after) || !others(f, after, name)) {
			err = errors.New("it is written in a way that cannot be changed from here")
		}
	} else if err == nil {
		out = raw
	}
	if err != nil {
		return nil, hint.Wrap(err, "change "+Name, "Change it by hand, or write its entries one key a line.", Docs)
	}
	return out, nil
}

// others reports whether all setups but one say what they said.
func others(before, after File, name string) bool {
	for _, f := range []File{before, after} {
		for _, n := range f.Names() {
			a, _ := before.Answers(n)
			b, _ := after.Answers(n)
			if n != name && !maps.Equal(a, b) {
				return false
			}
		}
	}
	return true
}

// add writes a new entry at the end of the setups, in a new file with its defaults.
func (e *editor) add(name string, want Answers, f File) {
	defaults := f.Defaults
	if len(e.lines) == 0 {
		e.lines = strings.Split(header, "\n")
		defaults = Answers{}
		e.lines = append(e.lines, defaultsKey+":")
		for _, k := range shared {
			if want[k] != "" {
				defaults[k] = want[k]
				e.lines = append(e.lines, e.pair("  ", k, want[k])...)
			}
		}
		e.lines = append(e.lines, "", setupsKey+":")
		e.at.setups = spot{first: len(e.lines), last: len(e.lines)}
	}
	if e.at.setups.first == 0 {
		e.lines = append(e.lines, "", setupsKey+":")
		e.at.setups = spot{first: len(e.lines), last: len(e.lines)}
	}
	if e.at.empty {
		e.lines[e.at.setups.first-1] = setupsKey + ":"
	}
	indent := "  "
	if len(f.Setups) > 0 {
		indent = strings.Repeat(" ", e.at.entries[f.Setups[0].Name].column-1)
	}
	var block []string
	if len(f.Setups) > 0 {
		block = append(block, "")
	}
	block = append(block, indent+name+":")
	for _, k := range e.keys {
		switch v, def := want[k.ID], defaults[k.ID]; {
		case v != def && v == "":
			block = append(block, indent+"  "+k.ID+`: ""`)
		case v != def:
			block = append(block, e.pair(indent+"  ", k.ID, v)...)
		}
	}
	e.lines = slices.Insert(e.lines, e.at.setups.last, block...)
}

// change brings an entry to what is wanted, from its last line to its first, so that lines keep their
// numbers until they are used.
func (e *editor) change(at spot, want Answers, f File, i int) {
	own := f.Setups[i].Own
	indent := strings.Repeat(" ", at.column+1)
	for _, k := range at.keys {
		indent = strings.Repeat(" ", k.column-1)
	}
	var block []string
	for _, k := range e.keys {
		_, has := own[k.ID]
		switch v, def := want[k.ID], f.Defaults[k.ID]; {
		case has || v == def:
		case v == "":
			block = append(block, indent+k.ID+`: ""`)
		default:
			block = append(block, e.pair(indent, k.ID, v)...)
		}
	}
	e.lines = slices.Insert(e.lines, at.last, block...)
	there := slices.SortedFunc(maps.Keys(at.keys), func(a, b string) int { return at.keys[b].first - at.keys[a].first })
	for _, key := range there {
		s := at.keys[key]
		switch v := want[key]; {
		case v == own[key]:
			continue
		case v == "" && f.Defaults[key] == "":
			e.lines = slices.Delete(e.lines, s.first-1, s.last)
		case v == "":
			e.lines = slices.Replace(e.lines, s.first-1, s.last, indent+key+`: ""`)
		default:
			pair := e.pair(indent, key, v)
			if note := comment.FindString(e.lines[s.first-1]); e.remarks[key].IsZero() && s.first == s.last && len(pair) == 1 {
				pair[0] += note
			}
			e.lines = slices.Replace(e.lines, s.first-1, s.last, pair...)
		}
	}
}

// comment is one at the end of a line, with what stands before it; a # in quotes is taken for none.
var comment = pattern.New(`[ \t]+#[^"']*$`)

// pair is an answer in lines.
func (e *editor) pair(indent, key, value string) []string {
	if key == "also" {
		out := []string{indent + key + ":"}
		for item := range strings.SplitSeq(value, ",") {
			out = append(out, indent+"  - "+quoted(strings.TrimSpace(item)))
		}
		return out
	}
	l := indent + key + ": " + quoted(value)
	if r := e.remarks[key]; !r.IsZero() && r.String() != value {
		l += " # " + r.String()
	}
	return []string{l}
}

var plain = pattern.New(`^[A-Za-z0-9_./][A-Za-z0-9_./:#@=+-]*[A-Za-z0-9_./#@=+-]$`)

// words are what YAML takes for something else than a text.
var words = pattern.New(`(?i)^(y|n|yes|no|on|off|true|false|null|~|\.inf|\.nan|[0-9._:xob+-]+(e[0-9+-]+)?)$`)

// quoted is a text as a YAML scalar.
func quoted(s string) string {
	if plain.MatchString(s) && !words.MatchString(s) {
		return s
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always can be
	return strings.TrimSuffix(b.String(), "\n")
}
