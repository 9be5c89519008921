//go:build unix

package cli_test

import (
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/setup"
)

// A person lets a schedule renew the token: on the review they open the answer that says who does, read what
// it costs, and give the runs a log-in, which is not shown. There are a second token and a second file then.
func TestJourneyOfASelfRotation(t *testing.T) {
	t.Parallel()
	p, s := online(t)
	login := p.value("GH_TOKEN")
	x := p.terminal("setup", "--credential", "deployment-token", "--workspace", "Data Platform", "--deployment", "etl-prod",
		"--astro-ci-version", "1.2.3", "--astro-ci-sha256", "linux_amd64="+strings.Repeat("a", 64))
	x.WaitFor("GH_TOKEN")
	for _, next := range []string{"What will the pipeline do?", "How long may the token live?", "Where is the secret kept?", "Do all of this now?"} {
		x.Send(enter)
		x.WaitFor(next)
	}
	x.WaitFor("Renewed by")
	x.Send(up)
	x.WaitFor("enter change this answer")
	x.Send(enter)
	x.WaitFor("Who renews the token?")
	x.WaitFor("could make")
	x.WaitFor("and a person renews")
	x.WaitFor("› A person")
	x.Send(down)
	x.WaitFor("› A schedule, every week")
	x.WaitFor("For tokens of 42 days or more")
	x.Send(enter)
	x.WaitFor("With which log-in do the runs write secrets?")
	x.WaitFor("with Secrets: read and")
	if len(marked(s)) != 0 {
		t.Errorf("on Astro before the yes: %v", marked(s))
	}
	x.Send(login + enter)
	x.WaitFor("Do all of this now?")
	x.WaitFor("Renewed with")
	x.WaitFor("WORKSPACE_OWNER")
	agree(x)
	x.WaitFor("What is left to you")
	x.WaitFor("etl-prod-rotation")
	x.WaitFor("See there the runs that renew the token")
	x.WaitFor("only a person can renew it")
	x.Send(enter)
	if said := p.ends(x, 0); strings.Contains(string(x.Raw()), login) || !strings.Contains(said, "etl-prod-rotation.yml") {
		t.Errorf("the log-in was shown, or the file of the schedule is not named: %s", said)
	}

	for name, setup := range map[string]string{setup.TokenVariable: "etl-prod", setup.RotationSecret: "etl-prod-rotation"} {
		v, err := s.GitHub().OpenRepo("acme", "etl", name)
		if all := marked(s)[setup]; err != nil || len(all) != 1 || !s.Astro().Accepts(v, all[0]) {
			t.Errorf("%s does not hold the token of %s, %v: %v", name, setup, all, err)
		}
	}
	v, err := s.GitHub().OpenRepo("acme", "etl", setup.LoginSecret)
	if err != nil {
		t.Fatal(err)
	}
	_ = v.Use(func(b []byte) error {
		if string(b) != login {
			t.Error("another log-in was stored")
		}
		return nil
	})
	if file := p.read(".github/workflows/astro-etl-prod-rotation.yml"); !strings.Contains(file, "schedule:") || !strings.Contains(file, setup.RotationSecret) || strings.Contains(file, login) {
		t.Errorf("the file of the schedule:\n%s", file)
	}
	if file := p.read("astro-ci.yaml"); !strings.Contains(file, "self-rotate: weekly") || strings.Contains(file, login) {
		t.Errorf("the file of the setups:\n%s", file)
	}
}
