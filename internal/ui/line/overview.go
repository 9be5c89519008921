package line

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/ui"
)

// Home says what there is and does what is asked for, until the person leaves it. next is what has to be done
// then; nil for nothing.
func Home(ctx context.Context, h ui.Home, o Options) (next func(context.Context) error, out ui.Outcome, err error) {
	c, stop := newConsole(o)
	defer stop()
	v := &overview{console: c, home: h}
	c.greet(h.Title, h.Sandbox, "Type an answer and press Enter. b goes back, ? explains, q leaves. Nothing is done before you confirm.")
	for err == nil && v.after == nil {
		err = v.look(ctx)
	}
	if errors.Is(err, errLeave) {
		err = nil
	}
	return v.after, v.out, err
}

// overview is one conversation about what there is: setups, then Workspaces without a credential, numbered
// throughout.
type overview struct {
	*console
	home  ui.Home
	found ui.Overview
	list  *list
	after func(context.Context) error // is done when the conversation has ended
	out   ui.Outcome
}

// look finds what there is, says it, and does one thing with it.
func (v *overview) look(ctx context.Context) error {
	if err := v.find(ctx); err != nil {
		return err
	}
	v.list = &list{}
	for _, s := range v.found.Setups {
		v.list.items = append(v.list.items, flow.Choice{Value: s.Name, Label: display.Clean(s.Name)})
	}
	for _, ws := range v.found.Without {
		v.list.items = append(v.list.items, flow.Choice{Value: ws.ID, Label: display.Clean(ws.String())})
	}
	v.list.search("")
	v.show()
	for {
		text, err := v.ask(ctx)
		if err != nil {
			return err
		}
		if done, err := v.answer(ctx, text); done || err != nil {
			return err
		}
	}
}

// find looks at everything. A person may try again; where nobody is there, the cause says more.
func (v *overview) find(ctx context.Context) error {
	for {
		v.say("%s.", ui.Looking)
		found, failed := v.home.Find(ctx)
		v.found, v.out.Err = found, failed
		if v.home.SetUp == nil {
			v.found.Without = nil
		}
		if failed == nil {
			return nil
		}
		switch _, err := v.retry(ctx, failed, nil); {
		case errors.Is(err, ErrEnded):
			return failed
		case err != nil:
			return err
		}
	}
}

// show prints the present page, and what can be done.
func (v *overview) show() {
	v.say("")
	l, now, last := v.list, time.Now(), ""
	if l.more() {
		v.say("These are %d to %d of %d.", l.page+1, l.page+len(l.shown()), len(l.match))
	}
	if len(v.found.Setups) == 0 {
		v.say("There is no setup yet.")
	}
	for _, i := range l.shown() {
		title, row := ui.Count(len(v.found.Without), "Workspace")+" without a credential", l.items[i].Label.String()
		if i < len(v.found.Setups) {
			title, row = v.count(), row+": "+inShort(v.found.Setups[i], now)
		}
		if last != "" && title != last {
			v.say("")
		}
		if title != last {
			v.say("%s:", title)
		}
		last = title
		v.say("%d. %s", i+1, row)
	}
	v.say("%s", v.how())
}

// count is how many setups there are, and how many of them need somebody.
func (v *overview) count() string {
	words := []string{ui.Count(len(v.found.Setups), "setup")}
	for _, n := range v.found.Needs() {
		words = append(words, n.Says)
	}
	return strings.Join(words, ", ")
}

// inShort is what a list says of a setup.
func inShort(s ui.Setup, now time.Time) string {
	if s.Made.IsZero() { // nothing is known of its token
		return s.State()
	}
	used := ui.LastUsed(s.Used)
	if !s.Used.IsZero() {
		used = "last used " + ui.Ago(s.Used, now)
	}
	return s.State() + "; " + s.Life(now) + "; " + used
}

// how says what can be typed.
func (v *overview) how() string {
	var can []string
	n := len(v.found.Setups)
	if n > 0 {
		can = append(can, "the number of a setup to open it")
	}
	switch len(v.found.Without) {
	case 0:
	case 1:
		can = append(can, "the number of the Workspace to set it up")
	default:
		can = append(can, fmt.Sprintf("the numbers of Workspaces to set them up, like %d %d", n+1, n+2))
	}
	if v.home.SetUp != nil {
		can = append(can, "n for a new set-up")
	}
	if v.list.long() {
		can = append(can, "part of a name to search")
	}
	if v.list.more() {
		can = append(can, "m for more")
	}
	return "Type " + strings.Join(append(can, "or q to leave."), ", ")
}

