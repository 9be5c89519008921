package tui

import (
	"fmt"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/astro-ci/astro-ci/internal/ui"
)

// table is a list of setups with as many columns as there is room for; what does not fit stands below,
// for the one under the cursor. Only the rows that can be seen are drawn.
type table struct {
	finder
	rows    []ui.Setup
	now     time.Time
	natural [colCount]int
	longest [colCount]int // of each column the longest text; of the targets, one of them
	targets int           // the most that a row has
}

// The columns, in the order in which they stand.
const (
	colName = iota
	colWorkspace
	colCredential
	colEnd
	colUsed
	colTargets
	colHealth
	colCount
)

// A column has a title, the least width that says something, the one that a further column must leave it,
// and the greatest. Those that matter most come first in urgency.
var (
	titles   = [colCount]string{"Setup", "Workspace", "Credential", "Token ends in", "Last used", "Targets", "State"}
	least    = [colCount]int{12, 12, 20, 14, 14, 7, 16}
	decent   = [colCount]int{20, 14, 20, 20, 14, 7, 30}
	greatest = [colCount]int{44, 30, 22, 22, 14, 7, 64}
	urgency  = [colCount]int{colName, colEnd, colHealth, colUsed, colWorkspace, colTargets, colCredential}
)

const between = 2 // cells between two columns

func newTable(rows []ui.Setup, now time.Time) table {
	t := table{rows: rows, now: now, finder: finder{search: make([]string, len(rows))}}
	for c := range colCount {
		t.natural[c] = min(ansi.StringWidth(titles[c]), greatest[c])
	}
	for i, s := range rows {
		t.search[i] = strings.ToLower(s.Name + "\n" + s.Workspace.String() + "\n" + s.Credential.String() + "\n" + strings.Join(s.Targets, "\n"))
		for _, c := range []int{colName, colWorkspace, colCredential, colHealth} {
			t.longest[c] = max(t.longest[c], ansi.StringWidth(t.text(s, c)))
			t.natural[c] = min(max(t.natural[c], t.longest[c]), greatest[c])
		}
		for _, target := range s.Targets {
			t.longest[colTargets] = max(t.longest[colTargets], ansi.StringWidth(target))
		}
		t.targets = max(t.targets, len(s.Targets))
	}
	for _, c := range []int{colEnd, colUsed} {
		t.longest[c], t.natural[c] = greatest[c], greatest[c]
	}
	t.match()
	return t
}

// text is a cell as plain words.
func (t *table) text(s ui.Setup, column int) string {
	switch column {
	case colName:
		return s.Name
	case colWorkspace:
		return s.Workspace.String()
	case colCredential:
		return s.Credential.String()
	case colEnd:
		return s.Left(t.now)
	case colUsed:
		return ui.Ago(s.Used, t.now)
	case colTargets:
		return fmt.Sprint(len(s.Targets))
	}
	return s.Says.String()
}

// gauge is what is left of a whole, w cells wide.
func (t theme) gauge(part float64, w int, style lipgloss.Style) string {
	full := min(w, max(0, int(part*float64(w)+0.5)))
	if part > 0 && full == 0 {
		full = 1
	}
	return style.Render(strings.Repeat(t.g.full, full)) + t.rule.Render(strings.Repeat(t.g.gone, w-full))
}

// life is what is left of a token's life as a bar, in the colour of its health.
func (t theme) life(s ui.Setup, now time.Time, w int) string {
	part := 0.0
	switch whole := s.Ends.Sub(s.Made); {
	case s.Made.IsZero():
	case s.Ends.IsZero():
		part = 1
	case whole > 0:
		part = float64(s.Ends.Sub(now)) / float64(whole)
	}
	return t.gauge(part, w, t.health(s.Health))
}

func (t theme) health(h ui.Health) lipgloss.Style {
	switch h {
	case ui.Fine:
		return t.good
	case ui.Busy:
		return t.accent
	case ui.Due:
		return t.warn
	case ui.Bad:
	}
	return t.bad
}

// mark is the health as a sign, so that it is not said by colour alone.
func (t theme) mark(h ui.Health) string {
	sign := map[ui.Health]string{ui.Fine: t.g.done, ui.Busy: t.g.now, ui.Due: t.g.warn, ui.Bad: t.g.failed}[h]
	return t.health(h).Render(sign)
}

// signs say what the marks and the words of the list mean.
func (t theme) signs() [][2]string {
	return [][2]string{
		{t.mark(ui.Fine), "in order"},
		{t.mark(ui.Due), "due: replace the token soon, it still works"},
		{t.mark(ui.Busy), "begun and not finished"},
		{t.mark(ui.Bad), "needs you: the words beside it say why"},
		{"due on", "the day from which the token should be replaced, when two thirds of its life are over"},
		{"ends in", "how long the token still works; the bar is what is left of its life"},
	}
}

// current is the setup under the cursor.
func (t *table) current() (ui.Setup, bool) {
	i, ok := t.at()
	if !ok {
		return ui.Setup{}, false
	}
	return t.rows[i], true
}

