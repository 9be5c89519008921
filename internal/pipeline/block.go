package pipeline

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/providers"
)

// A managed part of a file stands between these two lines. The sum is over what stands between them,
// without their indentation and with line ends as \n, so that a hand edit is noticed and a change of
// line ends is not.
const (
	beginFormat = "%s >>> astro-ci %s sha256=%s: managed, edits between these lines are replaced"
	endFormat   = "%s <<< astro-ci %s"
)

var (
	beginLine = pattern.New(`^( *)(?:#|//) >>> astro-ci setup=([a-z0-9][a-z0-9._-]{0,62})(?: part=([a-z.]+))? sha256=([0-9a-f]{16}): managed, edits between these lines are replaced$`)
	endLine   = pattern.New(`^( *)(?:#|//) <<< astro-ci setup=([a-z0-9][a-z0-9._-]{0,62})(?: part=([a-z.]+))?$`)
	// anyMarker also matches what is left of a marker that somebody damaged.
	anyMarker = pattern.New(`^\s*(?:#|//)\s*(>>>|<<<)\s*astro-ci\b`)
)

// Why a file is left alone.
var (
	errForeign = errors.New("another pipeline is there already")
	errOther   = errors.New("the file belongs to another setup")
	errMarkers = errors.New("the lines that mark the part of astro-ci are damaged or there twice")
	errEdited  = errors.New("the part of astro-ci was edited by hand")
)

// block is a managed part of a file. Offsets are in bytes, from the begin of the first marker's line;
// the end line's own line end lies outside.
type block struct {
	setup, part string // part is "" for the whole of what a setup has in the file
	sum         string // as the begin line says
	indent      string // of the marker lines
	start, end  int
	content     []byte // between the marker lines, without the indentation, line ends as \n
	crlf        bool
}

// Setups names the setups that have a part in a pipeline file, in the order of the file.
func Setups(raw []byte) (out []string) {
	blocks, err := findBlocks(raw)
	if err != nil {
		return nil
	}
	for _, b := range blocks {
		if !slices.Contains(out, b.setup) {
			out = append(out, b.setup)
		}
	}
	return out
}

// Part is what a pipeline file has of a setup; nil when it has nothing.
func Part(raw []byte, setup string) (out []byte) {
	blocks, err := findBlocks(raw)
	if err != nil {
		return nil
	}
	for _, b := range blocks {
		if b.setup == setup {
			out = append(out, b.content...)
		}
	}
	return out
}

// findBlocks returns errMarkers when raw holds any marker that is not one of a whole pair.
func findBlocks(raw []byte) (out []block, err error) {
	var b *block // the open one
	inner := 0
	for pos := 0; pos < len(raw); {
		next := len(raw)
		if i := bytes.IndexByte(raw[pos:], '\n'); i >= 0 {
			next = pos + i + 1
		}
		line := bytes.TrimSuffix(raw[pos:next], []byte("\n"))
		crlf := len(line) < next-pos && bytes.HasSuffix(line, []byte("\r"))
		if crlf {
			line = line[:len(line)-1]
		}
		start := pos
		if pos == 0 {
			bom := []byte("\ufeff")
			start += len(line) - len(bytes.TrimPrefix(line, bom))
			line = bytes.TrimPrefix(line, bom)
		}
		if m := beginLine.FindSubmatch(line); m != nil && b == nil {
			b = &block{indent: string(m[1]), setup: string(m[2]), part: string(m[3]), sum: string(m[4]), start: start, crlf: crlf}
			inner = next
		} else if m := endLine.FindSubmatch(line); m != nil && b != nil && string(m[1]) == b.indent && string(m[2]) == b.setup && string(m[3]) == b.part {
			b.content = outdent(lf(raw[inner:pos]), b.indent)
			b.end = start + len(line)
			if slices.ContainsFunc(out, func(x block) bool { return x.setup == b.setup && x.part == b.part }) {
				return nil, errMarkers
			}
			out, b = append(out, *b), nil
		} else if anyMarker.Match(line) {
			return nil, errMarkers
		}
		pos = next
	}
	if b != nil {
		return nil, errMarkers
	}
	return out, nil
}

// piece is a part of a rendered file: all of it, or the entries below one key.
type piece struct {
	part       string
	start, end int    // where it stands in the rendered file, whole lines
	indent     string // there
	content    []byte // without that indentation
}

