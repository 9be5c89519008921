package httpx

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
)

const (
	// atOnce is how many requests of one class may be open at a host; of all four classes together that is
	// well below the 100 that GitHub allows.
	atOnce = 16
	// downAfter is how many requests in a row have to fail for a host to be left alone, downFor how long
	// that is.
	downAfter = 5
	downFor   = 30 * time.Second
)

// Class is a set of kinds of request, by what they do.
type Class uint8

// The classes.
const (
	Reads   Class = 1 << iota // GET, HEAD
	Creates                   // POST
	Sets                      // PUT, PATCH
	Deletes                   // DELETE
	Writes  = Creates | Sets | Deletes
	All     = Reads | Writes
)

func classOf(method string) Class {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return Reads
	case http.MethodPut, http.MethodPatch:
		return Sets
	case http.MethodDelete:
		return Deletes
	}
	return Creates
}

// Limit is what a service allows: N requests of the classes within any time of this length.
type Limit struct {
	Of  Class
	N   int
	Per time.Duration
}

// spread is how much later than another one a request may arrive that left at the same time.
const spread = 250 * time.Millisecond

// window are the last requests under a limit, the oldest first.
type window []time.Time

// free is when the next one may leave. Nine tenths of a limit are used: others use the same credential. They
// may leave one right after the other: a steady pace would waste what a limit of an hour lets pass at once.
func (w window) free(l Limit) (at time.Time) {
	if n := max(1, l.N*9/10); len(w) >= n {
		at = w[len(w)-n].Add(l.Per + spread)
	}
	return at
}

// with is the window with one more, without those that do not count any more.
func (w window) with(l Limit, now time.Time) window {
	old := 0
	for old < len(w) && now.Sub(w[old]) > l.Per+spread {
		old++
	}
	return append(w[old:], now)
}

// Hosts is what all clients of a process know together: how much was asked of each host, and whether it
// answers. The zero value knows nothing yet.
type Hosts struct {
	mu  sync.Mutex
	all map[string]*host
}

// of is the host that a service has at an address.
func (h *Hosts) of(service, address string) *host {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.all == nil {
		h.all = map[string]*host{}
	}
	key := service + " " + address
	if h.all[key] == nil {
		h.all[key] = &host{name: address, slots: map[Class]chan struct{}{}, windows: map[Limit]window{}}
	}
	return h.all[key]
}

type host struct {
	name string

	mu      sync.Mutex
	slots   map[Class]chan struct{}
	windows map[Limit]window
	pause   time.Time // the service asked to be left alone until then
	failed  int       // requests in a row
	last    string    // why the last one failed
	until   time.Time // when the next one is let through, after too many have failed
}

// DownError says that a request was not sent: the host is left alone for a while.
type DownError struct {
	Failed int    // how many requests in a row failed; 0 where the service itself asked for the pause
	Last   string // why the last one did
	Until  time.Time
}

func (e *DownError) Error() string {
	until := display.Second(e.Until)
	if e.Failed == 0 {
		return "it asks to be left alone until " + until
	}
	return fmt.Sprintf("%d requests in a row failed, the last one with %q; it is left alone until %s", e.Failed, e.Last, until)
}

func (h *host) leftAlone(e *DownError) error {
	next := "Try again after " + display.Second(e.Until) + "."
	if e.Failed > 0 {
		next += " If it goes on, check the network, and look at the status page of the service."
	}
	return &notSentError{&hint.Error{Doing: h.name, Next: next, Err: e}}
}

// enter waits until a request may be sent; leave has to be called when its answer is read. The error says
// that it was not sent. tell learns of a pause.
func (h *host) enter(ctx context.Context, class Class, limits []Limit, tell func(time.Duration)) (leave func(), err error) {
	if err := h.isDown(); err != nil {
		return nil, err
	}
	slot := h.slot(class)
	select {
	case slot <- struct{}{}:
	case <-ctx.Done():
		return nil, &notSentError{ctx.Err()}
	}
	for {
		var pause time.Duration
		if pause, err = h.pass(class, limits); err != nil || pause <= 0 {
			break
		}
		if pause >= time.Second {
			tell(pause)
		}
		t := time.NewTimer(pause)
		select {
		case <-t.C:
			continue
		case <-ctx.Done():
			t.Stop()
			err = &notSentError{ctx.Err()}
		}
		break
	}
	if err != nil {
		<-slot
		return nil, err
	}
	return func() { <-slot }, nil
}

func (h *host) isDown() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.down(time.Now())
}

func (h *host) slot(class Class) chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.slots[class] == nil {
		h.slots[class] = make(chan struct{}, atOnce)
	}
	return h.slots[class]
}

// pass lets a request through, or says how long it is until one may pass: until every limit of its class has
// room, and a pause that the service asked for is over.
func (h *host) pass(class Class, limits []Limit) (time.Duration, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	at := h.pause
	if at.Sub(now) > MaxRetryAfter {
		return 0, h.leftAlone(&DownError{Until: at})
	}
	for _, l := range limits {
		if t := h.windows[l].free(l); l.Of&class != 0 && t.After(at) {
			at = t
		}
	}
	if at.After(now) {
		return at.Sub(now), nil
	}
	if err := h.down(now); err != nil {
		return 0, err
	}
	if h.failed >= downAfter {
		h.until = now.Add(downFor)
	}
	for _, l := range limits {
		if l.Of&class != 0 {
			h.windows[l] = h.windows[l].with(l, now)
		}
	}
	return 0, nil
}

// down is an error while the host is left alone. After that one request at a time is let through, each for
// the time of one such pause, until one succeeds.
func (h *host) down(now time.Time) error {
	if h.failed >= downAfter && now.Before(h.until) {
		return h.leftAlone(&DownError{h.failed, h.last, h.until})
	}
	return nil
}

// asked notes that the service asked for a pause.
func (h *host) asked(pause time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if until := time.Now().Add(pause); until.After(h.pause) {
		h.pause = until
	}
}

// answered notes how a request ended: failure is "" when the service did its part.
func (h *host) answered(failure string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if failure == "" {
		h.failed = 0
		return
	}
	h.failed++
	h.last, h.until = failure, time.Now().Add(downFor)
}