// widths shares w cells among the columns; 0 leaves one out.
func (t *table) widths(w int) (out [colCount]int) {
	out[colName] = max(1, min(least[colName], t.natural[colName], w))
	room := w - out[colName]
	grow := func(limit [colCount]int) {
		for _, c := range urgency {
			if more := min(room, min(limit[c], t.natural[c])-out[c]); out[c] > 0 && more > 0 {
				out[c] += more
				room -= more
			}
		}
	}
	for _, c := range urgency[1:] {
		width := min(least[c], t.natural[c])
		if width+between > room {
			break
		}
		out[c] = width
		room -= width + between
		if c != colEnd {
			grow(decent)
		}
	}
	grow(greatest)
	return out
}

// details is how many lines may be said about a row, whichever it is: the list does not change its height while
// the cursor moves.
func (t *table) details(w int) int {
	cols := t.widths(w - 4)
	room := max(1, min(w, 100)-4-ansi.StringWidth(titles[colEnd])-2)
	lines := func(cells int) int {
		if cells <= room {
			return 1
		}
		return cells/room + 2 // words leave a part of each line free
	}
	out := 2 // above them
	for _, c := range urgency {
		if c != colTargets && t.longest[c] > 0 && (cols[c] == 0 || c != colEnd && t.longest[c] > cols[c]) {
			out += lines(t.longest[c])
		}
	}
	return out + t.targets*lines(t.longest[colTargets])
}

// parts share h lines: the title of the columns, the rows, a line for the filter, and what is said about
// the row under the cursor.
func (t *table) parts(w, h int) (head, rows, foot, about int) {
	if h >= 4 {
		head = 1
	}
	if h >= 12 {
		about = min(8, h/2, t.details(w))
	}
	spare := h - head - max(1, len(t.rows))
	if t.filtering || t.filter != "" {
		spare--
	}
	if spare >= 4 { // nothing else needs these lines
		about = max(about, spare)
	}
	if t.filtering || t.filter != "" || len(t.rows) > h-head-about {
		foot = min(1, h-1)
	}
	return head, max(1, h-head-foot-about), foot, about
}

func (t *table) fit(w, h int) {
	_, rows, _, _ := t.parts(w, h)
	t.finder.fit(rows)
}

func (t *table) view(m *model, w, h int) (out []string) {
	head, _, foot, about := t.parts(w, h)
	cols := t.widths(w - 4)
	if head > 0 {
		out = append(out, "    "+m.th.dim.Render(t.line(cols, func(c, w int) string { return m.th.pad(titles[c], w) })))
	}
	for i, to := t.shown(); i < to; i++ {
		out = append(out, t.row(m, cols, i))
	}
	if len(t.matches) == 0 {
		out = append(out, "    "+m.th.dim.Render("Nothing fits."))
	}
	if about > 0 {
		out = append(out, t.about(m, cols, w, about)...)
	}
	if foot > 0 {
		out = append(out, make([]string, max(0, h-foot-len(out)))...)
		out = append(out, t.status(m))
	}
	return out
}

func (t *table) line(cols [colCount]int, cell func(c, w int) string) string {
	var b strings.Builder
	for c, w := range cols {
		if w == 0 {
			continue
		}
		if c != colName {
			b.WriteString(strings.Repeat(" ", between))
		}
		b.WriteString(cell(c, w))
	}
	return strings.TrimRight(b.String(), " ")
}

func (t *table) row(m *model, cols [colCount]int, i int) string {
	s, here := t.rows[t.matches[i]], i == t.cursor
	pick, strong := "  ", m.th.dim.UnsetForeground()
	if here {
		pick, strong = m.th.accent.Bold(true).Render(m.th.g.pick+" "), m.th.accent.Bold(true)
	}
	return pick + m.th.mark(s.Health) + " " + t.line(cols, func(c, w int) string {
		switch c {
		case colName:
			return strong.Render(m.th.pad(s.Name, w))
		case colEnd:
			words := s.Left(t.now)
			bar := max(0, w-10)
			return m.th.life(s, t.now, bar) + m.th.pad(" "+words, w-bar)
		case colHealth:
			if s.Health == ui.Fine {
				return m.th.dim.Render(m.th.cut(s.Says.String(), w))
			}
			return m.th.health(s.Health).Render(m.th.cut(s.Says.String(), w))
		}
		return m.th.dim.Render(m.th.pad(t.text(s, c), w))
	})
}

// about says of the row under the cursor what its columns do not.
func (t *table) about(m *model, cols [colCount]int, w, h int) []string {
	s, ok := t.current()
	if !ok {
		return nil
	}
	var rows [][2]string
	for _, c := range urgency {
		if text := t.text(s, c); c != colTargets && (cols[c] == 0 || c != colEnd && ansi.StringWidth(text) > cols[c]) && text != "" {
			rows = append(rows, [2]string{titles[c], text})
		}
	}
	name := "Targets"
	for _, target := range s.Targets {
		rows = append(rows, [2]string{name, target})
		name = ""
	}
	lines := m.th.pairs(rows, min(w, 100)-4)
	if len(lines) > h-2 {
		lines = append(lines[:max(0, h-3)], m.th.dim.Render(m.th.g.more))
	}
	out := []string{"", m.th.rule.Render(strings.Repeat(m.th.g.line, w))}
	for _, l := range lines {
		out = append(out, "    "+l)
	}
	return out
}
