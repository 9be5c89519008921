package tui

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"github.com/astro-ci/astro-ci/internal/flow"
)

// atWorkspaces sits before a list of n Workspaces that is read in pages; of the pages only the
// first has been read.
func atWorkspaces(t testing.TB, n, page int) *desk {
	w := newWorld()
	w.workspaces, w.page = n, page
	d := begin(t, w)
	d.press("enter")
	d.clock = d.clock.Add(3600e9)
	d.send(stroke("enter"))
	for d.at() != "workspace" || d.m.screen.(*question).field == nil {
		if !d.step() {
			t.Fatalf("the Workspaces did not come:\n%s", d.text())
		}
	}
	return d
}

// A long list can be used after its first page, and the rest comes while it is.
func TestAListIsUsableWhileItIsRead(t *testing.T) {
	t.Parallel()
	d := atWorkspaces(t, 10_000, 1000)
	if !strings.Contains(d.text(), "1000 choices so far") {
		t.Fatalf("the first page is not shown:\n%s", d.text())
	}
	d.clock = d.clock.Add(1e9)
	d.send(stroke("down"))
	d.send(stroke("down"))
	if !strings.Contains(d.text(), "› Sandbox") {
		t.Errorf("the list cannot be moved in:\n%s", d.text())
	}
	d.settle()
	if text := d.text(); !strings.Contains(text, "10000 choices, / finds one") || !strings.Contains(text, "› Sandbox") {
		t.Errorf("after the last page:\n%s", text)
	}
	d.press("/")
	d.write("team 9876")
	d.press("enter")
	if id := d.w.walk.Plan().Workspace.ID; id != "ws9876" {
		t.Errorf("chosen is %q", id)
	}
}

// What was read can be chosen from although more is to come; the rest is not read then.
func TestChoosingFromAPart(t *testing.T) {
	t.Parallel()
	d := atWorkspaces(t, 10_000, 1000)
	d.clock = d.clock.Add(1e9)
	d.send(stroke("enter"))
	d.settle()
	if id := d.w.walk.Plan().Workspace.ID; id != "ws1" || d.w.pages >= 10 {
		t.Errorf("chosen is %q, %d pages were read", id, d.w.pages)
	}
}

// A list that breaks off says so and can be read on.
func TestAListThatBreaksOff(t *testing.T) {
	t.Parallel()
	d := atWorkspaces(t, 30, 10)
	d.w.pageErr = errors.New("the network is gone")
	d.settle()
	if text := d.text(); !strings.Contains(text, "10 choices so far; r reads on") || !strings.Contains(text, "The network is gone") {
		t.Fatalf("it is not said:\n%s", text)
	}
	d.press("r")
	if text := d.text(); !strings.Contains(text, "30 choices") || strings.Contains(text, "so far") || strings.Contains(text, "network") {
		t.Errorf("it was not read on:\n%s", text)
	}
}

// The answer that is returned to may stand on a later page.
func TestReturningToALaterPage(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.workspaces, w.page = 50, 10
	d := begin(t, w)
	d.press("enter", "enter", "/")
	d.write("team 42")
	d.press("enter", "esc")
	if text := d.text(); d.at() != "workspace" || !strings.Contains(text, "› Team 42") {
		t.Errorf("back at:\n%s", text)
	}
}

// A secret is not shown, and is gone from the field once it was given.
func TestSecretInput(t *testing.T) {
	t.Parallel()
	w := newWorld()
	d := begin(t, w)
	q := &question{step: flow.Step{ID: "key", Title: "What is the key?", Kind: flow.Secret}}
	d.m.open(q)
	d.send(tagged{d.m.gen, preparedMsg{ready: flow.Prepared{Step: q.step}}})
	d.write("canary-in-the-field")
	if text := d.text(); strings.Contains(text, "canary") || !strings.Contains(text, "***") {
		t.Errorf("it is shown:\n%s", text)
	}
	c := q.field.answer()
	if c.Secret.Len() != len("canary-in-the-field") || strings.Contains(fmt.Sprint(c, q.field.text), "canary") {
		t.Errorf("the answer is %+v, the field holds %q", c, q.field.text)
	}
}

// One key on a long list, from the key to the drawn frame. The ratio says what a row costs.
func BenchmarkPicker(b *testing.B) {
	for _, n := range []int{100, 10_000, 100_000} {
		for key, stroke := range map[string]tea.KeyPressMsg{"move": stroke("down"), "filter": {Code: '1', Text: "1"}} {
			b.Run(fmt.Sprintf("rows=%d/%s", n, key), func(b *testing.B) {
				d := atWorkspaces(b, n, 1000)
				d.settle()
				if key == "filter" {
					d.press("/")
				}
				for b.Loop() {
					d.send(stroke)
					if key == "filter" {
						d.send(tea.KeyPressMsg{Code: tea.KeyBackspace})
					}
					d.queue = nil
				}
			})
		}
	}
}
