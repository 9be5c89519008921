package githubd

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/astro-ci/astro-ci/internal/sandbox/fault"
)

// limits are GitHub's secondary limits on one user: 100 requests at once, 80 writes a minute and 500 an hour,
// and 900 points a minute for each path, of which a write takes five and a read one.
type limits struct {
	open         atomic.Int64
	minute, hour fault.Window
	points       map[string]*fault.Window // by path
}

func tooMany(wait time.Duration) *refusal {
	no := refuse(http.StatusForbidden, "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.")
	no.header = map[string]string{"Retry-After": strconv.Itoa(int(math.Ceil(wait.Seconds())))}
	return no
}

// over counts a request and refuses it when it is one too many.
func (l *limits) over(r *http.Request, now time.Time) *refusal {
	if l == nil {
		return nil
	}
	points := 1
	if r.Method != http.MethodGet {
		points = 5
		if wait := max(l.minute.Full(now, 1, 80, time.Minute), l.hour.Full(now, 1, 500, time.Hour)); wait > 0 {
			return tooMany(wait)
		}
	}
	if l.points[r.URL.Path] == nil {
		l.points[r.URL.Path] = &fault.Window{}
	}
	if wait := l.points[r.URL.Path].Full(now, points, 900, time.Minute); wait > 0 {
		return tooMany(wait)
	}
	return nil
}

// atOnce refuses more than 100 requests at the same time.
func (s *Server) atOnce(h http.Handler) http.Handler {
	if s.limits == nil {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer s.limits.open.Add(-1)
		if s.limits.open.Add(1) <= 100 {
			h.ServeHTTP(w, r)
			return
		}
		no := tooMany(time.Minute)
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("Retry-After", no.header["Retry-After"])
		w.WriteHeader(no.status)
		_ = json.NewEncoder(w).Encode(map[string]any{"message": no.message, "status": strconv.Itoa(no.status)})
	})
}
