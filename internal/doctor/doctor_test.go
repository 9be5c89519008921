package doctor_test

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/apply"
	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/doctor"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/inventory"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/rotation"
)

var (
	now  = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	lost = hint.Wrap(&net.DNSError{Err: "no such host", Name: "api.example"}, "ask", "Check the network.", "")
)

func status(n int) error {
	return hint.Wrap(&httpx.StatusError{Service: "x", Status: n}, "ask", "Ask somebody.", "")
}

func token(change func(*astro.Token)) astro.Token {
	t := astro.Token{ID: "t1", Name: display.Clean("github acme/etl"), Description: display.Clean("astro-ci setup=etl op=x.1"), CreatedAt: now.AddDate(0, 0, -1), EndAt: now.AddDate(0, 0, 89), Scope: "WORKSPACE", Roles: []astro.TokenRole{{EntityType: "WORKSPACE", EntityID: "w", Role: "WORKSPACE_AUTHOR"}}}
	if change != nil {
		change(&t)
	}
	return t
}

// Each judgement, by what it is given: the state, a word of the reason, and whether something is to be done.
func TestRows(t *testing.T) {
	t.Parallel()
	who := func(change func(*astro.Who)) astro.Who {
		w := astro.Who{Source: "ASTRO_API_TOKEN", User: display.Clean("ada"), EndsAt: now.Add(time.Hour), Organizations: []astro.Organization{{ID: "o"}}}
		if change != nil {
			change(&w)
		}
		return w
	}
	cli := func(said string) doctor.Row {
		return doctor.AstroCLI(doctor.Program{Name: "Astro CLI", Found: true, Said: said}, "1.40.1")
	}
	login := func(l doctor.Login) doctor.Row {
		l.Name, l.Source = "GitHub", "GH_TOKEN"
		return l.Row()
	}
	for name, tc := range map[string]struct {
		row   doctor.Row
		state doctor.State
		says  string
	}{
		"a tool":                    {doctor.Tool(doctor.Program{Name: "git", Found: true, Said: "git version 2.43.0\n"}), doctor.OK, "2.43.0"},
		"a tool that is needed":     {doctor.Tool(doctor.Program{Name: "sops", Needed: "a target is kept with it", Get: "Install it."}), doctor.Stale, "a target is kept"},
		"a tool that is not":        {doctor.Tool(doctor.Program{Name: "az"}), doctor.OK, "nothing here needs it"},
		"a tool that says nothing":  {doctor.Tool(doctor.Program{Name: "git", Found: true}), doctor.Unknown, "version"},
		"the newest Astro CLI":      {cli("Astro CLI Version: 1.40.1"), doctor.OK, "1.40.1"},
		"a newer Astro CLI":         {cli("Astro CLI Version: 1.41.0"), doctor.OK, "1.41.0"},
		"an old Astro CLI":          {cli("Astro CLI Version: 1.9.3"), doctor.Stale, "1.40.1"},
		"Astro CLI 2":               {cli("Astro CLI Version: 2.0.0"), doctor.Stale, "1.x"},
		"a silent Astro CLI":        {cli(""), doctor.Unknown, "version"},
		"no Astro CLI":              {doctor.AstroCLI(doctor.Program{Name: "Astro CLI"}, "1.40.1"), doctor.OK, "install their own"},
		"Astro":                     {doctor.AstroLogin(who(nil), nil, now), doctor.OK, "ada, from ASTRO_API_TOKEN, until 2026-11-23 13:00"},
		"Astro, a token":            {doctor.AstroLogin(who(func(w *astro.Who) { w.User, w.TokenID = display.Text{}, "t9" }), nil, now), doctor.OK, "API token t9"},
		"Astro, ended":              {doctor.AstroLogin(who(func(w *astro.Who) { w.EndsAt = now }), nil, now), doctor.Stale, "ended"},
		"Astro, sees nothing":       {doctor.AstroLogin(who(func(w *astro.Who) { w.Organizations = nil }), nil, now), doctor.Stale, "no Organization"},
		"Astro, none":               {doctor.AstroLogin(astro.Who{}, hint.Wrap(astro.ErrNoLogin, "look for a log-in", "Log in.", ""), now), doctor.Stale, "none found"},
		"Astro, refused":            {doctor.AstroLogin(astro.Who{}, status(401), now), doctor.Stale, "401"},
		"Astro, not reached":        {doctor.AstroLogin(astro.Who{}, lost, now), doctor.Unknown, "no such host"},
		"a log-in":                  {login(doctor.Login{Tried: []error{nil}, Who: "bob"}), doctor.OK, "bob, from GH_TOKEN"},
		"a log-in, none":            {login(doctor.Login{Missing: hint.Wrap(providers.ErrNoLogin, "look", "Log in.", "")}), doctor.Stale, "look"},
		"a log-in, not tried":       {login(doctor.Login{}), doctor.Unknown, "not tried"},
		"a log-in, not reached":     {login(doctor.Login{Tried: []error{lost}}), doctor.Unknown, "not tried"},
		"a log-in, refused":         {login(doctor.Login{Tried: []error{nil, status(401)}}), doctor.Stale, "401"},
		"a log-in that may not":     {login(doctor.Login{Tried: []error{status(403)}}), doctor.OK, "GH_TOKEN"},
		"a right":                   {doctor.Right("x", "as an Owner", nil), doctor.OK, "as an Owner"},
		"no right":                  {doctor.Right("x", "", status(403)), doctor.Stale, "403"},
		"a right, too few":          {doctor.Right("x", "", hint.New("your role is less than Maintainer", "Ask one.", "")), doctor.Stale, "Maintainer"},
		"a right, no log-in":        {doctor.Right("x", "", hint.Wrap(providers.ErrNoLogin, "look", "Log in.", "")), doctor.Unknown, "look"},
		"a right, later":            {doctor.Right("x", "", status(429)), doctor.Unknown, "429"},
		"a right, trouble":          {doctor.Right("x", "", status(503)), doctor.Unknown, "503"},
		"a right, left alone":       {doctor.Right("x", "", &httpx.DownError{Failed: 5, Last: "EOF", Until: now}), doctor.Unknown, "left alone"},
		"a policy":                  {doctor.Policy("GitHub", providers.NewPolicy("forks", "acme/etl").Judge(true, "", "nothing")), doctor.OK, "nothing"},
		"a policy that refuses":     {doctor.Policy("GitHub", providers.NewPolicy("forks", "acme/etl").Judge(false, "Change it.", "secrets")), doctor.Stale, "secrets"},
		"a policy that is not seen": {doctor.Policy("GitHub", providers.NewPolicy("forks", "acme/etl").Unseen(errors.New("403"))), doctor.Unknown, "403"},
		"no IP list":                {doctor.IPList(astro.Organization{}), doctor.OK, "none"},
		"an IP list":                {doctor.IPList(astro.Organization{HasIPAllowList: true}), doctor.Unknown, "runners"},
		"enforced":                  {doctor.Enforcement(astro.Deployment{CICDEnforced: true}), doctor.OK, "only API tokens"},
		"not enforced":              {doctor.Enforcement(astro.Deployment{}), doctor.OK, "not enforced"},
		"nothing found":             {doctor.Finding("etl", nil), doctor.OK, "on Astro"},
		"found, for a person":       {doctor.Finding("etl", []inventory.Finding{{Key: inventory.Gone, Say: "gone", Next: "rotate", Person: true}}), doctor.Stale, "gone"},
		"found, advice":             {doctor.Finding("etl", []inventory.Finding{{Key: inventory.Due, Say: "two thirds"}}), doctor.OK, "two thirds"},
		"found, not asked":          {doctor.Finding("etl", []inventory.Finding{{Key: inventory.NotAsked, Say: "not asked"}}), doctor.Unknown, "not asked"},
		"an entry":                  {doctor.Entry("etl", apply.Decision{Verdict: apply.Keep}), doctor.OK, "as the file says"},
		"an entry, no token":        {doctor.Entry("etl", apply.Decision{Verdict: apply.Create, Why: []string{"there is no token"}}), doctor.Stale, "no token"},
		"an entry, other":           {doctor.Entry("etl", apply.Decision{Verdict: apply.Change, Why: []string{"a", "b"}}), doctor.Stale, "a; b"},
		"an entry, due":             {doctor.Entry("etl", apply.Decision{Verdict: apply.Rotate, Why: []string{"two thirds"}}), doctor.OK, "two thirds"},
		"no entry":                  {doctor.Entry("etl", apply.Decision{Verdict: apply.Orphan}), doctor.Stale, "does not name it"},
		"a file":                    {doctor.File("etl", "etl", pipeline.Change{Path: "x", Existed: true}, nil), doctor.OK, "writes now"},
		"a file, missing":           {doctor.File("etl", "etl", pipeline.Change{Path: "x"}, nil), doctor.Stale, "missing"},
		"a file, other":             {doctor.File("etl", "etl", pipeline.Change{Path: "x", Existed: true, Before: []byte("a"), After: []byte("b")}, nil), doctor.Stale, "written now"},
		"a file, edited":            {doctor.File("etl", "etl", pipeline.Change{}, hint.New("it was edited by hand", "Move it.", "")), doctor.Stale, "by hand"},
		"the newest pin":            {doctor.Pin("etl", "1.40.1", "1.40.1"), doctor.OK, "1.40.1"},
		"an older pin":              {doctor.Pin("etl", "1.39.0", "1.40.1"), doctor.Stale, "1.40.1"},
	} {
		r := tc.row
		if r.State != tc.state || !strings.Contains(r.Reason, tc.says) {
			t.Errorf("%s: %+v", name, r)
		}
		if r.State == doctor.Stale && r.Next == "" {
			t.Errorf("%s: stale, and nothing to do: %+v", name, r)
		}
		if r.Subject == "" || r.Group == "" {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	saw := func(c rotation.Check) func(string) rotation.Check { return func(string) rotation.Check { return c } }
	there := providers.State{Exists: true, Version: "v1"}
	for name, tc := range map[string]struct {
		got    doctor.Checked
		want   doctor.Verdict
		state  doctor.State
		says   string
		failed bool
	}{
		"held":           {doctor.Target("etl", "x", there, nil, saw(rotation.Same)), doctor.Holds, doctor.OK, "wrote last", false},
		"by others":      {doctor.Target("etl", "x", there, nil, saw(rotation.Differs)), doctor.Changed, doctor.Stale, "somebody else", false},
		"no mark":        {doctor.Target("etl", "x", there, nil, saw(rotation.Unseen)), doctor.Unclear, doctor.Unknown, "nothing shows", false},
		"missing":        {doctor.Target("etl", "x", providers.State{}, nil, saw(rotation.Same)), doctor.Missing, doctor.Stale, "missing", false},
		"refused":        {doctor.Target("etl", "x", providers.State{}, status(403), saw(rotation.Same)), doctor.Unclear, doctor.Unknown, "403", true},
		"read":           {doctor.Checked{Verdict: doctor.Unclear, Reason: "x"}.Read("etl", "t1", "t1", nil), doctor.Holds, doctor.OK, "of the token t1", false},
		"read, other":    {doctor.Checked{Verdict: doctor.Unclear}.Read("etl", "t2", "t1", nil), doctor.Changed, doctor.Stale, "another token", false},
		"read, no form":  {doctor.Checked{Verdict: doctor.Holds}.Read("etl", "", "t1", nil), doctor.Changed, doctor.Stale, "form", false},
		"read, neither":  {doctor.Checked{Verdict: doctor.Unclear, Reason: "x"}.Read("etl", "", "", nil), doctor.Unclear, doctor.Unknown, "which token it should hold", false},
		"read, no want":  {doctor.Checked{Verdict: doctor.Unclear, Reason: "x"}.Read("etl", "t1", "", nil), doctor.Unclear, doctor.Unknown, "which token it should hold", false},
		"not readable":   {doctor.Checked{Verdict: doctor.Holds, Reason: "x"}.Read("etl", "", "t1", status(403)), doctor.Holds, doctor.OK, "403", false},
		"a token":        {doctor.Token("etl", "t1", token(nil), nil, now), doctor.Holds, doctor.OK, "WORKSPACE_AUTHOR; due on", false},
		"none":           {doctor.Token("etl", "", astro.Token{}, nil, now), doctor.Missing, doctor.Stale, "none", false},
		"deleted":        {doctor.Token("etl", "t1", astro.Token{}, status(404), now), doctor.Missing, doctor.Stale, "no longer", false},
		"expired":        {doctor.Token("etl", "t1", token(func(x *astro.Token) { x.EndAt = now }), nil, now), doctor.Ended, doctor.Stale, "2026-11-23", false},
		"not to be seen": {doctor.Token("etl", "t1", astro.Token{}, status(403), now), doctor.Unclear, doctor.Unknown, "403", true},
	} {
		v := doctor.Verified{Setup: "etl", Token: doctor.Checked{Verdict: doctor.Holds}, Targets: []doctor.Checked{tc.got}}
		row := tc.got.Row(doctor.Drift, "etl")
		if tc.got.Verdict != tc.want || row.State != tc.state || !strings.Contains(row.Reason, tc.says) || v.Person() != (tc.state == doctor.Stale) || (len(v.Failures()) > 0) != tc.failed {
			t.Errorf("%s: %+v, %+v", name, tc.got, row)
		}
	}
}

// A token of an unknown setup of this repository is shown; those of others are counted.
func TestStrays(t *testing.T) {
	t.Parallel()
	of := func(id, name, mark string) astro.Token {
		return token(func(x *astro.Token) {
			x.ID, x.Name, x.Description = id, display.Clean(name), display.Clean("astro-ci setup="+mark+" op=x.1")
		})
	}
	ended := of("t7", "github acme/etl", "old")
	ended.EndAt = now
	rows := doctor.Strays([]astro.Token{
		of("t1", "github acme/etl", "etl"), of("t2", "github acme/etl", "gone"), of("t3", "github acme/etl#prod", "gone-too"), of("t4", "github acme/etl-2", "other"), of("t5", "gitlab acme/etl", "other"),
		token(func(x *astro.Token) { x.Description = display.Clean("made by hand") }), ended,
	}, []string{"etl"}, []string{"github acme/etl"}, now)
	var got []string
	for _, r := range rows {
		got = append(got, fmt.Sprint(r.Subject, " ", r.State))
	}
	if want := []string{"token t2 stale", "token t3 stale", "other setups unknown"}; !slices.Equal(got, want) || !strings.Contains(rows[2].Reason, "2") {
		t.Errorf("got %v: %+v", got, rows)
	}
}

func TestSort(t *testing.T) {
	t.Parallel()
	row := func(g doctor.Group, subject string) doctor.Row {
		return doctor.Row{Group: g, Subject: subject, State: doctor.OK}
	}
	got := doctor.Sort([]doctor.Row{row(doctor.Drift, "b"), row(doctor.Drift, "a"), row(doctor.Tools, "z"), row(doctor.Drift, "b"), row(doctor.Rights, "r")})
	want := []doctor.Row{row(doctor.Tools, "z"), row(doctor.Rights, "r"), row(doctor.Drift, "b"), row(doctor.Drift, "a")}
	if !slices.Equal(got, want) || doctor.Person(got) {
		t.Errorf("got %v", got)
	}
	if !doctor.Person(append(got, doctor.Row{State: doctor.Stale})) {
		t.Error("a stale row needs nobody")
	}
}
