// Package embedded is what the embedded servers have in common: a log-in, a state that is kept, faults
// on demand, and one request at a time.
package embedded

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/astro-ci/astro-ci/internal/sandbox/fault"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// maxBody is more than any request of ours needs.
const maxBody = 1 << 20

// Options make a server.
type Options struct {
	Now   func() time.Time // nil: the real time
	State []byte           // what State returned before; nil starts with the default data
}

// Server is the part of an embedded server that is the same everywhere.
type Server struct {
	Faults fault.Set
	Now    func() time.Time

	mu       sync.Mutex
	token    *secret.Value
	sum      [32]byte
	denied   bool
	state    any
	onChange func()
}

// Init makes the server ready: a log-in that begins with prefix, and the state, into which what was
// kept is read; fresh fills a new one.
func (s *Server) Init(o Options, prefix string, state any, fresh func()) error {
	s.Now, s.state, s.onChange = o.Now, state, func() {}
	if s.Now == nil {
		s.Now = time.Now
	}
	token := prefix + rand.Text()
	s.token, s.sum = secret.New([]byte(token)), sha256.Sum256([]byte(token))
	if o.State != nil {
		return json.Unmarshal(o.State, state)
	}
	fresh()
	return nil
}

// Token is a log-in that the server accepts.
func (s *Server) Token() *secret.Value { return s.token }

// Accepts reports whether the credential is the server's log-in.
func (s *Server) Accepts(credential string) bool {
	sum := sha256.Sum256([]byte(credential))
	return subtle.ConstantTimeCompare(sum[:], s.sum[:]) == 1
}

// OnChange calls f after each request that changed something.
func (s *Server) OnChange(f func()) { s.onChange = f }

// Deny takes the right to write secrets away from the log-in.
func (s *Server) Deny() { s.Do(func() { s.denied = true }) }

// Denied reports whether that right is gone; for actions.
func (s *Server) Denied() bool { return s.denied }

// Do runs f while no request is served.
func (s *Server) Do(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// State is everything there is, as JSON.
func (s *Server) State() (raw []byte) {
	s.Do(func() {
		var err error
		if raw, err = json.Marshal(s.state); err != nil {
			panic(err) // plain data always encodes
		}
	})
	return raw
}

// Answer is what a request gets: a body that is bytes goes out as it is, with the type that the header
// names; nil is none; anything else is JSON.
type Answer struct {
	Status int
	Body   any
	Header map[string]string
}

// OK is a success with a body.
func OK(body any) Answer { return Answer{Status: http.StatusOK, Body: body} }

// Action answers one request.
type Action func(r *http.Request) Answer

// Routes serves actions by the patterns of http.ServeMux, one request after the other. Before each,
// check may refuse the request; otherwise answers what no pattern fits.
func (s *Server) Routes(check func(r *http.Request) (Answer, bool), otherwise Answer, routes map[string]Action) http.Handler {
	m := http.NewServeMux()
	routes["/"] = func(*http.Request) Answer { return otherwise }
	for pattern, act := range routes {
		m.Handle(pattern, s.serve(func(r *http.Request) Answer {
			if no, ok := check(r); !ok {
				return no
			}
			return act(r)
		}))
	}
	return s.Faults.Wrap(m)
}

// Handler serves everything by one action.
func (s *Server) Handler(act Action) http.Handler { return s.Faults.Wrap(s.serve(act)) }

func (s *Server) serve(act Action) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		var a Answer
		s.Do(func() { a = act(r) })
		if a.Status < 300 && r.Method != http.MethodGet {
			s.onChange()
		}
		w.Header().Set("Date", s.Now().UTC().Format(http.TimeFormat))
		for k, v := range a.Header {
			w.Header().Set(k, v)
		}
		switch body := a.Body.(type) {
		case nil:
			w.WriteHeader(a.Status)
		case []byte:
			w.WriteHeader(a.Status)
			_, _ = w.Write(body)
		default:
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(a.Status)
			_ = json.NewEncoder(w).Encode(body)
		}
	}
}

// Read decodes a JSON body strictly: what the server does not know, it refuses.
func Read(r *http.Request, into any) bool {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if d.Decode(into) != nil {
		return false
	}
	_, err := d.Token()
	return err == io.EOF
}
