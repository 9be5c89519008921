package apply_test

import (
	"strings"
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/apply"
	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/rotation"
	"github.com/astro-ci/astro-ci/internal/setup"
)

const deployment = "cm0000000000000000000dep1"

func want() setup.Plan {
	return setup.Plan{Setup: setup.Setup{
		Name: "etl", Deployment: setup.Ref{ID: deployment},
		Credential: setup.Credential{Kind: setup.DeploymentToken, Role: "DEPLOYMENT_ADMIN", ExpiresInDays: 90},
		Targets:    []setup.Target{{Store: "github", Address: "acme/etl", Secret: "ASTRO_API_TOKEN"}},
	}}
}

func TestDecide(t *testing.T) {
	t.Parallel()
	now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	token := func(age int, change ...func(*astro.Token)) astro.Token {
		x := astro.Token{ID: "t", Scope: "DEPLOYMENT", Days: 90, CreatedAt: now.AddDate(0, 0, -age), EndAt: now.AddDate(0, 0, 90-age), Roles: []astro.TokenRole{{EntityType: "DEPLOYMENT", EntityID: deployment, Role: "DEPLOYMENT_ADMIN"}}}
		for _, c := range change {
			c(&x)
		}
		return x
	}
	journal := func(targets ...setup.Target) rotation.State {
		p := want()
		p.Targets = targets
		return rotation.State{Begin: rotation.Begin{Op: "x", Plan: p}, Targets: make([]rotation.TargetState, len(targets)), Ended: rotation.RecDone, Last: "t"}
	}
	other := setup.Target{Store: "vault", Address: "secret/x", Secret: "ASTRO_API_TOKEN"}
	for name, tc := range map[string]struct {
		have    apply.Have
		verdict apply.Verdict
		token   bool
		why     string
		notes   int
	}{
		"nothing there":          {apply.Have{}, apply.Create, true, "no token", 0},
		"all is well":            {apply.Have{Tokens: []astro.Token{token(1)}}, apply.Keep, false, "due on", 0},
		"due":                    {apply.Have{Tokens: []astro.Token{token(61)}}, apply.Rotate, true, "two thirds", 0},
		"expired":                {apply.Have{Tokens: []astro.Token{token(91)}}, apply.Create, true, "expired on", 0},
		"begun":                  {apply.Have{Journal: rotation.State{Begin: rotation.Begin{Op: "x"}}}, apply.Finish, true, "not finished", 0},
		"broken off elsewhere":   {apply.Have{Tokens: []astro.Token{token(2), token(1)}, Unfinished: true}, apply.Rotate, true, "broken off", 0},
		"to be swept":            {apply.Have{Tokens: []astro.Token{token(2), token(1)}, Unfinished: true, Swept: true}, apply.Finish, true, "begun elsewhere", 0},
		"to be swept, and due":   {apply.Have{Tokens: []astro.Token{token(80), token(70)}, Unfinished: true, Swept: true}, apply.Rotate, true, "broken off", 0},
		"an expired one beside":  {apply.Have{Tokens: []astro.Token{token(91), token(1)}}, apply.Keep, false, "due on", 0},
		"another role":           {apply.Have{Tokens: []astro.Token{token(1, func(x *astro.Token) { x.Roles[0].Role = "CI" })}}, apply.Change, true, "role is CI", 0},
		"another life":           {apply.Have{Tokens: []astro.Token{token(1, func(x *astro.Token) { x.Days = 30 })}}, apply.Change, true, "30 days", 0},
		"another scope":          {apply.Have{Tokens: []astro.Token{token(1, func(x *astro.Token) { x.Scope = "WORKSPACE" })}}, apply.Change, true, "Workspace API token", 0},
		"another Deployment":     {apply.Have{Tokens: []astro.Token{token(1, func(x *astro.Token) { x.Roles[0].EntityID = "cm0" })}}, apply.Change, true, "cm0", 0},
		"a secret is missing":    {apply.Have{Tokens: []astro.Token{token(1)}, Missing: want().Targets}, apply.Change, true, "no secret", 0},
		"a file differs":         {apply.Have{Tokens: []astro.Token{token(1)}, Files: []string{"x.yml"}}, apply.Change, false, "x.yml", 0},
		"the file and the token": {apply.Have{Tokens: []astro.Token{token(70)}, Files: []string{"x.yml"}}, apply.Rotate, true, "two thirds", 0},
		"a new target":           {apply.Have{Tokens: []astro.Token{token(1)}, Journal: journal()}, apply.Change, true, "does not hold it yet", 0},
		"a target less":          {apply.Have{Tokens: []astro.Token{token(1)}, Journal: journal(want().Targets[0], other)}, apply.Keep, false, "due on", 1},
	} {
		d := apply.Decide(want(), tc.have, now)
		if d.Verdict != tc.verdict || d.Token != tc.token || !strings.Contains(strings.Join(d.Why, "; "), tc.why) || len(d.Notes) != tc.notes {
			t.Errorf("%s: %+v", name, d)
		}
	}
}
