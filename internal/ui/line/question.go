package line

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/ui/report"
)

// pageSize is how many choices are listed at once.
const pageSize = 20

// input asks for free text.
func (t *talk) input(ctx context.Context, q flow.Prepared) error {
	s, start := q.Step, q.Choices.Default
	if s.Kind == flow.Secret {
		start = ""
	}
	if last := t.walk.Last(s.ID); last != "" && s.Kind != flow.Secret {
		start = last
	}
	if !q.Choices.Note.IsZero() {
		t.say("%s", q.Choices.Note)
	}
	how := "Type the answer."
	if s.Kind == flow.Secret {
		how = "Type the answer; it is not shown."
	}
	if start != "" {
		how = "Type the answer, or press Enter for " + start + "."
	}
	t.say("%s", how)
	for {
		text, err := t.ask(ctx)
		if s.Kind == flow.Secret && t.tty >= 0 {
			t.say("") // the Enter was not shown either
		}
		switch {
		case err != nil:
			return err
		case text == "?":
			t.explain(s)
			t.say("b goes back, q leaves. To answer with b, ? or q itself, type =b, =? or =q.")
			t.say("%s", how)
			continue
		case text == "b":
			if t.back() {
				return nil
			}
			continue
		case text == "":
			text = start
		default:
			text = literal(text)
		}
		if text == "" {
			t.say("An answer is needed.")
			continue
		}
		if s.Check != nil {
			if err := s.Check(text); err != nil {
				t.say("That cannot be used: %v.", err)
				continue
			}
		}
		c := flow.Text(text)
		if s.Kind == flow.Secret {
			c = flow.Hidden(secret.New([]byte(text)))
		}
		if t.answer(s, c) {
			return nil
		}
	}
}

// answer hands an answer to the walk; false, with the reason, when it is refused.
func (t *talk) answer(s flow.Step, c flow.Choice) bool {
	if err := t.walk.Answer(s, c, flow.Asked); err != nil {
		report.Error(t, err)
		return false
	}
	return true
}

// list is a view on the choices of a question: those that match what was searched for, page by
// page. A choice keeps its number whatever is searched.
type list struct {
	items []flow.Choice
	match []int // indexes into items
	page  int   // where in match the present page starts
	start int   // index of the choice that Enter takes, or -1
}

func newList(q flow.Prepared, last string) *list {
	l := &list{items: q.Choices.Items, start: -1}
	l.search("")
	find := func(is func(flow.Choice) bool) {
		if l.start < 0 {
			l.start = slices.IndexFunc(l.items, is)
		}
	}
	find(func(c flow.Choice) bool { return last != "" && c.Value == last })
	find(func(c flow.Choice) bool { return q.Choices.Default != "" && c.Value == q.Choices.Default })
	find(func(c flow.Choice) bool { return c.Recommended })
	return l
}

// search keeps the choices whose name holds text, without regard to case; false when there is none.
func (l *list) search(text string) bool {
	var match []int
	for i, c := range l.items {
		if strings.Contains(strings.ToLower(c.Label.String()), strings.ToLower(text)) {
			match = append(match, i)
		}
	}
	if len(match) > 0 {
		l.match, l.page = match, 0
	}
	return len(match) > 0
}

// shown are the indexes of the present page.
func (l *list) shown() []int { return l.match[l.page:min(l.page+pageSize, len(l.match))] }

func (l *list) long() bool { return len(l.items) > pageSize }

// more reports whether there are choices that the present page does not show.
func (l *list) more() bool { return len(l.match) > pageSize }

func (l *list) nextPage() {
	if l.page += pageSize; l.page >= len(l.match) {
		l.page = 0
	}
}

