package cli

import (
	"bytes"
	"context"
	"io"
	"sync"
	"time"

	"github.com/astro-ci/astro-ci/internal/providers"
)

// footer is a terminal with a line below what is written to it; the line moves along.
type footer struct {
	mu   sync.Mutex
	to   io.Writer
	line string
	open bool // what was written last did not end its line
}

// Write writes above the line.
func (f *footer) Write(b []byte) (int, error) { return f.write(f.to, b) }

// above is another way to the same terminal, above the line.
type above struct {
	f  *footer
	to io.Writer
}

func (a above) Write(b []byte) (int, error) { return a.f.write(a.to, b) }

func (f *footer) write(to io.Writer, b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	line := f.line
	if err := f.draw(""); err != nil {
		return 0, err
	}
	n, err := to.Write(b)
	if len(b) > 0 {
		f.open = !bytes.HasSuffix(b, []byte("\n"))
	}
	if err == nil {
		err = f.draw(line)
	}
	return n, err
}

// show replaces the line; "" takes it away.
func (f *footer) show(line string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_ = f.draw(line)
}

func (f *footer) draw(line string) (err error) {
	if !f.open && (line != "" || f.line != "") {
		if line == "" {
			_, err = io.WriteString(f.to, "\r\x1b[K")
		} else {
			_, err = io.WriteString(f.to, "\r"+line+" \x1b[K")
		}
	}
	f.line = line
	return err
}

// countdown shows on the footer how long it still takes, until the time has come or ctx ends.
func (a *app) countdown(ctx context.Context, until time.Time, line func(left string) string) error {
	defer a.footer.show("")
	for {
		left := time.Until(until)
		if left <= 0 {
			return nil
		}
		a.footer.show(line(short(left)))
		if err := providers.Pause(ctx, min(left, time.Second)); err != nil {
			return err
		}
	}
}

// pauses are those that were told about. Many requests wait at the same time: one line is enough.
type pauses struct {
	mu    sync.Mutex
	until time.Time
}

// news reports whether a pause ends so much later than the one that was told last that it is worth a word.
func (p *pauses) news(until time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); p.until.After(now) && until.Sub(p.until) < p.until.Sub(now) {
		return false
	}
	p.until = until
	return true
}

// waiting tells about a pause before a request: on a terminal a line counts down, elsewhere it is said once.
// The wizard has the whole screen to itself.
func (a *app) waiting(ctx context.Context, service string, pause time.Duration) {
	until := time.Now().Add(pause)
	switch {
	case pause < time.Second || a.inWizard.Load() || !a.pauses.news(until):
	case a.fullScreen():
		go func() {
			_ = a.countdown(ctx, until, func(left string) string { return "Waiting for " + service + ", going on in " + left })
		}()
	default:
		a.tell("Waiting for %s, going on in %s", service, short(pause))
	}
}
