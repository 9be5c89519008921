package tui

import (
	"fmt"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"charm.land/huh/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/secret"
)

const (
	// many is the number of choices from which the filter is offered.
	many = 8
	// most is how many choices the list holds at one time; the filter reaches the others.
	most = 200
	// longest is how many characters an answer may have.
	longest = 1024
)

// field is a huh form with one field: a Select for choices, an Input for text. The filter is kept
// here, because huh's own searches the escape codes of a styled choice as well.
type field struct {
	form  *huh.Form
	list  *huh.Select[int] // nil for text
	input *huh.Input       // nil for choices

	items []flow.Choice
	index int    // of the chosen item
	from  int    // index before the filter
	text  string // the answer of an Input or Secret

	hidden bool     // the text is a secret
	rest   bool     // there are more choices, which are being read
	seek   string   // the choice to move to as soon as it has been read
	broken error    // why the rest could not be read
	lower  []string // of each item, what the filter looks at
	labels int      // the widest label
	notes  int      // the widest remark

	filtering bool
	filter    string
	matches   []int // the items that fit the filter, by index

	w, rows int  // the size the form was built for
	inline  bool // remarks stand beside the labels
	crowded bool // there are more choices than lines
	built   theme
}

// newField makes the field of a prepared question that starts on the value start.
func newField(m *model, p flow.Prepared, start string) *field {
	f := &field{text: start, w: 40, rows: many, hidden: p.Step.Kind == flow.Secret}
	if f.hidden {
		f.text = ""
	}
	if p.Step.Kind == flow.Select {
		f.add(m, p.Choices)
		if !f.choose(start) {
			f.seek = start
		}
	}
	f.build(m, p.Step)
	return f
}

// add appends choices; those that start the list anew replace what there is.
func (f *field) add(m *model, part flow.Choices) {
	if part.Anew {
		f.seek = f.hovered().Value
		f.items, f.lower, f.matches, f.index, f.labels, f.notes = nil, nil, nil, 0, 0, 0
	}
	from := len(f.items)
	f.items = append(f.items, part.Items...)
	for i := from; i < len(f.items); i++ {
		c := f.items[i]
		f.lower = append(f.lower, strings.ToLower(c.Label.String())+"\n"+strings.ToLower(c.Value))
		f.labels = max(f.labels, ansi.StringWidth(c.Label.String()))
		f.notes = max(f.notes, ansi.StringWidth(f.remark(m, i)))
		if f.fits(i) {
			f.matches = append(f.matches, i)
		}
	}
	f.rest = part.More != nil
	if f.seek != "" && f.choose(f.seek) {
		f.seek = ""
	}
}

// choose moves to the choice with this value; false when there is none.
func (f *field) choose(value string) bool {
	for i, c := range f.items {
		if c.Value == value {
			f.index = i
			return true
		}
	}
	return false
}

// fits reports whether item i passes the filter.
func (f *field) fits(i int) bool { return strings.Contains(f.lower[i], strings.ToLower(f.filter)) }

// build makes the form anew; the answer so far is kept.
func (f *field) build(m *model, s flow.Step) {
	f.built = m.th
	styles := m.th.field
	theme := huh.ThemeFunc(func(bool) *huh.Styles { return styles }) // huh itself never asks for the background
	var one huh.Field
	if s.Kind == flow.Select {
		f.list = huh.NewSelect[int]()
		f.list.WithTheme(theme) // before the options, or huh makes its own theme anew for each of them
		f.list.Options(f.options(m)...).Height(max(1, f.rows)).Value(&f.index)
		one = f.list
	} else {
		echo := huh.EchoModeNormal
		if s.Kind == flow.Secret {
			echo = huh.EchoModePassword
		}
		f.input = huh.NewInput().EchoMode(echo).Prompt(m.th.g.pick + " ").CharLimit(longest).Value(&f.text).Validate(func(text string) error {
			if s.Check == nil {
				return nil
			}
			return s.Check(strings.TrimSpace(text))
		})
		one = f.input
	}
	f.form = huh.NewForm(huh.NewGroup(one)).WithAccessible(false).WithShowHelp(false).WithShowErrors(false).
		WithKeyMap(keymap()).WithWidth(max(4, f.w)).
		WithTheme(theme)
	_ = one.Focus() // the command makes the cursor blink; a calm one is enough
}