// answer does what was typed; done means that the list has to be looked at anew, or that it is over.
func (v *overview) answer(ctx context.Context, text string) (done bool, err error) {
	switch {
	case text == "?":
		v.say("A setup is a credential, the places where it is kept, and the pipeline that uses it; those that need somebody come first.")
		v.say("A Workspace without a credential has no token of an automation. Several are set up one after the other.")
		v.say("A name does as well as a number, and a part of one searches. Enter shows everything again.")
		v.list.search("")
		v.show()
	case text == "":
		v.list.search("")
		v.show()
	case text == "b":
		v.say("This is the overview. Type q to leave.")
	case text == "m" && v.list.more():
		v.list.nextPage()
		v.show()
	case text == "n" && v.home.SetUp != nil:
		v.setUp(nil)
		return true, nil
	default:
		return v.pick(ctx, text)
	}
	return false, nil
}

// pick opens a setup or sets Workspaces up, by number or name, or searches.
func (v *overview) pick(ctx context.Context, text string) (done bool, err error) {
	numbers, ok := v.list.numbers(text)
	n := len(v.found.Setups)
	switch {
	case !ok:
		if name := literal(text); name != "" && v.list.search(name) {
			v.show()
		} else {
			v.say("Nothing has that number, and no name holds %q.", name)
		}
	case numbers[0] >= n:
		var picked []setup.Ref
		for _, i := range numbers {
			picked = append(picked, v.found.Without[i-n])
		}
		v.setUp(picked)
		return true, nil
	case len(numbers) == 1:
		return true, v.open(ctx, v.found.Setups[numbers[0]])
	default:
		v.say("Only Workspaces can be picked together. A setup is opened alone.")
	}
	return false, nil
}

func (v *overview) setUp(workspaces []setup.Ref) {
	begin := v.home.SetUp
	v.after = func(ctx context.Context) error { return begin(ctx, workspaces) }
}

// open says all that is known of a setup, and does one thing with it.
func (v *overview) open(ctx context.Context, s ui.Setup) error {
	v.say("")
	v.say("%s", s.Name)
	v.facts(s.Facts(time.Now()))
	actions := v.home.Actions(s)
	for i, a := range actions {
		v.say("%d. %s: %s", i+1, a.Title(), a.Note)
	}
	for {
		v.say("Type a number, b for the overview, or q to leave.")
		text, err := v.ask(ctx)
		n, notNumber := strconv.Atoi(text)
		switch {
		case err != nil:
			return err
		case text == "b":
			return nil
		case text == "?":
			v.say("Nothing is changed before it was shown and confirmed.")
		case notNumber == nil && n >= 1 && n <= len(actions) && actions[n-1].Not != "":
			v.say("%s", actions[n-1].Not)
		case notNumber == nil && n >= 1 && n <= len(actions):
			return v.do(ctx, s, actions[n-1])
		}
	}
}

// led has a conversation of its own inside of this one, and keeps how it ended.
func (v *overview) led(title string, outcome *ui.Outcome, lead func() error) error {
	v.say("")
	v.say("%s", title)
	err := lead()
	v.out.Confirmed, v.out.Err = v.out.Confirmed || outcome.Confirmed, outcome.Err
	return err
}

// do does one thing with a setup.
func (v *overview) do(ctx context.Context, s ui.Setup, a ui.Action) error {
	switch {
	case a.Rotation != nil:
		t := &turn{console: v.console, rotation: a.Rotation(), home: true}
		return v.led(t.rotation.Title, &t.outcome, func() error { return t.lead(ctx) })
	case a.Verify != nil:
		return v.verify(ctx, s, a)
	case a.Removal != nil:
		e := &ending{console: v.console, removal: a.Removal(), home: true}
		return v.led(e.removal.Title, &e.outcome, func() error { return e.lead(ctx) })
	}
	v.after = a.After
	return nil
}

// verify says what Astro and the stores say of a setup.
func (v *overview) verify(ctx context.Context, s ui.Setup, a ui.Action) error {
	for {
		v.say("%s%s.", ui.Asking, s.Name)
		found, failed := a.Verify(ctx)
		if failed == nil {
			v.say("%s%s:", ui.Answer, s.Name)
			_, verdict := found.Verdict()
			v.say("%s.", verdict)
			v.facts(found.Facts)
			return v.pause(ctx)
		}
		if again, err := v.retry(ctx, failed, func() bool { return true }); !again {
			return err
		}
	}
}

// pause lets the person read before the overview follows.
func (c *console) pause(ctx context.Context) error {
	for {
		c.say("Press Enter for the overview, or type q to leave.")
		text, err := c.ask(ctx)
		if err != nil || text == "" || text == "b" {
			return err
		}
	}
}
