package testkit

import (
	"net/http"
	"sync/atomic"
)

// Refusals counts what a server refuses because of its limits.
type Refusals struct{ atomic.Int64 }

// Around counts the answers of h that ask for a pause.
func (c *Refusals) Around(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(&watched{w, c}, r)
	})
}

type watched struct {
	http.ResponseWriter
	c *Refusals
}

func (w *watched) WriteHeader(status int) {
	if w.Header().Get("Retry-After") != "" {
		w.c.Add(1)
	}
	w.ResponseWriter.WriteHeader(status)
}
