package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/inventory"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/ui/report"
)

var today = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// stock is a setup, a token of it, and tokens of others with names that somebody else chose.
func stock(names ...string) inventory.Inventory {
	made := func(id, name string, days int) astro.Token {
		t := astro.Token{
			ID: id, Name: display.Clean(name), Scope: "DEPLOYMENT", Kind: "STANDARD", Roles: []astro.TokenRole{{EntityType: "DEPLOYMENT", EntityID: "dep", Role: "DEPLOYMENT_ADMIN"}},
			CreatedAt: today.AddDate(0, 0, -60), LastUsedAt: today.AddDate(0, 0, -3),
		}
		if days > 0 {
			t.EndAt = t.CreatedAt.AddDate(0, 0, days)
		}
		return t
	}
	in := inventory.Input{
		Now: today, Asked: true, Whole: true, Organization: setup.Ref{ID: "org", Name: display.Clean("Acme, \"Analytics\"; GmbH")},
		Tokens: []astro.Token{made("t-ours", "github acme/etl", 90), made("t-endless", "Terraform", 0)},
		Setups: []inventory.Setup{{Name: "etl-prod", Token: "t-ours", Plan: setup.Plan{Setup: setup.Setup{
			Name: "etl-prod", Organization: setup.Ref{ID: "org"}, Deployment: setup.Ref{ID: "dep", Name: display.Clean("etl-prod")},
			Targets: []setup.Target{{Store: "github", Address: "acme/etl", Secret: "ASTRO_API_TOKEN"}}, Pipeline: setup.Pipeline{File: ".github/workflows/astro-etl-prod.yml"},
		}}}},
		Roles: []astro.TokenRole{{EntityType: "ORGANIZATION", EntityID: "org", Role: "ORGANIZATION_OWNER"}},
	}
	for n, name := range names {
		in.Tokens = append(in.Tokens, made(fmt.Sprintf("t-%d", n), name, 65))
	}
	return inventory.New(in)
}

func table(v inventory.Inventory, look report.Look) string {
	var b strings.Builder
	report.Inventory(&b, v, look)
	return b.String()
}

func TestInventoryTable(t *testing.T) {
	v := stock("a name that is much longer than the column in which it has to stand, and 漢字漢字漢字漢字漢字漢字漢字")
	for _, look := range []report.Look{{}, {UTF8: true}, {Plain: true}, {UTF8: true, All: true}} {
		out := table(v, look)
		for l := range strings.SplitSeq(out, "\n") {
			if ansi.StringWidth(l) > 80 {
				t.Errorf("%+v: %d cells: %s", look, ansi.StringWidth(l), l)
			}
		}
		if bar := strings.ContainsAny(out, "█░→…"); bar != look.UTF8 {
			t.Errorf("%+v: %s", look, out)
		}
		for _, want := range []string{"etl-prod", "t-ours, Deployment etl-prod, DEPLOYMENT_ADMIN", "github:acme/etl/ASTRO_API_TOKEN", ".github/workflows/astro-etl-prod.yml", "astro-ci rotate etl-prod", "! it ends on 2026-12-02, in 5 days", "- it never expires"} {
			if !strings.Contains(out, want) {
				t.Errorf("%+v: no %q in\n%s", look, want, out)
			}
		}
		if strings.Index(out, "etl-prod") > strings.Index(out, "Terraform") {
			t.Errorf("the setups come first:\n%s", out)
		}
	}
}

// What is of one setup stands together, below its name, whatever is graver than its last line.
func TestInventoryTableOfABrokenOffSetup(t *testing.T) {
	v := stock()
	v.Items = append([]inventory.Item{
		{Whose: inventory.Ours, Setup: "broken-off", Targets: []string{"github:acme/etl/B"}, Findings: []inventory.Finding{{Key: inventory.Unfinished, Say: "it was begun", Person: true}}},
	}, v.Items...)
	for _, id := range []string{"t-old", "t-new"} {
		v.Items = append(v.Items, inventory.Item{Whose: inventory.Ours, Setup: "broken-off", Targets: []string{"github:acme/etl/B"}, Token: &astro.Token{ID: id}})
	}
	out := table(v, report.Look{})
	at := -1
	for _, want := range []string{"broken-off ", "unfinished\n", "github:acme/etl/B\n", "! it was begun\n", "t-old", "t-new", "etl-prod "} {
		i := strings.Index(out, want)
		if i <= at {
			t.Errorf("%q is missing, or stands too early:\n%s", want, out)
		}
		at = i
	}
	if strings.Count(out, "broken-off") != 1 || strings.Contains(out, "fine") || strings.Count(out, "acme/etl/B") != 1 {
		t.Errorf("said twice:\n%s", out)
	}
}

