package inventory_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/inventory"
	"github.com/astro-ci/astro-ci/internal/setup"
)

var now = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

func days(n int) time.Time { return now.AddDate(0, 0, n) }

// token is one that nothing can be said of: half of its life lies ahead, and it was used today.
func token(id string, change ...func(*astro.Token)) astro.Token {
	t := astro.Token{
		ID: id, Name: display.Clean("n " + id), Scope: "DEPLOYMENT", Kind: "STANDARD", Roles: []astro.TokenRole{{EntityType: "DEPLOYMENT", EntityID: "dep", Role: "DEPLOYMENT_ADMIN"}},
		CreatedAt: days(-45), EndAt: days(45), LastUsedAt: now.Add(-time.Hour), CreatedBy: astro.Subject{ID: "ada", Type: "USER", Username: display.Clean("ada@acme.example")},
	}
	for _, f := range change {
		f(&t)
	}
	return t
}

func life(made, ends int) func(*astro.Token) {
	return func(t *astro.Token) { t.CreatedAt, t.EndAt = days(made), days(ends) }
}

func used(n int) func(*astro.Token) { return func(t *astro.Token) { t.LastUsedAt = days(n) } }

func neverUsed(t *astro.Token) { t.LastUsedAt = time.Time{} }

func endless(t *astro.Token) { t.EndAt = time.Time{} }

func by(s astro.Subject) func(*astro.Token) { return func(t *astro.Token) { t.CreatedBy = s } }

func mark(name string) func(*astro.Token) {
	return func(t *astro.Token) { t.Description = display.Clean(setup.Setup{Name: name}.Marker("op")) }
}

func named(name string) func(*astro.Token) {
	return func(t *astro.Token) { t.Name = display.Clean(name) }
}

func role(name string) func(*astro.Token) { return func(t *astro.Token) { t.Roles[0].Role = name } }

// etl is a setup whose token has the id "etl".
func etl(change ...func(*inventory.Setup)) inventory.Setup {
	s := inventory.Setup{Name: "etl", Token: "etl", Plan: setup.Plan{Setup: setup.Setup{
		Name: "etl", Platform: "github", Organization: setup.Ref{ID: "org"}, Workspace: setup.Ref{ID: "ws"}, Deployment: setup.Ref{ID: "dep", Name: display.Clean("etl-prod")},
		Targets: []setup.Target{{Store: "github", Address: "acme/etl", Secret: "ASTRO_API_TOKEN"}}, Pipeline: setup.Pipeline{File: ".github/workflows/etl.yml"},
	}}}
	for _, f := range change {
		f(&s)
	}
	return s
}

var owner = []astro.TokenRole{{EntityType: "ORGANIZATION", EntityID: "org", Role: "ORGANIZATION_OWNER"}}

func input(tokens []astro.Token, setups ...inventory.Setup) inventory.Input {
	return inventory.Input{
		Now: now, Organization: setup.Ref{ID: "org"}, Asked: true, Whole: true, Tokens: tokens, Setups: setups, Roles: owner,
		Members: []astro.Member{{ID: "ada", Status: "ACTIVE"}}, Workspaces: []astro.Workspace{}, Deployments: []astro.Deployment{},
	}
}

// said are the findings as "ID:key", with "!" for those that need a person; a setup without a token stands
// as its name.
func said(v inventory.Inventory) string {
	var out []string
	for _, i := range v.Items {
		id := i.Setup
		if i.Token != nil {
			id = i.Token.ID
		}
		for _, f := range i.Findings {
			person := ""
			if f.Person {
				person = "!"
			}
			out = append(out, id+":"+string(f.Key)+person)
		}
	}
	return strings.Join(out, " ")
}