// pieces cuts a rendered file into the parts that can stand beside those of others.
func pieces(file providers.File) ([]piece, error) {
	content := append(bytes.TrimRight(lf(file.Content), "\n"), '\n')
	if len(file.Beside) == 0 || slices.Equal(file.Beside, []string{"."}) {
		return []piece{{end: len(content), content: content}}, nil
	}
	var out []piece
	for _, part := range file.Beside {
		at, depth := 0, -1
		for key := range strings.SplitSeq(part, ".") {
			m := regexp.MustCompile(fmt.Sprintf(`(?m)^( {%d,})%s(?::| \{)\n`, depth+1, regexp.QuoteMeta(key))).FindSubmatchIndex(content[at:])
			if m == nil {
				return nil, fmt.Errorf("the rendered pipeline has no %s", part)
			}
			at, depth = at+m[1], m[3]-m[2]
		}
		p := piece{part: part, start: at, end: at}
		for line := range bytes.Lines(content[at:]) {
			text := bytes.TrimLeft(line, " ")
			if len(text) > 1 && len(line)-len(text) <= depth {
				break
			}
			if p.indent == "" {
				p.indent = string(line[:len(line)-len(text)])
			}
			p.end += len(line)
		}
		p.content = append(bytes.TrimRight(outdent(content[p.start:p.end], p.indent), "\n"), '\n')
		p.end = p.start + len(bytes.TrimRight(content[p.start:p.end], "\n")) + 1
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b piece) int { return cmp.Compare(a.start, b.start) })
	return out, nil
}

// marked is the piece between its marker lines, as it stands at an indentation, without the last line
// end.
func (p piece) marked(comment, setup, indent string) ([]byte, error) {
	name := "setup=" + setup
	if p.part != "" {
		name += " part=" + p.part
	}
	out := fmt.Appendf(nil, beginFormat+"\n%s"+endFormat, comment, name, sum(p.content), p.content, comment, name)
	out = bytes.TrimSuffix(dent(append(out, '\n'), indent), []byte("\n"))
	// What cannot be found again must not be written.
	if b, err := findBlocks(out); err != nil || len(b) != 1 || !bytes.Equal(b[0].content, p.content) {
		return nil, fmt.Errorf("setup %q: the rendered pipeline cannot be marked", setup)
	}
	return out, nil
}

// merge returns the file with the rendered one as the managed parts of setup.
func merge(before []byte, existed bool, file providers.File, setup string, replaceEdits bool) ([]byte, error) {
	comment := cmp.Or(file.Comment, "#")
	wanted, err := pieces(file)
	if err != nil {
		return nil, err
	}
	if !existed {
		return fresh(file, wanted, comment, setup)
	}
	blocks, err := findBlocks(before)
	if err != nil {
		return nil, err
	}
	ours := slices.DeleteFunc(slices.Clone(blocks), func(b block) bool { return b.setup != setup })
	if len(ours) == 0 && len(file.Beside) == 0 {
		if len(blocks) > 0 {
			return nil, fmt.Errorf("%w: %s", errOther, blocks[0].setup)
		}
		return nil, errForeign
	}
	out := bytes.Clone(before)
	var missing []piece
	for _, p := range wanted {
		if !slices.ContainsFunc(ours, func(b block) bool { return b.part == p.part }) {
			missing = append(missing, p)
		}
	}
	for _, b := range slices.Backward(ours) {
		i := slices.IndexFunc(wanted, func(p piece) bool { return p.part == b.part })
		if sum(b.content) != b.sum && (i < 0 || !bytes.Equal(b.content, wanted[i].content)) && !replaceEdits {
			return nil, errEdited
		}
		if i < 0 { // a part that is no longer wanted goes, with its line end
			end := b.end + len(out[b.end:]) - len(bytes.TrimPrefix(bytes.TrimPrefix(out[b.end:], []byte("\r")), []byte("\n")))
			out = slices.Delete(out, b.start, end)
			continue
		}
		text, err := wanted[i].marked(comment, setup, b.indent)
		if err != nil {
			return nil, err
		}
		if b.crlf {
			text = bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))
		}
		out = slices.Replace(out, b.start, b.end, text...)
	}
	for _, p := range missing {
		if out, err = join(out, p, comment, setup); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// fresh is the rendered file with its parts marked.
func fresh(file providers.File, wanted []piece, comment, setup string) ([]byte, error) {
	content := append(bytes.TrimRight(lf(file.Content), "\n"), '\n')
	for _, p := range slices.Backward(wanted) {
		text, err := p.marked(comment, setup, p.indent)
		if err != nil {
			return nil, err
		}
		content = slices.Replace(content, p.start, p.end, append(text, '\n')...)
	}
	return content, nil
}

// dent puts an indentation before every line that is not empty; outdent takes it away, and leaves a
// text alone that has less of it.
func dent(text []byte, indent string) []byte {
	var out []byte
	for line := range bytes.Lines(text) {
		if len(bytes.TrimRight(line, "\r\n")) > 0 {
			out = append(out, indent...)
		}
		out = append(out, line...)
	}
	return out
}

func outdent(text []byte, indent string) []byte {
	var out []byte
	for line := range bytes.Lines(text) {
		if !bytes.HasPrefix(line, []byte(indent)) && len(bytes.TrimRight(line, "\r\n")) > 0 {
			return text
		}
		out = append(out, bytes.TrimPrefix(line, []byte(indent))...)
	}
	return out
}

// sum is the first 16 hex digits of the content's SHA-256: enough to notice an edit, not a
// protection against one.
func sum(content []byte) string {
	h := sha256.Sum256(content)
	return hex.EncodeToString(h[:8])
}

func lf(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")) }
