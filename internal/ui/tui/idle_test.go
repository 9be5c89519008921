package tui

import (
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"
)

// While something happens it is drawn fast; while nothing does, now and then; and at once when it goes on.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ticker := time.NewTicker(time.Second / 60)
		defer ticker.Stop()
		p := &pace{ticker: ticker, after: idles}
		defer p.end()
		count := func(d time.Duration) (n int) {
			for over := time.After(d); ; {
				select {
				case <-ticker.C:
					n++
				case <-over:
					return n
				}
			}
		}
		for range 2 {
			p.wake()
			if n := count(idles / 2); n < 55 {
				t.Errorf("%d ticks while something happens", n)
			}
			p.wake()
			count(idles)
			if n := count(time.Minute); n == 0 || n > int(time.Minute/calm) {
				t.Errorf("%d ticks in a minute in which nothing happens", n)
			}
		}
	})
}

// Another version of Bubble Tea may keep its ticker elsewhere: then it ticks on, and this says so.
func TestTheTickerIsFound(t *testing.T) {
	t.Parallel()
	if f, ok := reflect.TypeFor[tea.Program]().FieldByName("ticker"); !ok || f.Type != reflect.TypeFor[*time.Ticker]() {
		t.Error("the ticker of Bubble Tea is no longer where idle.go looks for it")
	}
	if tickerOf(tea.NewProgram(&model{})) != nil {
		t.Error("a program has a ticker before it runs")
	}
}