// Many tokens are counted and not listed; those that need somebody are always shown.
func TestInventoryTableIsShort(t *testing.T) {
	var names []string
	for n := range 30 {
		names = append(names, fmt.Sprintf("urgent-%d", n))
	}
	v := stock(names...)
	for n := range 5000 {
		x := inventory.Item{Whose: inventory.Others, Token: &astro.Token{ID: fmt.Sprint(n), Name: display.Clean("quiet")}}
		if n%2 == 0 {
			x.Findings = []inventory.Finding{{Key: inventory.NeverEnds, Say: "it never expires"}}
		}
		v.Items = append(v.Items, x)
	}
	out := table(v, report.Look{})
	if n := strings.Count(out, "\n"); n > 200 || strings.Count(out, "\nurgent-") != 30 || !strings.Contains(out, "2500 tokens more") || !strings.Contains(out, "astro-ci status --all") {
		t.Errorf("%d lines:\n%s", n, out)
	}
	if all := table(v, report.Look{All: true}); strings.Count(all, "\nquiet") != 5000 || strings.Contains(all, "--all") {
		t.Errorf("not all are listed")
	}
}

func TestInventoryJSON(t *testing.T) {
	var b bytes.Buffer
	if err := report.InventoryJSON(&b, stock("x"), errors.New("no network")); err != nil {
		t.Fatal(err)
	}
	type item struct {
		Setup, Whose, State, On, Pipeline string
		Targets                           []string
		DueAt                             *time.Time
		Token                             struct{ ID, Scope string }
		Findings                          []struct{ Key, Say, Next string }
	}
	var got struct {
		Person                 bool
		Items                  []item
		WorkspacesWithoutToken []any
		Unknown                []string
		Error                  struct{ What string }
	}
	if strings.Contains(b.String(), `"targets":null`) {
		t.Error("a list without members is null")
	}
	d := json.NewDecoder(&b)
	if err := d.Decode(&got); err != nil || d.More() {
		t.Fatalf("%v, or more than one object", err)
	}
	i := got.Items[slices.IndexFunc(got.Items, func(i item) bool { return i.Whose == "setup" })]
	if !got.Person || len(got.Items) != 3 || i.Setup != "etl-prod" || i.State != "due" || i.Token.ID != "t-ours" || i.DueAt == nil || i.Pipeline == "" || len(i.Targets) != 1 ||
		i.Findings[0].Next != "astro-ci rotate etl-prod" || got.WorkspacesWithoutToken == nil || len(got.Unknown) == 0 || got.Error.What != "no network" {
		t.Errorf("got %+v", got)
	}
}

// property is one line of a calendar, taken apart.
type property struct{ name, value string }

// parse reads a calendar as strictly as RFC 5545 is: line ends, folding, names, nesting, and what events and
// alarms must have.
func parse(t testing.TB, raw string) (events []map[string]string) {
	t.Helper()
	body, ok := strings.CutSuffix(raw, "\r\n")
	if !ok {
		t.Fatalf("the last line has no end: %q", raw)
	}
	var lines []string
	for l := range strings.SplitSeq(body, "\r\n") {
		if len(l) > 75 || l == "" || !utf8.ValidString(l) {
			t.Fatalf("%d octets: %q", len(l), l)
		}
		for _, r := range l {
			if r < ' ' && r != '\t' || r == 0x7f {
				t.Fatalf("a control character in %q", l)
			}
		}
		if rest, folded := strings.CutPrefix(l, " "); folded && len(lines) > 0 {
			lines[len(lines)-1] += rest
			continue
		}
		lines = append(lines, l)
	}
	var open []string
	var components int
	var event, alarm map[string]string
	uids := map[string]bool{}
	for n, l := range lines {
		name, value, ok := strings.Cut(l, ":")
		if !ok || strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-;=") != "" {
			t.Fatalf("no property: %q", l)
		}
		p := property{name, value}
		into := map[string]string{}
		if len(open) > 0 && open[len(open)-1] == "VEVENT" {
			into = event
		}
		if len(open) > 0 && open[len(open)-1] == "VALARM" {
			into = alarm
		}
		switch p.name {
		case "BEGIN":
			if (n == 0) != (p.value == "VCALENDAR") {
				t.Fatalf("line %d begins %s", n, p.value)
			}
			open = append(open, p.value)
			switch p.value {
			case "VEVENT":
				event = map[string]string{}
			case "VALARM":
				alarm = map[string]string{}
			}
			if len(open) == 2 {
				components++
			}
		case "END":
			if len(open) == 0 || open[len(open)-1] != p.value || p.value == "VCALENDAR" && n != len(lines)-1 {
				t.Fatalf("line %d ends %s in %v", n, p.value, open)
			}
			open = open[:len(open)-1]
			switch p.value {
			case "VALARM":
				if alarm["ACTION"] != "DISPLAY" || alarm["DESCRIPTION"] == "" || !strings.HasPrefix(alarm["TRIGGER"], "-P") {
					t.Fatalf("alarm %v", alarm)
				}
				event["alarm"] = alarm["TRIGGER"]
			case "VEVENT":
				begin, err := time.Parse("20060102", event["DTSTART;VALUE=DATE"])
				end, err2 := time.Parse("20060102", event["DTEND;VALUE=DATE"])
				_, err3 := time.Parse("20060102T150405Z", event["DTSTAMP"])
				if err := errors.Join(err, err2, err3); err != nil || !end.Equal(begin.AddDate(0, 0, 1)) || event["alarm"] == "" || event["UID"] == "" || uids[event["UID"]] {
					t.Fatalf("event %v: %v", event, err)
				}
				uids[event["UID"]] = true
				events = append(events, event)
			}
		case "SUMMARY", "DESCRIPTION", "UID":
			into[p.name] = unescape(t, p.value)
		default:
			if _, twice := into[p.name]; twice {
				t.Fatalf("%s twice", p.name)
			}
			into[p.name] = p.value
		}
	}
	if len(open) > 0 || components == 0 {
		t.Fatalf("%v is open, %d components", open, components)
	}
	return events
}

