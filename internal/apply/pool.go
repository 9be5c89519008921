package apply

import (
	"context"
	"sync"
	"time"

	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/providers"
)

// SideBySide is how many setups are worked on at the same time. What a service allows in a second is kept
// to whatever their number; this many keep its answers' time from being the limit.
const SideBySide = 16

const (
	// tries is how often a setup is tried that fails for a reason that may pass. A token is never asked for
	// twice in one try, so that where a fifth of the requests fail every fifth try does.
	tries   = 12
	longest = 30 * time.Second // pause before a try, unless a service asks for more
)

// Each works on all items, several at a time; each is tried as Persist does. done is called with each that is
// finished, one at a time. No further ones are begun when ctx ends, nor when as many as are worked on at the
// same time were given up one after the other: then nothing will come of the others either. all says that
// every item was begun.
func Each[T any](ctx context.Context, items []T, try func(T) error, told func(time.Duration), done func(T)) (all bool) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	next := make(chan T)
	lost := 0
	for range min(SideBySide, len(items)) {
		wg.Go(func() {
			for x := range next {
				err := Persist(ctx, func() error { return try(x) }, told)
				mu.Lock()
				if lost++; !passing(err) {
					lost = 0
				}
				done(x)
				mu.Unlock()
			}
		})
	}
	all = true
	for _, x := range items {
		mu.Lock()
		all = lost < SideBySide && ctx.Err() == nil
		mu.Unlock()
		if !all {
			break
		}
		next <- x
	}
	close(next)
	wg.Wait()
	return all
}

func passing(err error) bool {
	_, ok := httpx.Again(err)
	return ok
}

// Persist tries until it succeeds, fails for good, or has failed so often that it is given up. told learns of
// the pauses in between.
func Persist(ctx context.Context, try func() error, told func(time.Duration)) error {
	pause := time.Second
	for n := 1; ; n++ {
		err := try()
		asked, again := httpx.Again(err)
		if !again || n == tries || ctx.Err() != nil {
			return err
		}
		wait := max(asked, pause)
		told(wait)
		if providers.Pause(ctx, wait) != nil {
			return err
		}
		pause = min(2*pause, longest)
	}
}