// choice asks for one of the choices.
func (t *talk) choice(ctx context.Context, q flow.Prepared) error {
	l := newList(q, t.walk.Last(q.Step.ID))
	note := q.Choices.Note.String()
	heard := strings.Contains(t.enter(q, l), strings.TrimRight(note, ".")) ||
		slices.ContainsFunc(l.items, func(c flow.Choice) bool { return c.Note == q.Choices.Note })
	if !heard {
		t.say("%s", note)
	}
	t.show(q, l)
	for {
		text, err := t.ask(ctx)
		switch {
		case err != nil:
			return err
		case text == "?":
			t.explain(q.Step)
			t.say("b goes back, q leaves. Type a number, or a name or a part of it to search.")
			l.search("")
			t.show(q, l)
		case text == "b":
			if t.back() {
				return nil
			}
		case text == "m" && l.more():
			l.nextPage()
			t.show(q, l)
		case text == "" && l.enter() >= 0:
			if t.answer(q.Step, l.items[l.enter()]) {
				return nil
			}
		case text == "":
			t.say("Please type the number of your choice.")
		default:
			if i, ok := l.find(text); ok {
				if t.answer(q.Step, l.items[i]) {
					return nil
				}
			} else if name := literal(text); l.search(name) && name != "" {
				t.show(q, l)
			} else {
				t.say("No choice has that number, and no name holds %q.", name)
			}
		}
	}
}

// find is the choice with this number, or with exactly this name or value.
func (l *list) find(text string) (int, bool) {
	if n, err := strconv.Atoi(text); err == nil && n >= 1 && n <= len(l.items) {
		return n - 1, true
	}
	text = literal(text)
	var found []int
	for i, c := range l.items {
		if c.Value == text || strings.EqualFold(c.Label.String(), text) {
			found = append(found, i)
		}
	}
	if len(found) != 1 {
		return 0, false
	}
	return found[0], true
}

// numbers are the choices that were meant, in their order: one by its number or its name, or several by their
// numbers.
func (l *list) numbers(text string) (out []int, ok bool) {
	if i, ok := l.find(text); ok {
		return []int{i}, true
	}
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' }) {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 || n > len(l.items) {
			return nil, false
		}
		out = append(out, n-1)
	}
	slices.Sort(out)
	return slices.Compact(out), len(out) > 0
}

// enter is the index of the choice that Enter takes, or -1. After a search it is the only match:
// what is out of sight must not be taken.
func (l *list) enter() int {
	switch {
	case len(l.match) == len(l.items):
		return l.start
	case len(l.match) == 1:
		return l.match[0]
	}
	return -1
}

// show prints the present page and how to answer.
func (t *talk) show(q flow.Prepared, l *list) {
	if l.more() {
		t.say("Choices %d to %d of %d.", l.page+1, l.page+len(l.shown()), len(l.match))
	}
	for _, i := range l.shown() {
		c := l.items[i]
		row := fmt.Sprintf("%d. %s", i+1, c.Label)
		if c.Recommended {
			row += ", recommended"
		}
		if !c.Note.IsZero() {
			row += ": " + c.Note.String()
		}
		t.say("%s", row)
	}
	how := "Type a number."
	if l.long() {
		how = "Type a number, or type part of a name to search."
	}
	if l.more() {
		how += " m shows more."
	}
	if enter := t.enter(q, l); enter != "" {
		how += " " + enter
	}
	t.say("%s", how)
}

// enter says in words what Enter takes, and why.
func (t *talk) enter(q flow.Prepared, l *list) string {
	i := l.enter()
	if i < 0 {
		return ""
	}
	c := l.items[i]
	out := fmt.Sprintf("Press Enter for %d, %s", i+1, c.Label)
	switch note := q.Choices.Note.String(); {
	case len(l.match) == 1 && len(l.items) > 1:
	case c.Value == t.walk.Last(q.Step.ID):
		out += ", your answer so far"
	case c.Recommended && note != "" && note != c.Note.String():
		out += ", recommended: " + strings.TrimRight(note, ".")
	case c.Recommended:
		out += ", recommended"
	default:
		out += ", the default"
	}
	return out + "."
}

// explain says what a question is about, for somebody who has not met its words.
func (t *talk) explain(s flow.Step) {
	t.say("%s", s.Help)
	if s.More == "" {
		return
	}
	for paragraph := range strings.SplitSeq(s.More, "\n\n") {
		t.say("%s", paragraph)
	}
}
