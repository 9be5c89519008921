package pipeline

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
)

// The managed part of a file stands between these two lines. The sum is over what stands between
// them, with line ends as \n, so that a hand edit is noticed and a change of line ends is not.
const (
	beginFormat = "%s >>> astro-ci setup=%s sha256=%s: managed, edits between these lines are replaced"
	endFormat   = "%s <<< astro-ci setup=%s"
)

var (
	beginLine = regexp.MustCompile(`^(?:#|//) >>> astro-ci setup=([a-z0-9][a-z0-9._-]{0,62}) sha256=([0-9a-f]{16}): managed, edits between these lines are replaced$`)
	endLine   = regexp.MustCompile(`^(?:#|//) <<< astro-ci setup=([a-z0-9][a-z0-9._-]{0,62})$`)
	// anyMarker also matches what is left of a marker that somebody damaged or indented.
	anyMarker = regexp.MustCompile(`^\s*(?:#|//)\s*(>>>|<<<)\s*astro-ci\b`)
)

// Why a file is left alone.
var (
	errForeign = errors.New("another pipeline is there already")
	errOther   = errors.New("the file belongs to another setup")
	errMarkers = errors.New("the lines that mark the part of astro-ci are damaged or there twice")
	errEdited  = errors.New("the part of astro-ci was edited by hand")
)

// block is the managed part of a file. Offsets are in bytes; the end line's own line end lies
// outside.
type block struct {
	setup      string
	sum        string // as the begin line says
	start, end int
	content    []byte // between the marker lines, line ends as \n
	crlf       bool
}

// findBlock returns nil when raw holds no marker at all, and errMarkers when it holds anything but
// one whole pair.
func findBlock(raw []byte) (*block, error) {
	var b *block
	closed := false
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
			b = &block{setup: string(m[1]), sum: string(m[2]), start: start, crlf: crlf}
			inner = next
		} else if m := endLine.FindSubmatch(line); m != nil && b != nil && !closed && string(m[1]) == b.setup {
			b.content = lf(raw[inner:pos])
			b.end = start + len(line)
			closed = true
		} else if anyMarker.Match(line) {
			return nil, errMarkers
		}
		pos = next
	}
	if b != nil && !closed {
		return nil, errMarkers
	}
	return b, nil
}

// merge returns the file with content as the managed part of setup. comment starts a comment line.
func merge(before []byte, existed bool, content []byte, comment, setup string, replaceEdits bool) ([]byte, error) {
	content = append(bytes.TrimRight(lf(content), "\n"), '\n')
	fresh := fmt.Appendf(nil, beginFormat+"\n%s"+endFormat, comment, setup, sum(content), content, comment, setup)
	// What cannot be found again must not be written.
	if b, err := findBlock(fresh); err != nil || b == nil || !bytes.Equal(b.content, content) {
		return nil, fmt.Errorf("setup %q: the rendered pipeline cannot be marked", setup)
	}
	if !existed {
		return append(fresh, '\n'), nil
	}
	b, err := findBlock(before)
	switch {
	case err != nil:
		return nil, err
	case b == nil:
		return nil, errForeign
	case b.setup != setup:
		return nil, fmt.Errorf("%w: %s", errOther, b.setup)
	case sum(b.content) != b.sum && !bytes.Equal(b.content, content) && !replaceEdits:
		return nil, errEdited
	}
	if b.crlf {
		fresh = bytes.ReplaceAll(fresh, []byte("\n"), []byte("\r\n"))
	}
	return bytes.Join([][]byte{before[:b.start], fresh, before[b.end:]}, nil), nil
}

// attach returns a person's file with the managed part of setup at its end.
func attach(before, content []byte, comment, setup string) ([]byte, error) {
	fresh, err := merge(nil, false, content, comment, setup, false)
	if err != nil {
		return nil, err
	}
	end := []byte("\n")
	if bytes.Contains(before, []byte("\r\n")) {
		end = []byte("\r\n")
		fresh = bytes.ReplaceAll(fresh, []byte("\n"), end)
	}
	out := bytes.Clone(before)
	if len(out) > 0 && !bytes.HasSuffix(out, []byte("\n")) {
		out = append(out, end...)
	}
	if len(bytes.TrimSpace(out)) > 0 {
		out = append(out, end...)
	}
	return append(out, fresh...), nil
}

// sum is the first 16 hex digits of the content's SHA-256: enough to notice an edit, not a
// protection against one.
func sum(content []byte) string {
	h := sha256.Sum256(content)
	return hex.EncodeToString(h[:8])
}

func lf(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")) }