func TestFindings(t *testing.T) {
	left := by(astro.Subject{ID: "grace", Type: "USER", Username: display.Clean("grace@acme.example")})
	for name, x := range map[string]struct {
		tokens []astro.Token
		setups []inventory.Setup
		want   string
	}{
		"nothing to say":                       {[]astro.Token{token("a"), token("etl")}, []inventory.Setup{etl()}, ""},
		"never expires":                        {[]astro.Token{token("a", endless)}, nil, "a:never-expires"},
		"expired long ago":                     {[]astro.Token{token("a", life(-100, -40), used(-41))}, nil, "a:expired"},
		"expired while it was needed":          {[]astro.Token{token("a", life(-100, -2), used(-3))}, nil, "a:expired!"},
		"expired when nothing used it":         {[]astro.Token{token("a", life(-100, -2), used(-50))}, nil, "a:expired"},
		"expired and never used":               {[]astro.Token{token("a", life(-100, -2), neverUsed)}, nil, "a:expired"},
		"the setup's expired":                  {[]astro.Token{token("etl", life(-400, -300), used(-350))}, []inventory.Setup{etl()}, "etl:expired!"},
		"ends within 14 days":                  {[]astro.Token{token("a", life(-80, 10))}, nil, "a:soon!"},
		"ends in 15 days":                      {[]astro.Token{token("a", life(-75, 15))}, nil, ""},
		"a short life is not always soon over": {[]astro.Token{token("a", life(-1, 6))}, nil, ""},
		"the last third of a short life":       {[]astro.Token{token("a", life(-5, 2))}, nil, "a:soon!"},
		"ends, and nothing uses it":            {[]astro.Token{token("a", life(-350, 10), used(-100))}, nil, "a:soon a:unused"},
		"due is said of setups":                {[]astro.Token{token("a", life(-70, 20)), token("etl", life(-70, 20))}, []inventory.Setup{etl()}, "etl:due"},
		"made today, not used yet":             {[]astro.Token{token("a", life(0, 90), neverUsed)}, nil, ""},
		"never used":                           {[]astro.Token{token("a", neverUsed)}, nil, "a:never-used"},
		"not used for long":                    {[]astro.Token{token("a", life(-200, 165), used(-90))}, nil, "a:unused"},
		"used 89 days ago":                     {[]astro.Token{token("a", life(-200, 165), used(-89))}, nil, ""},
		"its maker has left":                   {[]astro.Token{token("a", left)}, nil, "a:creator-gone!"},
		"its maker has left, and it is dead":   {[]astro.Token{token("a", left, life(-100, -40), used(-41))}, nil, "a:expired"},
		"made by a token":                      {[]astro.Token{token("a", by(astro.Subject{ID: "x", Type: "SERVICEKEY"}))}, nil, ""},
		"nobody says who made it":              {[]astro.Token{token("a", by(astro.Subject{}))}, nil, ""},
		"two pipelines with the same role":     {[]astro.Token{token("a"), token("b")}, nil, ""},
		"a copy that nobody uses":              {[]astro.Token{token("a"), token("b", neverUsed)}, nil, "b:duplicate"},
		"two that nobody uses":                 {[]astro.Token{token("a", neverUsed, life(-60, 45)), token("b", neverUsed)}, nil, "a:duplicate b:never-used"},
		"the next one of what ends soon":       {[]astro.Token{token("a", life(-80, 10)), token("b", neverUsed)}, nil, "a:soon! b:never-used"},
		"another role is no copy":              {[]astro.Token{token("a"), token("b", neverUsed, role("CI_Deploy"))}, nil, "b:never-used"},
		"a copy of what has ended is none":     {[]astro.Token{token("a", life(-100, -40), used(-41)), token("b", neverUsed)}, nil, "b:never-used a:expired"},
		"a second one of a setup": {
			[]astro.Token{token("etl", mark("etl")), token("b", mark("etl"))},
			[]inventory.Setup{etl()},
			"b:duplicate",
		},
		"another computer is rotating": {
			[]astro.Token{token("etl", mark("etl")), token("b", mark("etl"), func(t *astro.Token) { t.CreatedAt = now.Add(-time.Hour) })},
			[]inventory.Setup{etl()},
			"",
		},
		"another computer has rotated": {[]astro.Token{token("b", mark("etl"))}, []inventory.Setup{etl()}, "etl:replaced"},
		"in rotation": {
			[]astro.Token{token("etl", mark("etl"), life(-80, 10)), token("b", mark("etl"))},
			[]inventory.Setup{etl(func(s *inventory.Setup) {
				s.Tokens, s.Unfinished, s.Until = []string{"etl", "b"}, "it waits", now.Add(time.Hour)
			})},
			"etl:unfinished",
		},
		"broken off": {
			[]astro.Token{token("etl", mark("etl"))},
			[]inventory.Setup{etl(func(s *inventory.Setup) { s.Unfinished = "it was begun" })},
			"etl:unfinished!",
		},
		"broken off while a token was made": {
			[]astro.Token{token("b", mark("etl"), neverUsed, named(etl().Plan.TokenName()))},
			[]inventory.Setup{etl(func(s *inventory.Setup) { s.Token, s.Unfinished = "", "it was begun" })},
			"etl:unfinished!",
		},
		"broken off, and somebody else has a namesake": {
			[]astro.Token{token("b", mark("etl"), life(-80, 2), named("github acme/another"))},
			[]inventory.Setup{etl(func(s *inventory.Setup) { s.Token, s.Unfinished = "", "it was begun" })},
			"etl:unfinished! b:soon!",
		},
		"a damaged journal": {
			[]astro.Token{token("etl", mark("etl")), token("b", mark("etl"))},
			[]inventory.Setup{{Name: "etl", Damaged: errors.New("broken")}},
			"etl:damaged!",
		},
		"gone":                                {nil, []inventory.Setup{etl()}, "etl:gone!"},
		"two of a setup that others know":     {[]astro.Token{token("a", mark("x")), token("b", mark("x"))}, nil, "a:duplicate"},
		"the end of one that others look for": {[]astro.Token{token("a", mark("x"), life(-70, 20))}, nil, "a:due"},
	} {
		if got := said(inventory.New(input(x.tokens, x.setups...))); !sameWords(got, x.want) {
			t.Errorf("%s: got %q, want %q", name, got, x.want)
		}
	}
}

