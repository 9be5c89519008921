package jenkins_test

import (
	"errors"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/jenkins"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/setup"
)

func TestScheduled(t *testing.T) {
	t.Parallel()
	at := setup.Target{Store: "jenkins", Address: "folder:team"}
	providertest.Scheduled(t, providertest.ScheduledSubject{PipelineSubject: providertest.PipelineSubject{
		Render: jenkins.Render, Targets: []setup.Target{{Store: "jenkins", Address: "system"}, at}, Job: job,
		Fits: func(raw []byte) error {
			if strings.Count(string(raw), "\n  triggers {\n    cron('TZ=UTC\\n") != 1 {
				return errors.New("no schedule in UTC")
			}
			return fits(raw)
		},
	}})
	deploys := providertest.PipelinePlan(setup.DeploymentToken, at)
	if raw, err := jenkins.Render(deploys); err != nil || strings.Contains(string(raw), "triggers") {
		t.Errorf("%v\n%s", err, raw)
	}
	// A file has one schedule for all its stages: the two jobs have files of their own.
	p, renews := (*jenkins.Provider)(nil), providertest.RenewalPlan(setup.Weekly, at)
	for file, plan := range map[string]setup.Plan{"Jenkinsfile": deploys, "Jenkinsfile.etl-prod-rotation": renews} {
		found := slices.ContainsFunc(p.PipelineGlobs(), func(glob string) bool {
			ok, err := path.Match(glob, file)
			return ok && err == nil
		})
		if got := p.PipelineFile(plan.Setup); got != file || !found {
			t.Errorf("%s is %s", file, got)
		}
	}
}

// A run has one secret for its log-in, which takes a user and a token.
func TestLoginOfOneText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ user, token, wantUser, want string }{
		{"ada", "x", "ada", "x"}, {"", "ada:x", "ada", "x"}, {"ada", "a:pass:word", "ada", "a:pass:word"}, {"", "ada:pass:word", "ada", "pass:word"}, {"", "x", "", ""},
	} {
		env := map[string]string{"JENKINS_URL": "https://ci.example.com/", "JENKINS_USER_ID": c.user, "JENKINS_API_TOKEN": c.token}
		server, login, err := jenkins.FindLogin(providers.Host{Getenv: func(k string) string { return env[k] }})
		if (err == nil) != (c.want != "") || err != nil && !errors.Is(err, providers.ErrNoLogin) {
			t.Errorf("%+v: %v", c, err)
		}
		if err == nil && (server != "https://ci.example.com" || login.User != c.wantUser || login.Value.Use(func(b []byte) error {
			if string(b) != c.want {
				return errors.New("another one")
			}
			return nil
		}) != nil) {
			t.Errorf("%+v: %s %s", c, server, login.User)
		}
	}
}
