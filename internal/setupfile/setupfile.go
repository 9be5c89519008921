// Package setupfile reads and writes astro-ci.yaml: the setups of a repository, each as the answers that
// make it. The file holds no secret and belongs into the repository.
//
// A person may write in it, so it is changed line by line: comments, order and blank lines stay as they
// are. What was written is read again, and refused when it says anything else than it should.
package setupfile

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Name is the path of the file, relative to the repository's root.
const Name = "astro-ci.yaml"

// Docs is where the file is explained.
const Docs = "astro-ci help astro-ci.yaml"

// The keys at the top of the file.
const (
	versionKey  = "version"
	defaultsKey = "defaults"
	setupsKey   = "setups"
)

// Answers are answers by the id of their question. An empty one says: not what the defaults say.
type Answers map[string]string

// File is what the file says.
type File struct {
	Defaults Answers // of every setup that does not say otherwise
	Setups   []Setup // in their order
}

// Setup is one entry.
type Setup struct {
	Name string
	Own  Answers // what the entry itself says
	Line int     // where it stands, from 1
	Err  error   // what is wrong with this entry alone
}

// Err is what is wrong with the entry of a setup.
func (f File) Err(name string) error {
	for _, s := range f.Setups {
		if s.Name == name && s.Err != nil {
			return s.Err
		}
	}
	return nil
}

// Answers are the answers of a setup, its name among them; false when the file does not have it.
func (f File) Answers(name string) (Answers, bool) {
	i := slices.IndexFunc(f.Setups, func(s Setup) bool { return s.Name == name })
	if i < 0 {
		return nil, false
	}
	out := Answers{}
	maps.Copy(out, f.Defaults)
	maps.Copy(out, f.Setups[i].Own)
	out["name"] = name
	maps.DeleteFunc(out, func(_, v string) bool { return v == "" })
	return out, true
}

// Names lists the setups in their order.
func (f File) Names() (out []string) {
	for _, s := range f.Setups {
		out = append(out, s.Name)
	}
	return out
}

// keys are the questions that a setup in the file answers, in their order. Secrets are not among them, nor
// what is asked once, nor the name, which is the key of the entry.
func keys(steps []flow.Step) (out []flow.Step) {
	for _, s := range steps {
		switch s.ID {
		case "name", "expires-in-days", "environment", "legacy-key":
			continue
		}
		if s.Kind != flow.Secret {
			out = append(out, s)
		}
	}
	return out
}

// Parse reads the file. The steps are the questions that there are. The error joins everything that is
// wrong, each with its line.
func Parse(raw []byte, steps []flow.Step) (File, error) { return ParseAs(Name, raw, steps) }

// ParseAs is Parse of a file that is called otherwise.
func ParseAs(called string, raw []byte, steps []flow.Step) (File, error) {
	f, _, err := readAs(called, raw, keys(steps))
	return f, err
}

// Apart is Parse for who can do without a faulty entry: the error is what is wrong with the file beside its
// entries.
func Apart(raw []byte, steps []flow.Step) (File, error) {
	r := &reader{called: Name, keys: keys(steps)}
	f, _, err := r.read(raw)
	return f, cmp.Or(err, r.wrong(func(of int) bool { return of == 0 }))
}

// spot is where an entry, and each of its keys, stands: lines from 1, the last one included.
type spot struct {
	first, last, column int
	keys                map[string]spot
}

// layout is where things stand in the file.
type layout struct {
	setups  spot // the key "setups"; zero when it is missing
	empty   bool // it has no entries
	entries map[string]spot
}

// lineOf is how the parser says where something stands.
var lineOf = pattern.New(`\[(\d+):\d+\]`)

type reader struct {
	called string
	keys   []flow.Step
	entry  int // the line of the setup that is read; 0 beside them
	faults []fault
}

// fault is one thing that is wrong.
type fault struct {
	entry int
	err   error
}

func (r *reader) fault(line int, format string, args ...any) {
	r.faults = append(r.faults, fault{r.entry, fmt.Errorf("line %d: %s", line, display.Clean(fmt.Sprintf(format, args...)))})
}

// wrong joins the faults of the entries that are meant; nil for none.
func (r *reader) wrong(meant func(entry int) bool) error {
	var all []error
	for _, f := range r.faults {
		if meant(f.entry) {
			all = append(all, f.err)
		}
	}
	return hint.Wrap(errors.Join(all...), "read "+r.called, "Correct what is named above. astro-ci schema prints what can stand there.", Docs)
}

func read(raw []byte, keys []flow.Step) (f File, at layout, err error) {
	return readAs(Name, raw, keys)
}

func readAs(called string, raw []byte, keys []flow.Step) (f File, at layout, err error) {
	r := &reader{called: called, keys: keys}
	f, at, err = r.read(raw)
	return f, at, cmp.Or(err, r.wrong(func(int) bool { return true }))
}

