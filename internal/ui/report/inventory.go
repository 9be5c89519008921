package report

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/inventory"
	"github.com/astro-ci/astro-ci/internal/ui"
)

// Look is how a table is shown.
type Look struct {
	UTF8  bool // the terminal shows more than ASCII
	Plain bool // words instead of bars
	All   bool // every token, also those about which there is nothing to say
	Width int  // of a line, in cells; 0 is 80
}

const (
	tableWidth = 80
	barWidth   = 10
	// advised is how many tokens of others that need nobody are shown unless all are asked for.
	advised = 20
)

// Inventory prints what there is: the setups of this computer, what else there is something to say
// about, and how many tokens are left.
func Inventory(w io.Writer, v inventory.Inventory, look Look) {
	p := &table{w, look, v.At}
	var ours, others []inventory.Item
	quiet, advice := 0, 0
	for _, i := range v.Items {
		switch {
		case i.Whose == inventory.Ours:
			ours = append(ours, i)
		case len(i.Findings) == 0 && !look.All:
			quiet++
		case !i.Person() && !look.All && len(others) >= advised:
			advice++
		default:
			others = append(others, i)
		}
	}
	if len(ours) == 0 {
		say(w, "This computer knows no setup.")
	} else {
		p.rows("SETUP", ours)
	}
	if len(others) > 0 {
		say(w, "")
		p.rows("OTHER TOKEN", others)
	}
	p.rest(v, quiet, advice)
}

func (p *table) rest(v inventory.Inventory, quiet, advice int) {
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	if advice > 0 {
		add("There is advice on %s more.", ui.Count(advice, "token"))
	}
	if quiet > 0 {
		add("%s more, about which there is nothing to say.", ui.Count(quiet, "token"))
	}
	if quiet+advice > 0 {
		lines[len(lines)-1] += " See all of them with: astro-ci status --all"
	}
	if len(v.Bare) > 0 {
		var names []string
		for _, r := range v.Bare[:min(8, len(v.Bare))] {
			names = append(names, p.cut(r.String(), 40))
		}
		if more := len(v.Bare) - len(names); more > 0 {
			names = append(names, fmt.Sprintf("and %d more", more))
		}
		add("Workspaces without a token of their own or of a Deployment in them: %s. Tokens of the Organization do not count here.", strings.Join(names, ", "))
	}
	lines = append(lines, v.Unknown...)
	if n := len(slices.DeleteFunc(slices.Clone(v.Items), func(i inventory.Item) bool { return !i.Person() })); n > 0 {
		add("%d of these %s somebody; the lines begin with an exclamation mark.", n, map[bool]string{true: "needs", false: "need"}[n == 1])
	}
	if len(lines) > 0 {
		say(p.w, "")
	}
	for _, l := range lines {
		p.lines("", l)
	}
}

// table prints items, two or more lines each.
type table struct {
	w    io.Writer
	look Look
	now  time.Time
}

func (p *table) rows(title string, all []inventory.Item) {
	p.row(title, "LEFT", "ENDS", "LAST USED", "STATE")
	told := map[string]bool{} // setups that are shown: of one that rotates there are several tokens
	for _, i := range together(all) {
		name, left, end, last := i.Setup, "", "", ""
		if t := i.Token; t != nil {
			left, end, last = p.left(*t), "never", p.used(*t)
			if !t.EndAt.IsZero() {
				end = display.Day(t.EndAt)
			}
			if i.Whose != inventory.Ours {
				name = t.Name.String()
			}
		}
		state := i.State()
		if again := i.Whose == inventory.Ours && told[i.Setup]; again {
			name = ""
			if len(i.Findings) == 0 { // the setup's own state stands above
				state = ""
			}
		}
		p.row(name, left, end, last, state)
		if t := i.Token; t != nil {
			p.lines("  ", strings.TrimSuffix(t.ID+", "+i.On+", "+t.On().Role, ", "))
		}
		for _, x := range i.Targets {
			if told[i.Setup] && i.Whose == inventory.Ours {
				break
			}
			if i.Pipeline != "" {
				x += map[bool]string{true: " → ", false: " -> "}[p.look.UTF8] + i.Pipeline
			}
			p.lines("  ", x)
		}
		told[i.Setup] = true
		for _, f := range i.Findings {
			mark, text := "- ", f.Say
			if f.Person {
				mark = "! "
			}
			own := f.Next != "" // a command is not broken in two
			if line := text + ": " + f.Next; own && ansi.StringWidth(line) <= cmp.Or(p.look.Width, tableWidth)-4 {
				text, own = line, false
			}
			p.lines("  "+mark, text)
			if own {
				p.lines("    ", f.Next)
			}
		}
	}
}

