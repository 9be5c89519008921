package fault

import (
	"slices"
	"time"
)

// Window counts in any time of one length, for the limits of the embedded servers. The zero value has seen
// nothing.
type Window struct{ seen []time.Time }

// Full counts a request with a weight at a time, unless that would be more than n within per: then it says
// how long it takes until that is room again.
func (w *Window) Full(now time.Time, weight, n int, per time.Duration) (wait time.Duration) {
	w.seen = slices.DeleteFunc(w.seen, func(t time.Time) bool { return now.Sub(t) >= per })
	if over := len(w.seen) + weight - n; over > 0 {
		return per - now.Sub(w.seen[over-1])
	}
	for range weight {
		w.seen = append(w.seen, now)
	}
	return 0
}