// read reads what can be read, and keeps the faults. The error is why there is nothing to read.
func (r *reader) read(raw []byte) (f File, at layout, err error) {
	at.entries = map[string]spot{}
	if len(raw) > 1<<22 {
		return f, at, hint.New("the file "+r.called+" is larger than 4 MB", "Split it.", Docs)
	}
	tree, err := parser.ParseBytes(bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n")), 0)
	if err == nil && len(tree.Docs) > 1 {
		err = errors.New("it holds several documents")
	}
	if err != nil {
		return f, at, hint.Wrap(errors.New(lineOf.ReplaceAllString(strings.Replace(display.Clean(strings.SplitN(err.Error(), "\n", 2)[0]).String(), "] ", "]: ", 1), "line $1")), "read "+r.called, "Correct the YAML.", Docs)
	}
	var body ast.Node
	if len(tree.Docs) == 1 {
		body = tree.Docs[0].Body
	}
	for _, e := range r.mapping(body, "the file") {
		switch key, line := name(e), line(e); key {
		case versionKey:
			if v, ok := scalar(e.Value); !ok || v != "1" {
				r.fault(line, "this version of astro-ci knows version 1 of the file")
			}
		case defaultsKey:
			f.Defaults, _ = r.answers(e, "defaults")
		case setupsKey:
			at.setups = where(e)
			for _, s := range r.mapping(e.Value, setupsKey) {
				f.Setups = append(f.Setups, r.setup(s, &at))
			}
			at.empty = len(f.Setups) == 0
		default:
			r.fault(line, "%q is no key of the file; there are version, defaults and setups", key)
		}
	}
	for _, s := range f.Setups {
		a, _ := f.Answers(s.Name)
		if to, ok := at.entries[setup.RenewalName(s.Name)]; ok && setup.Cadence(a["self-rotate"]).Rotates() {
			r.entry = to.first
			r.fault(to.first, "the setup %q has the name of the one that renews %q; give it another one", setup.RenewalName(s.Name), s.Name)
		}
	}
	for i, s := range f.Setups {
		f.Setups[i].Err = r.wrong(func(entry int) bool { return entry == s.Line })
	}
	return f, at, nil
}

func (r *reader) setup(e *ast.MappingValueNode, at *layout) Setup {
	s := Setup{Name: name(e), Line: line(e)}
	r.entry = s.Line
	defer func() { r.entry = 0 }()
	if err := setup.CheckName(s.Name); err != nil {
		r.fault(s.Line, "the name of a setup, %q: %v", s.Name, err)
	}
	if _, twice := at.entries[s.Name]; twice {
		r.fault(s.Line, "the setup %q is there twice", s.Name)
	}
	p := where(e)
	s.Own, p.keys = r.answers(e, s.Name)
	at.entries[s.Name] = p
	return s
}

// answers reads the keys below a setup or the defaults.
func (r *reader) answers(e *ast.MappingValueNode, of string) (Answers, map[string]spot) {
	out, at := Answers{}, map[string]spot{}
	for _, a := range r.mapping(e.Value, of) {
		key, line := name(a), line(a)
		i := slices.IndexFunc(r.keys, func(s flow.Step) bool { return s.ID == key })
		v, ok := scalar(a.Value)
		_, twice := out[key]
		switch {
		case i < 0:
			r.fault(line, "%q is no key of a setup", key)
			continue
		case twice:
			r.fault(line, "%s is there twice", key)
		case !ok:
			r.fault(line, "%s takes a text, a number, or a list of texts", key)
		case v != "" && r.keys[i].Kind == flow.Input && r.keys[i].Check != nil && r.keys[i].Check(v) != nil:
			err := r.keys[i].Check(v)
			text := err.Error()
			if next := hint.Of(err).Next; next != "" {
				text += ". " + strings.TrimSuffix(next, ".")
			}
			r.fault(line, "%s %q: %s", key, v, text)
		}
		out[key], at[key] = v, where(a)
	}
	return out, at
}

// mapping are the entries of a mapping; nothing is an empty one.
func (r *reader) mapping(n ast.Node, what string) []*ast.MappingValueNode {
	switch n := n.(type) {
	case nil, *ast.NullNode:
		return nil
	case *ast.MappingNode:
		return n.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}
	}
	r.fault(n.GetToken().Position.Line, "%s has to be a list of keys and values", what)
	return nil
}

func name(e *ast.MappingValueNode) string { return e.Key.GetToken().Value }

func line(e *ast.MappingValueNode) int { return e.Key.GetToken().Position.Line }

// scalar is the text of a value; the items of a list have commas between them.
func scalar(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.NullNode:
		return "", true
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		v := n.GetToken().Value
		return v, !strings.ContainsAny(v, "\n\r")
	case *ast.SequenceNode:
		var items []string
		for _, item := range n.Values {
			v, ok := scalar(item)
			if _, list := item.(*ast.SequenceNode); !ok || list || v == "" || strings.Contains(v, ",") {
				return "", false
			}
			items = append(items, v)
		}
		return strings.Join(items, ","), true
	}
	return "", false
}

// where is the span of lines of an entry.
func where(e *ast.MappingValueNode) spot {
	at := e.Key.GetToken().Position
	w := &lines{last: at.Line}
	ast.Walk(w, e)
	return spot{first: at.Line, last: w.last, column: at.Column}
}

// lines finds the last line of what it visits.
type lines struct{ last int }

func (w *lines) Visit(n ast.Node) ast.Visitor {
	for t := n.GetToken(); t != nil && t.Position != nil; t = nil {
		w.last = max(w.last, t.Position.Line)
	}
	if s, ok := n.(*ast.SequenceNode); ok && s.End != nil {
		w.last = max(w.last, s.End.Position.Line)
	}
	if m, ok := n.(*ast.MappingNode); ok && m.End != nil {
		w.last = max(w.last, m.End.Position.Line)
	}
	return w
}