// together puts what is of one setup below its gravest item.
func together(all []inventory.Item) (out []inventory.Item) {
	of := map[string][]inventory.Item{}
	for _, i := range all {
		if i.Whose == inventory.Ours {
			of[i.Setup] = append(of[i.Setup], i)
		}
	}
	for _, i := range all {
		if i.Whose != inventory.Ours {
			out = append(out, i)
			continue
		}
		out = append(out, of[i.Setup]...)
		delete(of, i.Setup)
	}
	return out
}

func (p *table) row(cells ...string) {
	widths := []int{24, barWidth, 10, 12, 16}
	var line strings.Builder
	for i, c := range cells {
		c = p.cut(c, widths[i])
		line.WriteString(c + strings.Repeat(" ", widths[i]-ansi.StringWidth(c)+2))
	}
	say(p.w, "%s", strings.TrimRight(line.String(), " "))
}

// lines prints text behind a prefix, in as many lines as it takes.
func (p *table) lines(prefix, text string) {
	room := max(10, cmp.Or(p.look.Width, tableWidth)-len(prefix))
	for _, l := range ui.Fold(text, room) {
		say(p.w, "%s%s", prefix, strings.TrimRight(l, " "))
		prefix = strings.Repeat(" ", len(prefix))
	}
}

func (p *table) cut(s string, cells int) string {
	return ansi.Truncate(s, cells, map[bool]string{true: "…", false: "..."}[p.look.UTF8])
}

// left is how much of a token's life is left.
func (p *table) left(t astro.Token) string {
	life := t.EndAt.Sub(t.CreatedAt)
	if t.EndAt.IsZero() || life <= 0 {
		return ""
	}
	share := min(1, max(0, float64(t.EndAt.Sub(p.now))/float64(life)))
	if p.look.Plain {
		return fmt.Sprintf("%d%%", int(share*100))
	}
	full, empty := "#", "-"
	if p.look.UTF8 {
		full, empty = "█", "░"
	}
	n := int(math.Round(share * barWidth))
	if share > 0 {
		n = max(1, n)
	}
	return strings.Repeat(full, n) + strings.Repeat(empty, barWidth-n)
}

func (p *table) used(t astro.Token) string {
	switch d := p.now.Sub(t.Used()); {
	case t.Used().IsZero():
		return "never"
	case d < 24*time.Hour:
		return "within a day"
	case d < 999*24*time.Hour:
		return days(d) + " ago"
	}
	return display.Day(t.Used())
}

// The names below stay the same from version to version; docs/status.md describes them.
type (
	inventoryObject struct {
		At           time.Time     `json:"at"`
		Asked        bool          `json:"asked"`
		Whole        bool          `json:"whole"`
		Person       bool          `json:"person"`
		Organization *namedObject  `json:"organization"`
		Items        []itemObject  `json:"items"`
		Bare         []namedObject `json:"workspacesWithoutToken"`
		Unknown      []string      `json:"unknown"`
		Error        *ErrorObject  `json:"error,omitempty"`
	}
	namedObject struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}
	itemObject struct {
		Setup    string          `json:"setup"`
		Whose    inventory.Whose `json:"whose"`
		State    string          `json:"state"`
		Person   bool            `json:"person"`
		Token    *tokenObject    `json:"token"`
		On       string          `json:"on"`
		Targets  []string        `json:"targets"`
		Pipeline string          `json:"pipeline"`
		DueAt    *time.Time      `json:"dueAt"`
		Findings []findingObject `json:"findings"`
	}
	findingObject struct {
		Key    inventory.Key `json:"key"`
		Say    string        `json:"say"`
		Next   string        `json:"next"`
		Person bool          `json:"person"`
	}
)

// InventoryJSON prints all of it as one object; failed is why Astro could not be asked, or nil.
func InventoryJSON(w io.Writer, v inventory.Inventory, failed error) error {
	out := inventoryObject{
		At: v.At.UTC(), Asked: v.Asked, Whole: v.Whole, Person: v.Person(), Items: []itemObject{}, Bare: []namedObject{},
		Unknown: append([]string{}, v.Unknown...), Error: ErrorOf(failed),
	}
	if o := v.Organization; o.ID != "" {
		out.Organization = &namedObject{o.ID, o.Name.String()}
	}
	for _, r := range v.Bare {
		out.Bare = append(out.Bare, namedObject{r.ID, r.Name.String()})
	}
	for _, i := range v.Items {
		x := itemObject{
			Setup: i.Setup, Whose: i.Whose, State: i.State(), Person: i.Person(), On: i.On, Targets: append([]string{}, i.Targets...), Pipeline: i.Pipeline,
			DueAt: timeOf(i.DueAt), Findings: []findingObject{},
		}
		if i.Token != nil {
			t := objectOf(*i.Token, v.At)
			x.Token = &t
		}
		for _, f := range i.Findings {
			x.Findings = append(x.Findings, findingObject(f))
		}
		out.Items = append(out.Items, x)
	}
	return encode(w, out)
}
