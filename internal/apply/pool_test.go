package apply_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/astro-ci/astro-ci/internal/apply"
	"github.com/astro-ci/astro-ci/internal/httpx"
)

var errBusy = &httpx.StatusError{Status: http.StatusBadGateway}

// What may pass is tried again until it has passed; what will not is not, and neither keeps the others back.
func TestEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		tried := map[int]int{}
		var done []int
		all := apply.Each(t.Context(), numbers(100), func(i int) error {
			mu.Lock()
			tried[i]++
			n := tried[i]
			mu.Unlock()
			switch {
			case i%5 == 0:
				return errors.New("it cannot be done")
			case i%5 == 1 && n < 4:
				return errBusy
			}
			return nil
		}, func(time.Duration) {}, func(i int) { done = append(done, i) })
		slices.Sort(done)
		if !all || !slices.Equal(done, numbers(100)) {
			t.Errorf("all %v, done %v", all, done)
		}
		for i, n := range tried {
			if want := map[int]int{1: 4}[i%5]; n != max(1, want) {
				t.Errorf("%d was tried %d times", i, n)
			}
		}
	})
}

// Where nothing comes through any more, the others are not begun; a pause that a service asks for is kept.
func TestEachGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var begun sync.Map
		n := 0
		all := apply.Each(t.Context(), numbers(1000), func(i int) error { begun.Store(i, true); return errBusy }, func(time.Duration) {}, func(int) { n++ })
		if all || n < apply.SideBySide || n > 3*apply.SideBySide {
			t.Errorf("all %v after %d", all, n)
		}
		begun.Range(func(any, any) bool { n--; return true })
		if n != 0 {
			t.Errorf("%d are not told about", -n)
		}
		until := time.Now().Add(4 * time.Minute)
		err := apply.Persist(t.Context(), func() error {
			if time.Now().Before(until) {
				return &httpx.DownError{Failed: 5, Until: until}
			}
			return nil
		}, func(d time.Duration) {
			if d != 4*time.Minute {
				t.Errorf("a pause of %s", d)
			}
		})
		if err != nil || time.Now().After(until) {
			t.Errorf("%v at %s", err, time.Now())
		}
	})
}

// Who leaves is not kept.
func TestEachEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var calls atomic.Int64
		start := time.Now()
		all := apply.Each(ctx, numbers(1000), func(int) error { calls.Add(1); return errBusy }, func(time.Duration) {}, func(int) {})
		if all || time.Since(start) > time.Minute || calls.Load() > 10*apply.SideBySide {
			t.Errorf("all %v after %s and %d calls", all, time.Since(start), calls.Load())
		}
	})
}

func numbers(n int) (out []int) {
	for i := range n {
		out = append(out, i)
	}
	return out
}
