package tui

import (
	"context"
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/ui"
)

// Home shows the overview until the person leaves it. next is what has to be done then; nil for nothing.
func Home(ctx context.Context, h ui.Home, o Options) (next func(context.Context) error, out ui.Outcome, err error) {
	m := forHome(ctx, h, o)
	out, err = m.run(ctx, o)
	return m.after, out, err
}

func forHome(ctx context.Context, h ui.Home, o Options) *model {
	m := newModel(ctx, &overview{}, o)
	m.home, m.title, m.sandbox = &h, h.Title, h.Sandbox
	return m
}

// up leads back to the overview, or out of the program where there is none.
func (m *model) up() tea.Cmd {
	if m.home == nil {
		return m.leave()
	}
	m.title = m.home.Title
	return m.open(&overview{start: m.place})
}

func upwards(m *model) (tea.Cmd, bool) { return m.up(), true }

// overview shows every setup, and on its second page the Workspaces without one.
type overview struct {
	start  string // the setup to begin on
	wait   waiting
	ready  bool
	found  ui.Overview
	table  table
	others marks
	second bool // the Workspaces are shown
}

// overviewMsg is what Home.Find returned.
type overviewMsg struct {
	found ui.Overview
	err   error
}

func (o *overview) init(m *model) tea.Cmd {
	o.wait = waiting{what: ui.Looking}
	find := m.home.Find
	return m.work(func(ctx context.Context) tea.Msg {
		found, err := find(ctx)
		return overviewMsg{found, err}
	})
}

func (o *overview) update(m *model, msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tickMsg:
		if !o.ready {
			return o.wait.turn(m)
		}
	case overviewMsg:
		m.out.Err = msg.err
		if msg.err != nil {
			return m.open(&failure{err: msg.err, first: true, retry: func(m *model) tea.Cmd { return m.open(&overview{}) }})
		}
		o.ready, o.found, m.quiet = true, msg.found, m.now()
		o.table, o.others = newTable(msg.found.Setups, m.now()), newMarks(msg.found.Without)
		for i, s := range msg.found.Setups {
			if s.Name == o.start {
				o.table.cursor = i
			}
		}
	case tea.PasteMsg:
		o.list().update(msg)
	case tea.KeyPressMsg:
		return o.key(m, msg)
	}
	return nil
}

// list is the list on the present page.
func (o *overview) list() *finder {
	if o.second {
		return &o.others.finder
	}
	return &o.table.finder
}

func (o *overview) key(m *model, k tea.KeyPressMsg) tea.Cmd {
	name := k.String()
	m.not = ""
	switch {
	case !o.ready:
		if name == "q" {
			return m.leave()
		}
		return nil
	case !o.typing() && (name == "tab" || name == "shift+tab") && len(o.found.Without) > 0:
		o.second = !o.second
		return nil
	case o.second && !o.typing() && (name == "space" || name == "enter"):
		o.others.toggle()
		return nil
	case name == "enter" && o.typing():
		o.list().filtering = false
		return nil
	case o.list().update(k):
		return nil
	case name == "s" && m.home.SetUp != nil:
		var picked []setup.Ref
		if o.second {
			picked = o.others.picked()
		}
		begin := m.home.SetUp
		m.after = func(ctx context.Context) error { return begin(ctx, picked) }
		return m.leave()
	case name == "q":
		return m.leave()
	}
	s, ok := o.table.current()
	if o.second || !ok {
		return nil
	}
	if name == "enter" {
		return m.open(&one{setup: s})
	}
	return m.act(s, name)
}

// act does what a key means for a setup; the actions that are not there have none.
func (m *model) act(s ui.Setup, key string) tea.Cmd {
	m.place = s.Name
	for _, a := range m.home.Actions(s) {
		if a.Key == key {
			return m.do(s, a)
		}
	}
	return nil
}

// do begins an action on a setup.
func (m *model) do(s ui.Setup, a ui.Action) tea.Cmd {
	switch {
	case a.Not != "":
		m.not = a.Not
		return nil
	case a.Removal != nil:
		r := a.Removal()
		m.title = r.Title
		return m.open(&remove{removal: r})
	case a.Rotation != nil:
		m.rotation = a.Rotation()
		m.title = m.rotation.Title
		return m.open(&setups{})
	case a.Verify != nil:
		return m.open(&verify{setup: s, ask: a.Verify})
	}
	m.after = a.After
	return m.leave()
}

func (o *overview) typing() bool { return o.ready && o.list().filtering }

// head is how many lines stand above the list.
func (o *overview) head(h int) int {
	switch {
	case h < 5:
		return 0
	case h < 12:
		return 1
	case o.second:
		return 4
	}
	return 2
}

// reason says below a list or a menu of h lines why what was asked for cannot be done.
func (m *model) reason(w, h int) []string {
	out := each(wrap(m.not, min(w, 100)), m.th.warn)
	if len(out) > 0 && h >= 16 {
		out = append([]string{""}, out...)
	}
	return out[:min(len(out), max(0, h-2))]
}

func (o *overview) fit(m *model, w, h int) {
	h -= len(m.reason(w, h))
	if h = max(1, h-o.head(h)); o.second {
		o.others.fit(h)
	} else {
		o.table.fit(w, h)
	}
}

func (o *overview) view(m *model, w, h int) []string {
	if !o.ready {
		return o.wait.view(m.th)
	}
	not := m.reason(w, h)
	h -= len(not)
	out := o.lists(m, w, h)
	return append(append(out, make([]string, max(0, h-len(out)))...), not...)
}

