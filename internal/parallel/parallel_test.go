package parallel_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/parallel"
)

func TestDo(t *testing.T) {
	t.Parallel()
	first, second := errors.New("first"), errors.New("second")
	met := make(chan bool) // without a buffer: both have to be there
	err := parallel.Do(
		func() error { met <- true; <-met; return first },
		func() error { <-met; defer func() { met <- true }(); return second },
		func() error { return nil },
	)
	if !errors.Is(err, first) {
		t.Errorf("got %v", err)
	}
	if err := parallel.Do(func() error { return nil }); err != nil {
		t.Error(err)
	}
}

func TestDoPassesAPanicOn(t *testing.T) {
	t.Parallel()
	over := false
	defer func() {
		if p, _ := recover().(string); !strings.HasPrefix(p, "a fault\n") || !strings.Contains(p, "parallel_test.go") || !over {
			t.Errorf("got %q, the others over: %v", p, over)
		}
	}()
	_ = parallel.Do(func() error { panic("a fault") }, func() error { over = true; return nil })
}