// sameWords compares two lists; what they say of one item keeps its order.
func sameWords(got, want string) bool {
	split := func(s string) map[string][]string {
		out := map[string][]string{}
		for w := range strings.FieldsSeq(s) {
			id, _, _ := strings.Cut(w, ":")
			out[id] = append(out[id], w)
		}
		return out
	}
	return fmt.Sprint(split(got)) == fmt.Sprint(split(want))
}

// What could not be found out is unknown: neither fine nor wrong.
func TestUnknown(t *testing.T) {
	grace := token("a", by(astro.Subject{ID: "grace", Type: "USER"}))
	in := input([]astro.Token{grace})
	in.Members = nil
	if v := inventory.New(in); said(v) != "" || !strings.Contains(strings.Join(v.Unknown, ""), "creator") {
		t.Errorf("users that may not be listed: %q, %q", said(v), v.Unknown)
	}
	in = input(nil, etl())
	in.Roles = nil
	if v := inventory.New(in); said(v) != "etl:unseen!" || len(v.Unknown) == 0 {
		t.Errorf("a log-in that sees little: %q, %q", said(v), v.Unknown)
	}
	in.Roles = []astro.TokenRole{{EntityType: "WORKSPACE", EntityID: "ws", Role: "WORKSPACE_OWNER"}}
	if v := inventory.New(in); said(v) != "etl:gone!" {
		t.Errorf("an owner of the Workspace sees that it is gone: %q", said(v))
	}
	in.Asked = false
	if v := inventory.New(in); said(v) != "etl:unknown" || v.Person() || len(v.Unknown) != 1 {
		t.Errorf("Astro was not asked: %q, %q", said(v), v.Unknown)
	}
}

func TestBareWorkspaces(t *testing.T) {
	on := func(scope, id string) func(*astro.Token) {
		return func(t *astro.Token) {
			t.Scope, t.Roles = scope, []astro.TokenRole{{EntityType: scope, EntityID: id, Role: "R"}}
		}
	}
	in := input([]astro.Token{
		token("a", on("DEPLOYMENT", "d1")), token("b", on("WORKSPACE", "w2")), token("c", on("ORGANIZATION", "org")), token("d", on("WORKSPACE", "w3"), life(-90, -50)),
	})
	in.Workspaces = []astro.Workspace{{ID: "w1"}, {ID: "w2"}, {ID: "w3"}, {ID: "w4"}}
	in.Deployments = []astro.Deployment{{ID: "d1", WorkspaceID: "w1"}, {ID: "d4", WorkspaceID: "w4"}}
	bare := func() (out []string) {
		for _, w := range inventory.New(in).Bare {
			out = append(out, w.ID)
		}
		return out
	}
	if got := bare(); !slices.Equal(got, []string{"w3", "w4"}) {
		t.Errorf("got %v", got)
	}
	in.Roles = []astro.TokenRole{{EntityType: "WORKSPACE", EntityID: "w3", Role: "WORKSPACE_OWNER"}, {EntityType: "WORKSPACE", EntityID: "w4", Role: "WORKSPACE_MEMBER"}}
	if got := bare(); !slices.Equal(got, []string{"w3"}) {
		t.Errorf("a log-in that sees the tokens of one Workspace: %v", got)
	}
	in.Deployments = nil
	if got := bare(); got != nil {
		t.Errorf("Deployments that could not be listed: %v", got)
	}
}

// What depends on a token, by the journal, and by what the token itself says.
func TestWhatDependsOnAToken(t *testing.T) {
	other := token("b", mark("ml"))
	other.Name = display.Clean("gitlab acme/ml")
	for _, i := range inventory.New(input([]astro.Token{token("etl", mark("etl")), other}, etl())).Items {
		switch {
		case i.Token.ID == "etl" && i.Whose == inventory.Ours && i.On == "Deployment etl-prod" && i.Pipeline == ".github/workflows/etl.yml" && slices.Equal(i.Targets, []string{"github:acme/etl/ASTRO_API_TOKEN"}):
		case i.Token.ID == "b" && i.Whose == inventory.Marked && i.Setup == "ml" && i.Pipeline == "" && slices.Equal(i.Targets, []string{"gitlab:acme/ml"}):
		default:
			t.Errorf("got %+v", i)
		}
	}
}

