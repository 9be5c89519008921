package pipeline

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// joinError says why a part cannot be put into a file that is there.
type joinError struct {
	why   string
	taken bool // the place is somebody else's
}

func (e *joinError) Error() string { return e.why }

func cannot(format string, args ...any) error { return &joinError{why: fmt.Sprintf(format, args...)} }

// spot is where a part goes.
type spot struct {
	at     int      // offset, at the begin of a line or at the end of the file
	indent string   // of the part
	keys   []string // that have to be written above it, each deeper than the one before
}

// join adds a part to a file that others wrote: after the same part of another setup, or else at the
// end of the mapping or list that it belongs to. Nothing in the file moves; what it said before it
// says afterwards, or the part is refused.
func join(before []byte, p piece, comment, setup string) ([]byte, error) {
	blocks, err := findBlocks(before)
	if err != nil {
		return nil, err
	}
	var s spot
	var beside *block
	for i := range blocks {
		if blocks[i].part == p.part {
			beside = &blocks[i]
		}
	}
	isYAML := comment == "#"
	switch {
	case beside != nil:
		s = spot{at: lineEnd(before, beside.end), indent: beside.indent}
	case !isYAML:
		return nil, errForeign
	default:
		if s, err = find(before, p); err != nil {
			return nil, err
		}
	}
	var text []byte
	for i, key := range s.keys {
		text = append(text, s.indent[:len(s.indent)-2*(len(s.keys)-i)]+key+":\n"...)
	}
	marked, err := p.marked(comment, setup, s.indent)
	if err != nil {
		return nil, err
	}
	text = append(append(text, marked...), '\n')
	if s.at > 0 && s.indent == "" || beside != nil {
		text = append([]byte("\n"), text...) // set apart by an empty line
	}
	if s.at > 0 && before[s.at-1] != '\n' {
		text = append([]byte("\n"), text...)
	}
	if bytes.Contains(before, []byte("\r\n")) {
		text = bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))
	}
	after := append(append(bytes.Clone(before[:s.at]), text...), before[s.at:]...)
	if isYAML {
		err = unchanged(before, after, p)
	}
	return after, err
}

// lineEnd is the offset after the line that holds at.
func lineEnd(raw []byte, at int) int {
	if i := bytes.IndexByte(raw[at:], '\n'); i >= 0 {
		return at + i + 1
	}
	return len(raw)
}

// path is the keys that lead to the part.
func (p piece) path() []string {
	if p.part == "" {
		return nil
	}
	return strings.Split(p.part, ".")
}

// find looks for the end of the mapping or list that a part belongs to, by the rules of YAML's block
// style: it goes on for as long as the lines stand deeper than its key.
func find(raw []byte, p piece) (spot, error) {
	file, err := parser.ParseBytes(lf(raw), 0) // it counts lines wrongly with CRLF
	if err != nil {
		return spot{}, cannot("it is not YAML")
	}
	keys := p.path()
	if len(keys) == 0 {
		return spot{at: len(raw)}, nil
	}
	var body ast.Node
	for _, d := range file.Docs {
		if d.Body == nil {
			continue
		}
		if body != nil {
			return spot{}, cannot("it holds more than one document")
		}
		body = d.Body
	}
	out := spot{at: len(raw)}
	for i, key := range keys {
		entries, block := mapping(body)
		if !block {
			return spot{}, cannot("its %s is not written as a mapping of one line for each entry", strings.Join(append([]string{"root"}, keys[:i]...), "."))
		}
		var found *ast.MappingValueNode
		for _, e := range entries {
			if e.Key.GetToken().Value == key {
				found = e
			}
		}
		if found == nil {
			out.keys = keys[i:]
			out.indent += strings.Repeat("  ", len(out.keys))
			return out, nil
		}
		token := found.Key.GetToken()
		begin := 0
		for range token.Position.Line - 1 {
			begin = lineEnd(raw, begin)
		}
		column := len(raw[begin:]) - len(bytes.TrimLeft(bytes.TrimPrefix(raw[begin:], []byte("\ufeff")), " "))
		out.at, out.indent = below(raw, lineEnd(raw, begin), column)
		body = found.Value
		if _, null := body.(*ast.NullNode); null && i == len(keys)-1 {
			return out, nil
		}
	}
	if _, block := mapping(body); block {
		return out, nil
	}
	if list, ok := body.(*ast.SequenceNode); ok && !list.IsFlowStyle {
		return out, nil
	}
	return spot{}, cannot("its %s is not written as one line for each entry", p.part)
}

