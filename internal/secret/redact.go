package secret

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/url"
	"slices"
	"sync"
)

// minPattern keeps short fragments, which would match by chance, out of the filter.
const minPattern = 8

// Redactor is the second line of defence: it knows all live secrets and replaces them, in their
// common encodings, in everything that is written through one of its writers.
// It is safe for concurrent use.
type Redactor struct {
	mu       sync.RWMutex
	patterns [][]byte // longest first
}

// Add makes the redactor know v.
func (r *Redactor) Add(v *Value) {
	_ = v.Use(func(b []byte) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, p := range encodings(b) {
			if len(p) >= minPattern && !slices.ContainsFunc(r.patterns, func(q []byte) bool { return bytes.Equal(p, q) }) {
				r.patterns = append(r.patterns, p)
			}
		}
		slices.SortFunc(r.patterns, func(a, b []byte) int { return len(b) - len(a) })
		return nil
	})
}

// encodings returns b raw, base64 at its three offsets, hex, URL-escaped and JSON-escaped.
func encodings(b []byte) [][]byte {
	out := [][]byte{
		bytes.Clone(b),
		[]byte(hex.EncodeToString(b)),
		[]byte(url.QueryEscape(string(b))),
	}
	if js, err := json.Marshal(string(b)); err == nil {
		out = append(out, js[1:len(js)-1])
	}
	for off := range 3 {
		// The first and last characters of a group depend on the neighbours: keep the middle.
		if off < len(b) {
			mid := b[off : off+(len(b)-off)/3*3]
			for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
				out = append(out, []byte(enc.EncodeToString(mid)))
			}
		}
	}
	return out
}

// Clean returns b with every known secret replaced.
func (r *Redactor) Clean(b []byte) []byte {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, p := range r.patterns {
		b = bytes.ReplaceAll(b, p, []byte(hidden))
	}
	return b
}

// Writer returns a writer that cleans what passes to w. A secret that is split over several
// writes is caught too: an end that may be the start of one is held back until the next write.
// Close writes what is still held back; it does not close w.
func (r *Redactor) Writer(w io.Writer) io.WriteCloser { return &writer{r: r, w: w} }

type writer struct {
	mu   sync.Mutex
	r    *Redactor
	w    io.Writer
	held []byte
}

func (w *writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := w.r.Clean(append(w.held, p...))
	keep := w.r.prefixAtEnd(b)
	w.held = bytes.Clone(b[len(b)-keep:])
	if _, err := w.w.Write(b[:len(b)-keep]); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (w *writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, err := w.w.Write(w.held)
	w.held = nil
	return err
}

// prefixAtEnd is the length of the longest end of b with which a known secret begins.
func (r *Redactor) prefixAtEnd(b []byte) (longest int) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, p := range r.patterns {
		for n := min(len(p)-1, len(b)); n > longest; n-- {
			if bytes.HasSuffix(b, p[:n]) {
				longest = n
				break
			}
		}
	}
	return longest
}
