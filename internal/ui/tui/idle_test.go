package tui

import (
	"io"
	"os"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"
)

// While something happens it is drawn fast, while nothing does not at all, and at once when it goes on.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ticker := time.NewTicker(time.Second / 60)
		defer ticker.Stop()
		p := &pace{ticker: ticker}
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
			count(2 * idles)
			if n := count(time.Hour); n != 0 {
				t.Errorf("%d ticks in an hour in which nothing happens", n)
			}
		}
	})
}

// What came while the terminal held a write up is drawn after it, however long that took.
func TestAWriteWakes(t *testing.T) {
	held, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	defer out.Close()
	synctest.Test(t, func(t *testing.T) {
		ticker := time.NewTicker(time.Second / 60)
		defer ticker.Stop()
		p := &pace{ticker: ticker}
		defer p.end()
		for i, write := range []func(waking) (int, error){
			func(w waking) (int, error) { return w.Write([]byte("x")) },
			func(w waking) (int, error) { return io.WriteString(w, "x") },
		} {
			p.wake()
			<-time.After(2 * idles)
			select {
			case <-ticker.C: // one from before it slept
			default:
			}
			if n, err := write(waking{out, p}); n != 1 || err != nil {
				t.Fatalf("write %d: %d, %v", i, n, err)
			}
			select {
			case <-ticker.C:
			case <-time.After(time.Hour):
				t.Errorf("nothing is drawn after write %d", i)
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