// unescape reads a TEXT value.
func unescape(t testing.TB, s string) string {
	t.Helper()
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == ',' || c == ';':
			t.Fatalf("%q stands alone in %q", c, s)
		case c != '\\':
			b.WriteByte(c)
		case i+1 < len(s) && strings.IndexByte(`\;,nN`, s[i+1]) >= 0:
			i++
			b.WriteByte(map[byte]byte{'\\': '\\', ';': ';', ',': ',', 'n': '\n', 'N': '\n'}[s[i]])
		default:
			t.Fatalf("a backslash stands alone in %q", s)
		}
	}
	return b.String()
}

func calendar(t testing.TB, v inventory.Inventory) []map[string]string {
	t.Helper()
	var b strings.Builder
	if err := report.Calendar(&b, v); err != nil {
		t.Fatal(err)
	}
	return parse(t, b.String())
}

func TestCalendar(t *testing.T) {
	events := calendar(t, stock(`Jenkins; "a, b" \n`))
	by := map[string]map[string]string{}
	for _, e := range events {
		by[e["UID"]] = e
	}
	due, ends, other := by["t-ours-due@astro-ci"], by["t-ours-ends@astro-ci"], by["t-0-ends@astro-ci"]
	if len(events) != 3 || due["DTSTART;VALUE=DATE"] != "20261127" || ends["DTSTART;VALUE=DATE"] != "20261227" || other["DTSTART;VALUE=DATE"] != "20261202" {
		t.Fatalf("got %v", events)
	}
	if !strings.HasPrefix(ends["SUMMARY"], "etl-prod: ") || !strings.Contains(ends["DESCRIPTION"], "github:acme/etl/ASTRO_API_TOKEN\n.github/workflows/astro-etl-prod.yml") || ends["alarm"] != "-P7D" {
		t.Errorf("got %v", ends)
	}
	if !strings.HasPrefix(other["SUMMARY"], `Jenkins; "a, b" \n: `) {
		t.Errorf("a name came through as %q", other["SUMMARY"])
	}
	if again := calendar(t, stock(`Jenkins; "a, b" \n`)); fmt.Sprint(again) != fmt.Sprint(events) {
		t.Error("the same tokens made another calendar")
	}
	// Without any token with an end it is a calendar all the same.
	if got := calendar(t, inventory.New(inventory.Input{Now: today})); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

func FuzzCalendar(f *testing.F) {
	f.Add("plain")
	f.Add("a,b;c\\d\ne\r\nBEGIN:VEVENT")
	f.Add(strings.Repeat("漢字", 60))
	f.Add(strings.Repeat("x", 70) + "é" + strings.Repeat("\\", 90))
	f.Fuzz(func(t *testing.T, name string) {
		v := stock(name)
		want := display.Clean(name).String() + ": the API token of Astro ends"
		if !slices.ContainsFunc(calendar(t, v), func(e map[string]string) bool { return e["SUMMARY"] == want }) {
			t.Errorf("%q is not in the calendar", want)
		}
	})
}