// lists are the page that is shown, in h lines.
func (o *overview) lists(m *model, w, h int) []string {
	what := m.th.dim.Render(m.th.cut("Space or enter picks one or several; s sets them up, one after the other.", w))
	out := []string{o.pages(m, w), "", what, ""}[:o.head(h)]
	if o.second {
		return append(out, o.others.view(m, w, h-len(out))...)
	}
	if len(o.found.Setups) == 0 {
		return append(out, each(wrap("There is no setup yet. Press s to make one.", w), m.th.dim)...)
	}
	return append(out, o.table.view(m, w, h-len(out))...)
}

// pages are the titles of the two pages, the present one marked, and what needs somebody.
func (o *overview) pages(m *model, w int) string {
	title := func(words string, here bool) string {
		if here {
			return m.th.accent.Bold(true).Underline(true).UnderlineSpaces(true).Render(words)
		}
		return m.th.dim.Render(words)
	}
	line := title(ui.Count(len(o.found.Setups), "setup"), !o.second)
	if n := len(o.found.Without); n > 0 {
		without := title(ui.Count(n, "Workspace")+" without a credential", o.second)
		switch both := line + "   " + without; {
		case width(both) <= w:
			line = both
		case o.second: // half of a title would say something else
			line = without
		}
	}
	var needs []string
	for _, n := range o.found.Needs() {
		needs = append(needs, m.th.mark(n.Health)+" "+m.th.health(n.Health).Render(n.Says))
	}
	right := strings.Join(needs, "  ")
	if room := w - width(line) - width(right); right != "" && room >= 3 {
		line += strings.Repeat(" ", room) + right
	}
	return m.th.cut(line, w)
}

func (o *overview) keys(m *model) []keyHint {
	switch {
	case !o.ready:
		return []keyHint{{"q", "leave"}}
	case o.typing():
		return []keyHint{{"enter", "keep"}, {"esc", "show all"}}
	}
	var keys []keyHint
	if o.second {
		keys = append(keys, keyHint{"space enter", "pick"})
		if m.home.SetUp != nil {
			does := "set up"
			if n := len(o.others.picked()); n > 1 {
				does = fmt.Sprintf("set up these %d", n)
			}
			keys = append(keys, keyHint{"s", does})
		}
		return append(keys, keyHint{"/", "find"}, keyHint{"tab", "setups"}, keyHint{"q", "leave"})
	}
	if m.home.SetUp != nil {
		keys = append(keys, keyHint{"s", "set up"})
	}
	s, ok := o.table.current()
	if ok {
		for _, a := range m.home.Actions(s) {
			if a.Not == "" {
				keys = append(keys, keyHint{a.Key, a.Does})
			}
		}
	}
	if ok {
		keys = append(keys, keyHint{"enter", "more"})
	}
	keys = append(keys, keyHint{"/", "find"})
	if len(o.found.Without) > 0 {
		keys = append(keys, keyHint{"tab", "Workspaces"})
	}
	return append(keys, keyHint{"q", "leave"})
}

func (o *overview) signs(m *model) [][2]string {
	if !o.ready || o.second {
		return nil
	}
	return m.th.signs()
}

// moves are the keys that have no room at the bottom.
func (o *overview) moves(m *model) []keyHint {
	if !o.ready || o.typing() {
		return nil
	}
	return []keyHint{{m.th.g.pages, "move; home and end do as well"}}
}

// marks is a list of Workspaces of which several can be picked.
type marks struct {
	finder
	rows []setup.Ref
	on   map[int]bool
}

func newMarks(rows []setup.Ref) marks {
	k := marks{finder: finder{search: make([]string, len(rows))}, rows: rows, on: map[int]bool{}}
	for i, r := range rows {
		k.search[i] = strings.ToLower(r.String() + "\n" + r.ID)
	}
	k.match()
	return k
}

func (k *marks) toggle() {
	if i, ok := k.at(); ok {
		k.on[i] = !k.on[i]
	}
}

// picked are the Workspaces that were picked, or else the one under the cursor.
func (k *marks) picked() (out []setup.Ref) {
	for i, r := range k.rows {
		if k.on[i] {
			out = append(out, r)
		}
	}
	if i, ok := k.at(); ok && len(out) == 0 {
		out = append(out, k.rows[i])
	}
	return out
}

func (k *marks) foot(h int) int {
	if h >= 2 && (k.filtering || k.filter != "" || len(k.rows) > h) {
		return 1
	}
	return 0
}

func (k *marks) fit(h int) { k.finder.fit(max(1, h-k.foot(h))) }

func (k *marks) view(m *model, w, h int) (out []string) {
	for i, to := k.shown(); i < to; i++ {
		n := k.matches[i]
		pick, style, box := "  ", m.th.dim.UnsetForeground(), m.th.dim.Render("[ ]")
		if i == k.cursor {
			pick, style = m.th.accent.Bold(true).Render(m.th.g.pick+" "), m.th.accent.Bold(true)
		}
		if k.on[n] {
			box = m.th.accent.Render("[x]")
		}
		out = append(out, pick+box+" "+style.Render(m.th.cut(k.rows[n].String(), w-6)))
	}
	if len(k.matches) == 0 {
		out = append(out, "    "+m.th.dim.Render("Nothing fits."))
	}
	if k.foot(h) > 0 {
		out = append(out, make([]string, max(0, h-1-len(out)))...)
		out = append(out, k.status(m))
	}
	return out
}
