package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// NewRotation makes the script of a plan that replaces tokens at set times. It reads the secret of the
// log-in to the platform (LoginTarget of the plan) in the variable login.
func NewRotation(p setup.Plan, place, login string) (Portable, error) {
	x, err := portable(p, place, false)
	x.Env = append(x.Env, Pair{Key: "LOGIN", Value: login}, Pair{Key: "LOGIN_SECRET", Value: p.LoginTarget().Secret})
	return x, err
}

// NewJob makes the script of a plan on a platform whose schedules can replace tokens: NewRotation for a plan
// that does, NewPortable for all others.
func NewJob(p setup.Plan, place string, before bool, login string) (Portable, error) {
	if p.Job == setup.RotateTokens {
		return NewRotation(p, place, login)
	}
	return NewPortable(p, place, before)
}

// Reads are the targets whose secrets a job is handed. One that replaces tokens gets its log-in to the
// platform as well, in the variable login.
func Reads(p setup.Plan, login string) []setup.Target {
	out := p.Reads()
	if p.Job == setup.RotateTokens {
		at := p.LoginTarget()
		at.Variable = login
		out = append(out, at)
	}
	return out
}

// Work is what a job does, in words: a name for it, and its steps.
func Work(p setup.Plan) (title, steps string) {
	if p.Job.Scheduled() {
		return "Renew the Astro API token", "Install astro-ci, renew what is due"
	}
	return "Deploy to Astro", "Check the credential, install the Astro CLI, deploy"
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

// ProgramURL is the folder that holds the releases of astro-ci itself.
const ProgramURL = "https://github.com/astro-ci/astro-ci/releases/download"

// ProgramSums reads the SHA-256 of the programs of a release of astro-ci, per "os_arch", from the list that
// lies beside them.
func (r *Releases) ProgramSums(ctx context.Context, base, version string) (map[string]string, error) {
	if !anyVersion.MatchString(version) {
		return nil, fmt.Errorf("%q is no release", version)
	}
	raw, err := r.get(ctx, fmt.Sprintf("%s/v%s/SHA256SUMS", strings.TrimRight(base, "/"), version))
	if err != nil {
		return nil, err
	}
	sums := map[string]string{}
	for line := range strings.Lines(string(raw)) {
		m := sumLine.FindStringSubmatch(strings.TrimRight(line, "\r\n"))
		if m == nil {
			return nil, errors.New("a line of its list is not a sum and a file name")
		}
		if target, ok := strings.CutPrefix(m[2], "astro-ci-"); ok {
			sums[strings.Replace(target, "-", "_", 1)] = m[1]
		}
	}
	if sums["linux_amd64"] == "" {
		return nil, errors.New("its list has no sum for linux_amd64")
	}
	return sums, nil
}

var anyVersion = pattern.New(`^[0-9]+\.[0-9]+\.[0-9]+$`)
