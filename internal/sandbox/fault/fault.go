// Package fault lets the embedded servers fail on purpose, the way networks and services fail.
package fault

import (
	"io"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
)

// Kind is the way a request fails.
type Kind int

// The kinds of fault.
const (
	Answer      Kind = iota // answer with Status, Header and Body; the request has no effect
	CutApplied              // the request has its effect, then the connection breaks
	CutBefore               // the connection breaks before the request has an effect
	FailApplied             // the request has its effect, then Status and Body are answered
	Hang                    // no answer until the client gives up; the request has no effect
	HangApplied             // the request has its effect, and no answer comes
)

// Fault fails the next Times requests that match.
type Fault struct {
	Method string // "" matches every method
	Path   string // a pattern for path.Match, "*" stands for one segment; "" matches every path
	Kind   Kind
	Status int
	Header http.Header
	Body   string
	Times  int
	Skip   int // so many matching requests pass first
}

// Request is one request that a server saw; bodies are not kept, they can hold secrets.
type Request struct{ Method, Path string }

// Set holds the faults of one server and what it saw. The zero value has no faults.
type Set struct {
	mu     sync.Mutex
	faults []Fault
	seen   []Request
	onHang func()
}

// OnHang calls f when a request hangs.
func (s *Set) OnHang(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onHang = f
}

// Add makes the next f.Times matching requests fail.
func (s *Set) Add(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, f)
}

// Clear forgets the faults that have not happened.
func (s *Set) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Seen lists the requests so far.
func (s *Set) Seen() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

// Count counts the requests so far with this method whose path ends with suffix.
func (s *Set) Count(method, suffix string) (n int) {
	for _, r := range s.Seen() {
		if r.Method == method && strings.HasSuffix(r.Path, suffix) {
			n++
		}
	}
	return n
}

// Wrap lets the faults happen in front of h.
func (s *Set) Wrap(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f := s.next(r)
		switch {
		case f == nil:
			h.ServeHTTP(w, r)
			return
		case f.Kind == CutApplied || f.Kind == FailApplied || f.Kind == HangApplied:
			h.ServeHTTP(&discard{header: http.Header{}}, r)
		}
		if f.Kind == Hang || f.Kind == HangApplied {
			_, _ = io.Copy(io.Discard, r.Body) // or the server does not notice that the client has gone
			s.mu.Lock()
			hangs := s.onHang
			s.mu.Unlock()
			if hangs != nil {
				hangs()
			}
			<-r.Context().Done()
			return
		}
		if f.Kind == CutApplied || f.Kind == CutBefore {
			panic(http.ErrAbortHandler)
		}
		maps.Copy(w.Header(), f.Header)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(f.Status)
		_, _ = w.Write([]byte(f.Body))
	})
}

func (s *Set) next(r *http.Request) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, Request{r.Method, r.URL.EscapedPath()})
	for i := range s.faults {
		f := &s.faults[i]
		ok, _ := path.Match(f.Path, r.URL.Path)
		if f.Times > 0 && (ok || f.Path == "") && (f.Method == "" || f.Method == r.Method) {
			if f.Skip > 0 {
				f.Skip--
				continue
			}
			f.Times--
			hit := *f
			return &hit
		}
	}
	return nil
}

// discard swallows an answer that is never sent.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}
