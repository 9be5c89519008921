package tui

import (
	"os"
	"reflect"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
)

// The pace of drawing while something happens, and after how long without anything it stops.
const (
	lively = time.Second / 120
	idles  = time.Second
)

// pace stops the ticker by which Bubble Tea draws while nothing happens. It ticks sixty times a second whether or
// not there is anything to draw, and has no switch: a wizard that waits for a person would keep the processor awake.
// The zero value stops nothing.
type pace struct {
	mu     sync.Mutex
	ticker *time.Ticker // of the program; nil: it does not run yet, or its ticker is not found and ticks on
	last   time.Time
	timer  *time.Timer
}

// wake draws fast from now on, until nothing has happened for a while.
func (p *pace) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ticker == nil {
		return
	}
	p.last = time.Now()
	p.ticker.Reset(lively)
	if p.timer == nil {
		p.timer = time.AfterFunc(idles, p.sleep)
	} else {
		p.timer.Reset(idles)
	}
}

func (p *pace) sleep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.last) >= idles { // else something has happened meanwhile
		p.ticker.Stop()
	}
}

// of sets the pace of a program that runs; nil: there is none.
func (p *pace) of(program *tea.Program) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ticker == nil && program != nil {
		p.ticker = tickerOf(program)
	}
}

// end stops what wake began.
func (p *pace) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer != nil {
		p.timer.Stop()
	}
}

// waking is a terminal on which each write is something that happens: one that it held up may have been drawn over
// meanwhile, and what came then is not on it yet.
type waking struct {
	*os.File // its Fd makes it a terminal for Bubble Tea
	pace     *pace
}

func (w waking) Write(b []byte) (int, error) {
	defer w.pace.wake()
	return w.File.Write(b)
}

func (w waking) WriteString(s string) (int, error) { return w.Write([]byte(s)) }

// tickerOf is the ticker of a program that runs, or nil where this version of Bubble Tea has another one.
func tickerOf(p *tea.Program) *time.Ticker {
	f := reflect.ValueOf(p).Elem().FieldByName("ticker")
	if !f.IsValid() || f.Type() != reflect.TypeFor[*time.Ticker]() {
		return nil
	}
	return *(**time.Ticker)(f.Addr().UnsafePointer())
}
