package pipeline

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// NewRotation makes the script of a plan that replaces tokens at set times. It reads the secret of the
// log-in to the platform (LoginTarget of the plan) in the variable login.
func NewRotation(p setup.Plan, place, login string) (Portable, error) {
	x, err := portable(p, place, false)
	x.Env = append(x.Env, Pair{Key: "LOGIN", Value: login}, Pair{Key: "LOGIN_SECRET", Value: p.LoginTarget().Secret})
	return x, err
}

// NewReminder makes the script of a plan that opens an issue when a token ends soon. It reads ISSUE_TOKEN,
// by which a run may open one, and the variables that runs of GitHub have, and those of its likes.
func NewReminder(p setup.Plan, place string) (Portable, error) { return portable(p, place, false) }

// scheduled is the script of a job that runs at set times, and the constants it reads beside PLACE.
func scheduled(p setup.Plan, out Portable) (Portable, error) {
	add := func(key, value string) { out.Env = append(out.Env, Pair{Key: key, Value: value}) }
	if p.Fetches() {
		return Portable{}, hint.New("a scheduled run cannot write to a secrets backend", "Keep the secret on the platform, or leave --self-rotate out.", "")
	}
	add("SECRET", p.Target().Secret)
	if p.Job == setup.RotateTokens {
		cli := p.Pipeline.CLI
		add("CLI_URL", strings.TrimRight(cli.BaseURL, "/"))
		add("CLI_VERSION", cli.Version)
		add("CLI_SHA256_X64", cli.SHA256["linux_amd64"])
		if sum := cli.SHA256["linux_arm64"]; sum != "" {
			add("CLI_SHA256_ARM64", sum)
		}
		add("RENEWS", p.Pipeline.Renews)
		add("SETUP", p.Name)
		out.Script = assemble(p, []string{"begin", "check-token", "check-login", "install-astro-ci", "rotate"})
		return out, nil
	}
	title := "Renew the Astro API token of " + p.Pipeline.Renews
	issue, err := json.Marshal(map[string]string{"title": title, "body": fmt.Sprintf(
		"The token in the secret %s ends soon, or has ended: the last run of %s says when.\n\nRenew it with: `astro-ci rotate %s`\n\nThen close this issue. It is opened again, by a schedule, as long as there is a reason.",
		p.Target().Secret, p.Pipeline.File, p.Pipeline.Renews)})
	if err != nil {
		return Portable{}, fmt.Errorf("the issue of %s: %w", p.Name, err)
	}
	add("TITLE", `"`+title+`"`)
	add("ISSUE", string(issue))
	out.Script = assemble(p, []string{"begin", "remind", "check-token"})
	return out, nil
}