// Whatever there is, every token is listed once, the gravest first, and nothing said of it contradicts
// anything else.
func TestInventoryProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		when := func(name string) time.Time {
			return now.Add(time.Duration(rapid.IntRange(-2000, 2000).Draw(t, name)) * time.Hour)
		}
		var tokens []astro.Token
		for n := range rapid.IntRange(0, 30).Draw(t, "tokens") {
			x := token(fmt.Sprintf("t%d", n))
			x.CreatedAt = when("made")
			x.EndAt, x.LastUsedAt = time.Time{}, time.Time{}
			if rapid.Bool().Draw(t, "ends") {
				x.EndAt = x.CreatedAt.Add(time.Duration(rapid.IntRange(24, 4000).Draw(t, "life")) * time.Hour)
			}
			if rapid.Bool().Draw(t, "used") {
				x.LastUsedAt = when("last")
			}
			x.Roles[0].Role = rapid.SampledFrom([]string{"A", "B"}).Draw(t, "role")
			x.CreatedBy.ID = rapid.SampledFrom([]string{"ada", "grace"}).Draw(t, "by")
			if name := rapid.SampledFrom([]string{"", "s0", "s1", "s9"}).Draw(t, "mark"); name != "" {
				mark(name)(&x)
			}
			tokens = append(tokens, x)
		}
		var setups []inventory.Setup
		for n := range rapid.IntRange(0, 3).Draw(t, "setups") {
			s := etl(func(s *inventory.Setup) { s.Name = fmt.Sprintf("s%d", n) })
			s.Token = fmt.Sprintf("t%d", rapid.IntRange(0, 40).Draw(t, "uses")*4+n) // no two use the same one
			switch rapid.IntRange(0, 3).Draw(t, "state") {
			case 0:
				s = inventory.Setup{Name: s.Name, Damaged: errors.New("broken")}
			case 1:
				s.Unfinished, s.Tokens = "it waits", []string{s.Token}
			}
			setups = append(setups, s)
		}
		in := input(append(slices.Clone(tokens), tokens[:min(3, len(tokens))]...), setups...) // some come twice
		v := inventory.New(in)
		seen := map[string]int{}
		rank, person := -1, true
		for _, i := range v.Items {
			if i.Token != nil {
				seen[i.Token.ID]++
			}
			has := map[inventory.Key]bool{}
			for _, f := range i.Findings {
				if has[f.Key] || f.Say == "" || !slices.Contains(inventory.Keys(), f.Key) {
					t.Fatalf("%+v", i.Findings)
				}
				has[f.Key] = true
			}
			for _, both := range [][2]inventory.Key{
				{inventory.NeverEnds, inventory.Expired},
				{inventory.NeverEnds, inventory.Soon},
				{inventory.NeverEnds, inventory.Due},
				{inventory.Expired, inventory.Soon},
				{inventory.Expired, inventory.Duplicate},
				{inventory.Expired, inventory.CreatorGone},
				{inventory.Soon, inventory.Due},
				{inventory.NeverUsed, inventory.Unused},
				{inventory.Gone, inventory.Unseen},
			} {
				if has[both[0]] && has[both[1]] {
					t.Fatalf("%s and %s at once", both[0], both[1])
				}
			}
			if x := i.Token; x != nil && (has[inventory.Expired] != x.Expired(now) && !unfinished(setups, i.Setup) || has[inventory.NeverUsed] && !x.Used().IsZero()) {
				t.Fatalf("%+v: %+v", x, i.Findings)
			}
			at, needs := len(inventory.Keys()), false
			if len(i.Findings) > 0 {
				at, needs = slices.Index(inventory.Keys(), i.Findings[0].Key), i.Findings[0].Person
			}
			if needs != i.Person() || needs && !person || needs == person && at < rank {
				t.Fatalf("out of order: %s", said(v))
			}
			rank, person = at, needs
		}
		if len(seen) != len(tokens) {
			t.Fatalf("%d of %d tokens", len(seen), len(tokens))
		}
		for id, n := range seen {
			if n != 1 {
				t.Fatalf("%s is listed %d times", id, n)
			}
		}
	})
}

func unfinished(all []inventory.Setup, name string) bool {
	return slices.ContainsFunc(all, func(s inventory.Setup) bool { return s.Name == name && s.Unfinished != "" })
}

// Ten thousand tokens that nobody looks after are sorted in one go.
func TestTenThousand(t *testing.T) {
	var all []astro.Token
	for n := range 10_000 {
		all = append(all, token(fmt.Sprint(n), neverUsed, endless))
	}
	if v := inventory.New(input(all)); len(v.Items) != 10_000 {
		t.Errorf("%d items", len(v.Items))
	}
}
