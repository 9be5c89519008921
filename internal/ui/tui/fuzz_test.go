package tui

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/astro-ci/astro-ci/internal/display"
)

var events = flag.Int("events", 5000, "how many events TestRandomKeys sends")

var strokes = []string{
	"enter", "enter", "enter", "enter", "s", "v", "x", "esc", "tab", "shift+tab", "up", "down", "left", "right", "home", "end", "pgup", "pgdown", "backspace",
	"f1", "space", "ctrl+b", "ctrl+u", "?", "/", "d", "r", "b", "q", "y", "n", "1", "5", "9", "k", "j", "h", "l", "g", "0", "é", "日", "👩‍🚀",
}

// Whatever is pressed, in whatever window: no panic, and nothing runs that was not confirmed.
func TestRandomKeys(t *testing.T) {
	t.Parallel()
	for seed := range uint64(5) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			if hammer(t, rand.New(rand.NewPCG(seed, 7)), *events/5) == 0 {
				t.Error("nothing was ever confirmed: the keys prove nothing")
			}
		})
	}
}

// hammer sends random events to one session after the other and counts the actions that ran.
func hammer(t *testing.T, rnd *rand.Rand, events int) (ran int) {
	var d *desk
	var confirmed bool // Enter was pressed on a Yes
	for i := range events {
		if i%100 == 0 || d.quit {
			d, confirmed = anywhere(t, rnd), false
		}
		switch rnd.IntN(20) {
		case 0:
			d.size(1+rnd.IntN(200), 1+rnd.IntN(60))
		case 1:
			d.send(tea.PasteMsg{Content: "90 \x1b[31m\n" + strokes[rnd.IntN(len(strokes))]})
		case 2:
			d.send(tagged{d.m.gen, tickMsg{}})
		case 3:
			d.send(tea.BackgroundColorMsg{Color: white{}})
		default:
			name := strokes[rnd.IntN(len(strokes))]
			onYes := d.onYes()
			d.clock = d.clock.Add(time.Duration(rnd.IntN(400)) * time.Millisecond)
			before := len(d.w.ran())
			d.send(stroke(name))
			confirmed = confirmed || onYes && name == "enter"
			ran += len(d.w.ran()) - before
		}
		before := len(d.w.ran())
		if rnd.IntN(3) > 0 {
			d.settle()
		}
		ran += len(d.w.ran()) - before
		if len(d.w.ran()) > 0 && !confirmed {
			t.Fatalf("ran %v without a confirm:\n%s", d.w.ran(), d.text())
		}
	}
	return ran
}

// onYes reports whether Enter would begin what cannot be taken back.
func (d *desk) onYes() bool {
	switch s := d.m.screen.(type) {
	case *review:
		return s.loaded != nil && s.yes && !d.m.help && !s.diff && s.cursor == len(d.w.walk.Answers())
	case *remove:
		return s.review != nil && s.typed.done() && !d.m.help
	case *replace:
		return s.plan != nil && s.agreed() && !d.m.help
	}
	return false
}

// anywhere is a session on its first screen or on its review, or a rotation, with some faults ahead.
func anywhere(t *testing.T, rnd *rand.Rand) *desk {
	switch rnd.IntN(6) {
	case 0:
		return hearth(t, rnd)
	case 1, 2:
		x := newTurning(1 + rnd.IntN(20))
		x.leaked = rnd.IntN(4) == 0
		if rnd.IntN(3) == 0 {
			x.halts[0] = stuck()
		}
		d := x.sit(t)
		if rnd.IntN(2) == 0 && len(x.setups) > 1 {
			d.press("enter")
		}
		if x.leaked && rnd.IntN(2) == 0 {
			d.write(x.setups[0].Name)
		}
		return d
	}
	w := newWorld()
	w.workspaces = 1 + rnd.IntN(30)
	for _, key := range []string{"check:astro", "secret:put", "undo:token:create"} {
		if rnd.IntN(3) == 0 {
			w.failing[key] = errors.New("broken: " + key)
		}
	}
	d := sit(t, w)
	if rnd.IntN(3) == 0 {
		w.loadErr["workspace"] = errors.New("no Workspaces")
	} else {
		d.toReview()
	}
	return d
}

// Names from outside may be long, wide, or made of many marks.
func TestStrangeNames(t *testing.T) {
	t.Parallel()
	names := []string{
		"工作区データ基盤の長い名前です工作区データ基盤の長い名前です工作区データ基盤の長い名前です", "👩‍🚀🧑🏽‍🚀 crew", "e\u0301\u0302\u0303tl",
		"שלום עולם", "\x1b[31mred\x1b[0m\r\nline", string(make([]rune, 300)), "a" + string([]rune{0x202e}) + "b",
	}
	for _, name := range names {
		d := begin(t, newWorld())
		q, ok := d.m.screen.(*question)
		if !ok {
			t.Fatal("no question")
		}
		for i := range q.field.items {
			q.field.items[i].Label = display.Clean(name)
			q.field.items[i].Note = display.Clean(name + " " + name)
		}
		q.field.build(d.m, q.step)
		for w := 1; w < 140; w += 3 {
			d.size(w, 5+w/4)
		}
		d.press("enter")
		d.wantAt("credential")
	}
}