// mapping are the entries of a mapping in block style; an empty document is one without entries.
func mapping(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := n.(type) {
	case nil, *ast.NullNode:
		return nil, true
	case *ast.MappingNode:
		return n.Values, !n.IsFlowStyle
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

// below is the end of what stands below a key in the given column, and its indentation.
func below(raw []byte, at, column int) (end int, indent string) {
	end, indent = at, strings.Repeat(" ", column+2)
	first := true
	for pos := at; pos < len(raw); {
		next := lineEnd(raw, pos)
		line := bytes.TrimRight(raw[pos:next], "\r\n")
		text := bytes.TrimLeft(line, " ")
		depth := len(line) - len(text)
		item := depth == column && (bytes.HasPrefix(text, []byte("- ")) || bytes.Equal(text, []byte("-"))) && (first || depth == len(indent))
		switch {
		case len(text) == 0:
		case depth <= column && !item:
			return end, indent
		case text[0] == '#' && first:
			end = next
		default:
			if first {
				indent, first = string(line[:depth]), false
			}
			end = next
		}
		pos = next
	}
	return end, indent
}

// unchanged reports what a file would say otherwise than before, were the part added.
func unchanged(before, after []byte, p piece) error {
	was, err := documents(before)
	if err != nil {
		return cannot("it is not YAML")
	}
	part, err := documents(p.content)
	own := bytes.HasPrefix(p.content, []byte("---\n")) // documents of its own
	if err != nil || len(part) == 0 || len(part) > 1 && !own {
		return fmt.Errorf("the rendered pipeline is not YAML: %w", err)
	}
	if twice := shared(at(last(was), p.path()), part[0]); twice != "" && !own {
		return &joinError{"it has " + strings.Trim(p.part+"."+twice, ".") + " already", true}
	}
	is, err := documents(after)
	if err != nil {
		return cannot("the pipeline does not fit into it")
	}
	if own {
		if n := len(is) - len(part); n < 0 || !slices.EqualFunc(is[:n], was, reflect.DeepEqual) || !slices.EqualFunc(is[n:], part, reflect.DeepEqual) {
			return cannot("the pipeline does not fit into it")
		}
		return nil
	}
	rest, ok := without(last(is), p.path(), part[0])
	if !ok || len(is) != max(1, len(was)) || !reflect.DeepEqual(rest, pruned(last(was), p.path())) || len(was) > 1 && !reflect.DeepEqual(is[:len(is)-1], was[:len(was)-1]) {
		return cannot("the pipeline does not fit into it")
	}
	return nil
}

// documents reads every document that is not empty; line ends mean nothing here.
func documents(raw []byte) (out []any, err error) {
	d := yaml.NewDecoder(bytes.NewReader(lf(raw)), yaml.UseOrderedMap())
	for {
		var doc any
		switch err := d.Decode(&doc); {
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return nil, err
		case doc != nil:
			out = append(out, doc)
		}
	}
}

func last(docs []any) any {
	if len(docs) == 0 {
		return nil
	}
	return docs[len(docs)-1]
}

// at is the value below the keys, nil when there is none.
func at(doc any, keys []string) any {
	for _, key := range keys {
		m, _ := doc.(yaml.MapSlice)
		doc = nil
		for _, e := range m {
			if e.Key == key {
				doc = e.Value
			}
		}
	}
	return doc
}

// shared is the first key that two mappings both have.
func shared(a, b any) string {
	x, _ := a.(yaml.MapSlice)
	y, _ := b.(yaml.MapSlice)
	for _, e := range x {
		for _, f := range y {
			if e.Key == f.Key {
				return fmt.Sprint(e.Key)
			}
		}
	}
	return ""
}

// without takes the entries of part out of the value below the keys, and what is empty then.
func without(doc any, keys []string, part any) (any, bool) {
	if len(keys) > 0 {
		m, _ := doc.(yaml.MapSlice)
		for i, e := range m {
			if e.Key != keys[0] {
				continue
			}
			inner, ok := without(e.Value, keys[1:], part)
			return pruned(set(m, i, inner), keys), ok
		}
		return nil, false
	}
	switch part := part.(type) {
	case yaml.MapSlice:
		m, _ := doc.(yaml.MapSlice)
		var rest yaml.MapSlice
		gone := 0
		for _, e := range m {
			if twin := at(part, []string{fmt.Sprint(e.Key)}); twin != nil && reflect.DeepEqual(twin, e.Value) {
				gone++
				continue
			}
			rest = append(rest, e)
		}
		if len(rest) == 0 {
			return nil, gone == len(part)
		}
		return rest, gone == len(part)
	case []any:
		l, _ := doc.([]any)
		n := len(part)
		if len(l) < n {
			return nil, false
		}
		for i := 0; i+n <= len(l); i++ { // it stands at the end, or after the part of another setup
			if reflect.DeepEqual(l[i:i+n], part) {
				rest := append(append([]any{}, l[:i]...), l[i+n:]...)
				if len(rest) == 0 {
					return nil, true
				}
				return rest, true
			}
		}
	}
	return nil, false
}

func set(m yaml.MapSlice, i int, v any) yaml.MapSlice {
	out := append(yaml.MapSlice{}, m...)
	out[i].Value = v
	return out
}

// pruned is the document without the keys that lead to nothing.
func pruned(doc any, keys []string) any {
	m, ok := doc.(yaml.MapSlice)
	if !ok || len(keys) == 0 {
		return doc
	}
	var out yaml.MapSlice
	for _, e := range m {
		if e.Key == keys[0] {
			if e.Value = pruned(e.Value, keys[1:]); e.Value == nil {
				continue
			}
		}
		out = append(out, e)
	}
	if len(out) == 0 {
		return nil
	}
	return out
}
