package setup_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/setup"
)

func renewing(name string, every setup.Cadence) setup.Plan {
	p := setup.Plan{Setup: good()}
	p.Name = name
	p.SelfRotation = setup.SelfRotation{
		Every: every, Credential: setup.Credential{Kind: setup.WorkspaceToken, Role: "WORKSPACE_OWNER", ExpiresInDays: 90}, Program: p.Pipeline.CLI,
	}
	return p
}

// The time follows from the name, never is the full hour, and spreads setups over the hours of the week.
func TestCronOfAName(t *testing.T) {
	t.Parallel()
	hours, days := map[int]bool{}, map[string]bool{}
	for i := range 500 {
		name := fmt.Sprintf("etl-%d", i)
		weekly, daily := renewing(name, setup.Weekly).Renewal().Pipeline.Cron, renewing(name, setup.Daily).Renewal().Pipeline.Cron
		if weekly != renewing(name, setup.Weekly).Renewal().Pipeline.Cron || weekly != renewing(name, setup.Reminder).Renewal().Pipeline.Cron {
			t.Fatalf("%s has two times", name)
		}
		var minute, hour, hour2, minute2 int
		var day string
		if n, err := fmt.Sscanf(weekly, "%d %d * * %s", &minute, &hour, &day); n != 3 || err != nil {
			t.Fatalf("%s: %q", name, weekly)
		}
		if n, err := fmt.Sscanf(daily, "%d %d * * *", &minute2, &hour2); n != 2 || err != nil || minute2 != minute || hour2 != hour {
			t.Errorf("%s: %q and %q", name, weekly, daily)
		}
		if minute < 1 || minute > 59 || hour > 23 || day < "0" || day > "6" {
			t.Errorf("%s: %q", name, weekly)
		}
		hours[hour], days[day] = true, true
	}
	if len(hours) != 24 || len(days) != 7 {
		t.Errorf("%d hours, %d days", len(hours), len(days))
	}
}

func TestRenewal(t *testing.T) {
	t.Parallel()
	p := renewing("etl-prod", setup.Weekly)
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	r := p.Renewal()
	r.Pipeline.File = "x.yml"
	if err := r.Validate(); err != nil {
		t.Error(err)
	}
	if r.Name != "etl-prod-rotation" || r.Job != setup.RotateTokens || r.Target().Secret != "ASTRO_CI_ROTATION_TOKEN" || r.Target().Address != p.Target().Address ||
		r.LoginTarget().Secret != "ASTRO_CI_PLATFORM_TOKEN" || r.Credential.Role != "WORKSPACE_OWNER" || r.Pipeline.Renews != "etl-prod" || !r.SelfRotation.IsZero() {
		t.Errorf("got %+v", r)
	}
	p.Targets[0].Secret = "ASTRO_API_TOKEN_ETL_DEV"
	if got := p.Renewal(); got.Target().Secret != "ASTRO_CI_ROTATION_TOKEN_ETL_DEV" || got.LoginTarget().Secret != "ASTRO_CI_PLATFORM_TOKEN_ETL_DEV" {
		t.Errorf("beside another setup: %s, %s", got.Target(), got.LoginTarget())
	}
	if long := strings.Repeat("n", 62); setup.RenewalName(long+"a") == setup.RenewalName(long+"b") {
		t.Errorf("two setups are renewed by %s", setup.RenewalName(long+"a"))
	}
	r = renewing(strings.Repeat("n", 63), setup.Reminder).Renewal()
	r.Pipeline.File = "x.yml"
	if err := r.Validate(); err != nil || r.Job != setup.RemindOfEnd || r.Target() != good().Target() {
		t.Errorf("a reminder: %v, %+v", err, r)
	}
}

func TestSelfRotationThatCannotWork(t *testing.T) {
	t.Parallel()
	for what, spoil := range map[string]func(*setup.Plan){
		"ends before a weekly run":     func(p *setup.Plan) { p.Credential.ExpiresInDays = 41 },
		"its own token ends too early": func(p *setup.Plan) { p.SelfRotation.Credential.ExpiresInDays = 41 },
		"a copy elsewhere": func(p *setup.Plan) {
			p.Targets = append(p.Targets, setup.Target{Store: "vault", Address: "secret/x", Secret: "ASTRO_API_TOKEN"})
		},
		"a pipeline of one's own": func(p *setup.Plan) { p.Pipeline.Own = true },
		"no cadence":              func(p *setup.Plan) { p.SelfRotation.Every = "hourly" },
		"of a scheduled job":      func(p *setup.Plan) { p.Job, p.Pipeline.Renews, p.Pipeline.Cron = setup.RotateTokens, "x", "1 1 * * 1" },
	} {
		p := renewing("etl", setup.Weekly)
		spoil(&p)
		if err := p.Validate(); err == nil || !strings.Contains(err.Error(), "self-rotate: ") {
			t.Errorf("%s: %v", what, err)
		}
	}
	p := renewing("etl", setup.Daily)
	p.Credential.ExpiresInDays = 6
	if err := p.Validate(); err != nil {
		t.Errorf("six days, looked at every day: %v", err)
	}
	s := good()
	s.Job = setup.RotateTokens
	if err := s.Validate(); err == nil || !strings.Contains(err.Error(), "--self-rotate") {
		t.Errorf("a scheduled job without a setup: %v", err)
	}
}

func TestScheduledInWords(t *testing.T) {
	t.Parallel()
	for cron, want := range map[string]string{
		"19 20 * * 6": "every Saturday at 20:19 UTC", "5 4 * * 0": "every Sunday at 04:05 UTC", "1 2 * * *": "every day at 02:01 UTC", "@hourly": "@hourly in UTC", "1 2 3 * *": "1 2 3 * * in UTC",
	} {
		if got := setup.Scheduled(cron); got != want {
			t.Errorf("%s: %q", cron, got)
		}
	}
}
