package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/astro-ci/astro-ci/internal/doctor"
)

// Doctor prints the rows in their groups, in lines of so many cells. What needs somebody begins with an
// exclamation mark, and is told at the end, where it is seen.
func Doctor(w io.Writer, rows []doctor.Row, width int) {
	p := &table{w: w, look: Look{Width: width}}
	counts := map[doctor.State]int{}
	group := doctor.Group("")
	for _, r := range rows {
		if r.Group != group {
			if group != "" {
				say(w, "")
			}
			group = r.Group
			say(w, "%s", strings.ToUpper(string(group)))
		}
		counts[r.State]++
		switch r.State {
		case doctor.OK:
			p.lines("  ok        ", oneLine(r.Subject+": "+r.Reason))
		case doctor.Stale:
			p.lines("! needs you ", oneLine(r.Subject))
		default:
			p.lines("  unknown   ", oneLine(r.Subject+": "+r.Reason))
			if r.Next != "" {
				p.lines("            -> ", oneLine(r.Next))
			}
		}
	}
	if counts[doctor.Stale] > 0 {
		say(w, "\nWHAT NEEDS YOU")
	}
	for _, r := range rows {
		if r.State == doctor.Stale {
			p.entry("", true, r.Subject, r.Reason, r.Next)
		}
	}
	if len(rows) > 0 {
		say(w, "")
	}
	person := "nothing needs you"
	if n := counts[doctor.Stale]; n > 0 {
		person = fmt.Sprintf("%d needs you", n)
		if n > 1 {
			person = fmt.Sprintf("%d need you", n)
		}
	}
	say(w, "%d ok, %d unknown, %s.", counts[doctor.OK], counts[doctor.Unknown], person)
}

// entry prints one thing that was looked at: its state and name, the reason, and what to do.
func (p *table) entry(state string, person bool, subject, reason, next string) {
	mark := " "
	if person {
		mark = "!"
	}
	head := mark + " "
	if state != "" {
		head = fmt.Sprintf("%s %-8s ", mark, state)
	}
	p.lines(head, oneLine(subject))
	under := strings.Repeat(" ", len(head))
	p.lines(under, oneLine(reason))
	if next != "" {
		p.lines(under+"-> ", oneLine(next))
	}
}

// DoctorJSON prints the same as one object; docs/doctor.md describes it.
func DoctorJSON(w io.Writer, rows []doctor.Row) error {
	return encode(w, struct {
		Person bool         `json:"person"`
		Rows   []doctor.Row `json:"rows"`
	}{doctor.Person(rows), append([]doctor.Row{}, rows...)})
}

// Verified prints what was found of each setup, in lines of so many cells.
func Verified(w io.Writer, all []doctor.Verified, width int) {
	p := &table{w: w, look: Look{Width: width}}
	for i, v := range all {
		if i > 0 {
			say(w, "")
		}
		say(w, "%s", v.Setup)
		if v.Err != nil {
			f := ErrorOf(v.Err)
			p.entry("unclear", false, "the setup", f.What, f.Next)
			continue
		}
		for n, c := range append([]doctor.Checked{v.Token}, v.Targets...) {
			subject := c.Subject
			if n == 0 {
				subject = strings.TrimSpace("token " + c.Subject)
			}
			p.entry(string(c.Verdict), c.Verdict.Person(), subject, c.Reason, c.Next)
		}
	}
	if len(all) == 0 {
		say(w, "There is no setup here.")
	}
}

type (
	verifiedObject struct {
		Setup   string          `json:"setup"`
		Person  bool            `json:"person"`
		Token   *checkedObject  `json:"token"` // null: the setup is not known
		Targets []checkedObject `json:"targets"`
		Error   *ErrorObject    `json:"error,omitempty"`
	}
	checkedObject struct {
		Subject string         `json:"subject"`
		Verdict doctor.Verdict `json:"verdict"`
		Reason  string         `json:"reason"`
		Next    string         `json:"next"`
		Error   *ErrorObject   `json:"error,omitempty"`
	}
)

// VerifiedJSON prints the same as one object; docs/doctor.md describes it.
func VerifiedJSON(w io.Writer, all []doctor.Verified) error {
	object := func(c doctor.Checked) checkedObject {
		return checkedObject{c.Subject, c.Verdict, c.Reason, c.Next, ErrorOf(c.Err)}
	}
	out := []verifiedObject{}
	person := false
	for _, v := range all {
		x := verifiedObject{Setup: v.Setup, Person: v.Person(), Targets: []checkedObject{}, Error: ErrorOf(v.Err)}
		person = person || x.Person
		if v.Err == nil {
			t := object(v.Token)
			x.Token = &t
		}
		for _, c := range v.Targets {
			x.Targets = append(x.Targets, object(c))
		}
		out = append(out, x)
	}
	return encode(w, struct {
		Person bool             `json:"person"`
		Setups []verifiedObject `json:"setups"`
	}{person, out})
}
