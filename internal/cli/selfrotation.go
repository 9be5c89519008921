package cli

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"strings"

	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/setupfile"
)

// platformToken is the log-in by which scheduled runs write secrets, as far as it was given beforehand.
func (a *app) platformToken() (*secret.Value, error) {
	text := a.env.get(setup.LoginSecret)
	if a.setup.loginStdin {
		if a.tty && !a.noInput {
			return nil, usageError{hint.New("--platform-token-stdin reads from a pipe, and this is a terminal", "Leave it out: on a terminal the log-in is asked for.", "")}
		}
		line := bufio.NewScanner(a.in)
		if !line.Scan() || strings.TrimSpace(line.Text()) == "" {
			return nil, hint.New("stdin does not hold a log-in", "Give it on one line.", "")
		}
		text = line.Text()
	}
	if text = strings.TrimSpace(text); text == "" {
		return nil, nil //nolint:nilnil // none was given
	}
	v := secret.New([]byte(text))
	a.live(v)
	return v, nil
}

// live keeps a value that was typed from being shown: as it is, and the part behind a colon, which is the token of a
// log-in that is USER:TOKEN.
func (a *app) live(v *secret.Value) {
	a.redactor.Add(v)
	_ = v.Use(func(b []byte) error {
		if _, token, both := bytes.Cut(b, []byte(":")); both {
			a.redactor.Add(secret.New(token))
		}
		return nil
	})
}

// withLogin is a plan with the log-in of its scheduled runs. In the sandbox it is the sandbox's own, as everywhere
// there.
func (w *world) withLogin(p setup.Plan) setup.Plan {
	if w.sandbox != nil && p.SelfRotation.Every.Rotates() {
		p.SelfRotation.Login = w.sandbox.LoginOfRuns(p.Platform)
	}
	return p
}

// newLogin are the actions that give the scheduled runs of a setup another log-in. That takes a rotation of this one
// setup that was asked for by its name: what stands in the variable is for one platform and one repository, and must
// not get to another.
func (w *world) newLogin(ctx context.Context, f rotateFlags, c candidate) ([]engine.Action, error) {
	if f.only != c.name || f.due || c.plan.Job != setup.RotateTokens || w.platformLogin.Empty() {
		return nil, nil
	}
	platform, err := w.openAt(ctx, c.plan.Platform, c.plan.Repository.Host)
	if err != nil {
		return nil, err
	}
	stores, err := w.stores(ctx, c.plan)
	login := w.platformLogin
	if w.sandbox != nil {
		login = w.sandbox.LoginOfRuns(c.plan.Platform)
	}
	return engine.NewLogin(c.plan, platform, stores, login), err
}

// program finds the release of astro-ci that scheduled runs install: this version, unless another one is
// wanted.
func (w *world) program(ctx context.Context, wanted string) (setup.CLI, string, error) {
	from := cmp.Or(w.app.setup.ownURL, pipeline.ProgramURL)
	out := setup.CLI{Version: cmp.Or(wanted, strings.TrimPrefix(release(), "v")), BaseURL: from, SHA256: map[string]string{}}
	read := from // as with the Astro CLI: what is read here may be elsewhere than where the runs install from
	if w.sandbox != nil {
		read, out.Version = w.sandbox.ReleasesURL(), cmp.Or(wanted, w.sandbox.Program())
	}
	if given := w.app.setup.ownSHA256; len(given) > 0 {
		for _, s := range given {
			target, sum, _ := strings.Cut(s, "=")
			out.SHA256[target] = strings.ToLower(sum)
		}
		return out, "sums given by you", nil
	}
	sums, err := w.pins.ProgramSums(ctx, read, out.Version)
	if err != nil {
		// Who only rotates has no use for them; a set-up is refused without.
		return out, "its SHA-256 could not be read: " + err.Error(), ctx.Err()
	}
	out.SHA256 = sums
	return out, "with the sums that its release publishes", nil
}

// renews finds the setup of astro-ci.yaml that another one, of this name, renews.
func renews(f setupfile.File, name string) (setupfile.Answers, bool) {
	for _, s := range f.Setups {
		if a, _ := f.Answers(s.Name); setup.RenewalName(s.Name) == name && setup.Cadence(a["self-rotate"]).Rotates() {
			return a, true
		}
	}
	return nil, false
}

// renewals are the names of the setups that renew those of astro-ci.yaml.
func renewals(f setupfile.File) (out []string) {
	for _, s := range f.Setups {
		if a, _ := f.Answers(s.Name); setup.Cadence(a["self-rotate"]).Rotates() {
			out = append(out, setup.RenewalName(s.Name))
		}
	}
	return out
}

// programOf is a plan with the program that its scheduled runs install as an earlier one says it, where it is the
// same version: its sums may have been given by hand.
func programOf(p, earlier setup.Plan) setup.Plan {
	if own := earlier.SelfRotation.Program; len(own.SHA256) > 0 && own.Version == p.SelfRotation.Program.Version {
		p.SelfRotation.Program = own
	}
	return p
}