// keymap leaves Enter and the movements to huh; the way back and the filter are ours.
func keymap() *huh.KeyMap {
	k := huh.NewDefaultKeyMap()
	off := key.NewBinding(key.WithDisabled())
	k.Quit, k.Input.Prev, k.Select.Prev, k.Select.Filter = off, off, off, off
	k.Select.HalfPageUp = key.NewBinding(key.WithKeys("ctrl+u", "pgup"))
	k.Select.HalfPageDown = key.NewBinding(key.WithKeys("ctrl+d", "pgdown"))
	return k
}

// match finds the items that fit the filter and keeps the chosen one among them.
func (f *field) match() {
	f.matches = f.matches[:0]
	kept := false
	for i := range f.items {
		if f.fits(i) {
			f.matches = append(f.matches, i)
			kept = kept || i == f.index
		}
	}
	if !kept && len(f.matches) > 0 {
		f.index = f.matches[0]
	}
}

// shown are the matches that the list holds: all, or as many as it can with the chosen one first.
func (f *field) shown() []int {
	if len(f.matches) <= most {
		return f.matches
	}
	from := 0
	for i, n := range f.matches {
		if n == f.index && i >= most {
			from = min(i, len(f.matches)-most)
		}
	}
	return f.matches[from : from+most]
}

// measure finds the widest label, and whether all remarks fit beside the labels. It looks at all
// items, so that a filter moves nothing.
func (f *field) measure(w int) (labels int, inline bool) {
	return f.labels, 2+f.labels+2+f.notes <= w
}

// options are the matches as lines: the label, and what is said beside it.
func (f *field) options(m *model) []huh.Option[int] {
	shown := f.shown()
	room := f.w - 2
	var labels int
	labels, f.inline = f.measure(f.w)
	var out []huh.Option[int]
	for _, i := range shown {
		c := f.items[i]
		remark := f.remark(m, i)
		if !f.inline {
			remark = ""
			if c.Recommended {
				remark = "recommended"
			}
		}
		label, line := c.Label.String(), ""
		if remark == "" {
			line = m.th.cut(label, room)
		} else {
			w := min(labels, max(room/2, room-2-ansi.StringWidth(remark)))
			// The reset ends the style that huh gives to the chosen line.
			line = m.th.pad(label, w) + "\x1b[m  " + m.th.dim.Render(m.th.cut(remark, room-w-2))
		}
		out = append(out, huh.NewOption(line, i))
	}
	return out
}

// remark is what stands beside a label.
func (f *field) remark(m *model, i int) string {
	c := f.items[i]
	switch {
	case !c.Recommended:
		return c.Note.String()
	case c.Note.IsZero():
		return "recommended"
	}
	return "recommended " + m.th.g.dot + " " + c.Note.String()
}

// fit makes the field w cells wide and, for choices, rows lines high.
func (f *field) fit(m *model, s flow.Step, w, rows int) {
	if f.w == w && f.rows == rows && f.built.field == m.th.field {
		return
	}
	f.w, f.rows = w, rows
	f.build(m, s)
}

// update passes a message to huh. It reports whether the answer is complete.
func (f *field) update(m *model, s flow.Step, msg tea.Msg) (cmd tea.Cmd, complete bool) {
	if f.list != nil && f.filtered(m, s, msg) {
		return nil, false
	}
	if f.list != nil && len(f.matches) == 0 {
		return nil, false
	}
	_, cmd = f.form.Update(msg)
	if f.list != nil {
		if i, ok := f.list.Hovered(); ok {
			f.index = i // huh forgets to, when it jumps to the end
		}
	}
	if k, ok := msg.(tea.KeyPressMsg); ok && k.String() != "enter" {
		cmd = nil // a blinking cursor, or a program that reads the clipboard
	}
	if _, ok := msg.(tea.PasteMsg); ok {
		cmd = nil
	}
	return cmd, f.form.State == huh.StateCompleted
}

