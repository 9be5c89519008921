package steps

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/setup"
)

const custom = "custom"

func expiry() flow.Step {
	return flow.Step{
		ID: "expires-in", Name: "Expiry", Flag: "expires-in", Env: env("expires-in"),
		When:  func(p setup.Plan) bool { return p.Credential.Kind != setup.DeploymentKey },
		Title: "How long may the token live?",
		Help:  "Shorter is safer. The pipeline warns 14 days before the end, and a new token takes one command.",
		More: "When two thirds of its life are over, the token is due: from then on astro-ci rotate --due replaces it. Runs notice nothing, " +
			"since the new one works before the old one ends. On the review, \"Renewed by\" has a schedule do that.",
		Load: func(context.Context, setup.Plan) (flow.Choices, error) {
			cs := flow.Choices{Default: strconv.Itoa(setup.DefaultDays)}
			for _, n := range []int{30, 60, 90, 180, 365} {
				cs.Items = append(cs.Items, dayChoice(n))
			}
			cs.Items = append(cs.Items, flow.Choice{Value: custom, Label: text("Another number of days"), Rest: true, Note: text("1 to 3650")})
			return cs, nil
		},
		Parse: func(_ context.Context, _ setup.Plan, s string) (flow.Choice, error) {
			n, err := parseDays(s)
			return dayChoice(n), err
		},
		Apply: func(p *setup.Plan, c flow.Choice) error {
			if c.Value == custom {
				p.Credential.ExpiresInDays = 0 // days asks
				return nil
			}
			n, err := parseDays(c.Value)
			p.Credential.ExpiresInDays = n
			return err
		},
		Says: func(p setup.Plan, c flow.Choice) display.Text {
			if n := p.Credential.ExpiresInDays; c.Value == custom && n > 0 {
				return dayChoice(n).Label
			}
			return c.Label
		},
		Lives: lives,
	}
}

func days() flow.Step {
	return flow.Step{
		ID: "expires-in-days", Name: "Days", Flag: "expires-in", Env: env("expires-in"), Kind: flow.Input, Needs: []string{"expires-in"},
		Title: "How many days, from 1 to 3650?",
		Help:  "From 1 to 3650. A token without an end is not offered.",
		When: func(p setup.Plan) bool {
			return p.Credential.Kind != setup.DeploymentKey && p.Credential.ExpiresInDays == 0
		},
		Check: func(s string) error { _, err := parseDays(s); return err },
		Apply: func(p *setup.Plan, c flow.Choice) error {
			n, err := parseDays(c.Value)
			p.Credential.ExpiresInDays = n
			return err
		},
		Lives: lives,
	}
}

func dayChoice(n int) flow.Choice {
	c := flow.Choice{Value: strconv.Itoa(n), Label: text("%d days", n)}
	if n == setup.DefaultDays {
		c.Note = text("the usual choice")
	}
	return c
}

// lives is a number of days as a time.
func lives(s string) (time.Duration, bool) {
	n, err := parseDays(s)
	return time.Duration(n) * 24 * time.Hour, err == nil
}

// parseDays reads "90" or "90d".
func parseDays(s string) (int, error) {
	n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(s), "d"))
	if err != nil {
		return 0, errors.New("use a number of days, like 90 or 90d")
	}
	return n, setup.CheckDays(n)
}
