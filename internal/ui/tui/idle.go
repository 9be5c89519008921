package tui

import (
	"reflect"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
)

// The pace of drawing: while something happens, and while nothing does. The slow one repairs a frame that a
// terminal has held up.
const (
	lively = time.Second / 120
	calm   = 5 * time.Second
	idles  = time.Second // after which nothing happens
)

// pace slows down the ticker by which Bubble Tea draws. It ticks sixty times a second whether or not there is
// anything to draw, and has no switch: a wizard that waits for a person would keep the processor awake.
type pace struct {
	mu     sync.Mutex
	ticker *time.Ticker // of the program; nil: it is not found, and ticks on
	after  time.Duration
	last   time.Time
	timer  *time.Timer
}

// wake draws fast from now on, and slows down when nothing has happened for a while.
func (p *pace) wake() {
	if p == nil || p.ticker == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = time.Now()
	p.ticker.Reset(lively)
	if p.timer == nil {
		p.timer = time.AfterFunc(p.after, p.slow)
	} else {
		p.timer.Reset(p.after)
	}
}

func (p *pace) slow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.last) >= p.after { // else something has happened meanwhile
		p.ticker.Reset(calm)
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

// tickerOf is the ticker of a program that runs, or nil where this version of Bubble Tea has another one.
func tickerOf(p *tea.Program) *time.Ticker {
	f := reflect.ValueOf(p).Elem().FieldByName("ticker")
	if !f.IsValid() || f.Type() != reflect.TypeFor[*time.Ticker]() {
		return nil
	}
	return *(**time.Ticker)(f.Addr().UnsafePointer())
}