// filtered handles what belongs to the filter and reports whether that was all.
func (f *field) filtered(m *model, s flow.Step, msg tea.Msg) bool {
	before := f.filter
	switch msg := msg.(type) {
	case tea.PasteMsg:
		if !f.filtering {
			return true
		}
		f.filter += display.Clean(msg.Content).String()
	case tea.KeyPressMsg:
		name := msg.String()
		switch {
		case !f.filtering && name == "/" && len(f.items) > many:
			f.filtering, f.from = true, f.index
			return true
		case f.filtering && name == "backspace":
			if r := []rune(f.filter); len(r) > 0 {
				f.filter = string(r[:len(r)-1])
			} else {
				f.filtering = false
			}
		case f.filtering && msg.Text != "":
			f.filter += display.Clean(msg.Text).String()
			if msg.Text == " " {
				f.filter += " "
			}
		default:
			return false
		}
	default:
		return false
	}
	if f.filter != before {
		f.match()
		f.build(m, s)
	}
	return true
}

// clear takes the filter away, and what it chose; it reports whether there was one.
func (f *field) clear(m *model, s flow.Step) bool {
	if !f.filtering && f.filter == "" {
		return false
	}
	f.filtering, f.filter, f.index = false, "", f.from
	f.match()
	f.build(m, s)
	return true
}

// value is what was chosen or typed so far, as text.
func (f *field) value() string {
	if f.list != nil {
		return f.hovered().Value
	}
	return strings.TrimSpace(f.text)
}

// answer is what was chosen or typed.
func (f *field) answer() flow.Choice {
	if f.list != nil {
		return f.items[f.index]
	}
	text := strings.TrimSpace(f.text)
	if f.input != nil && f.hidden {
		f.text = ""
		return flow.Hidden(secret.New([]byte(text)))
	}
	return flow.Choice{Value: text, Label: display.Clean(text)}
}

// hovered is the choice under the cursor; the zero Choice where there is none.
func (f *field) hovered() flow.Choice {
	if f.list == nil || len(f.matches) == 0 {
		return flow.Choice{}
	}
	return f.items[f.index]
}

// err is what huh has against the answer.
func (f *field) err() error {
	if f.input != nil {
		return f.input.Error()
	}
	return nil
}

// view draws the field itself.
func (f *field) view(m *model) []string {
	if f.list == nil {
		return strings.Split(f.input.View(), "\n")
	}
	if len(f.matches) == 0 {
		return []string{m.th.dim.Render("Nothing fits.")}
	}
	lines := strings.Split(f.list.View(), "\n")
	return lines[:min(len(lines), f.rows)]
}

// so says that the list is not whole yet.
func (f *field) so(m *model) string {
	switch {
	case f.broken != nil:
		return " so far; r reads on"
	case f.rest:
		return " so far" + m.th.g.more
	}
	return ""
}

// status is the line under a long list: the filter, and how much of the list can be seen.
func (f *field) status(m *model) string {
	count := fmt.Sprintf("%d of %d%s", len(f.matches), len(f.items), f.so(m))
	switch {
	case f.filtering || f.filter != "":
		cursor := ""
		if f.filtering {
			cursor = m.th.accent.Reverse(true).Render(" ")
		}
		return m.th.accent.Bold(true).Render("/ ") + f.filter + cursor + m.th.dim.Render("   "+count)
	case len(f.matches) > most:
		return m.th.dim.Render(fmt.Sprintf("%d choices%s, / finds one", len(f.items), f.so(m)))
	case len(f.items) > many, f.crowded, f.rest:
		return m.th.dim.Render(fmt.Sprintf("%d choices%s", len(f.items), f.so(m)))
	}
	return ""
}
