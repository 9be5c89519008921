package httpx

import (
	"errors"
	"net/http"
	"time"
)

// passingError is trouble on the way to a service, which may pass.
type passingError struct{ error }

func (e *passingError) Unwrap() error { return e.error }

// Again reports whether what failed with err may succeed later, although this package has tried it as often
// as it does, and how long the service is to be left alone until then; 0 where nobody says.
func Again(err error) (pause time.Duration, ok bool) {
	if down, ok := errors.AsType[*DownError](err); ok {
		pause = max(0, time.Until(down.Until))
		return pause, pause <= MaxRetryAfter
	}
	if s, ok := errors.AsType[*StatusError](err); ok {
		pause = retryAfter(s.Header, time.Now())
		busy := s.Status == http.StatusTooManyRequests || s.Status == http.StatusRequestTimeout || s.Status == http.StatusForbidden && pause > 0
		return pause, pause <= MaxRetryAfter && (busy || s.Status >= 500 && s.Status != http.StatusNotImplemented)
	}
	_, ok = errors.AsType[*passingError](err)
	return 0, ok
}
