package rotation_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/github"
	"github.com/astro-ci/astro-ci/internal/sandbox/astrod"
	"github.com/astro-ci/astro-ci/internal/sandbox/githubd"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

const sideBySide = 200

// crowd runs f side by side on an Astro and a GitHub that hold to their limits, and returns how often each
// of them had to refuse something.
func crowd(t *testing.T, f func(t *testing.T, i int, base http.RoundTripper, a *astrod.Server, hub *githubd.Server) error) (ofAstro, ofGitHub int64) {
	synctest.Test(t, func(t *testing.T) {
		a, err := astrod.New(astrod.Options{Limited: true})
		hub, err2 := githubd.New(githubd.Options{Limited: true})
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		var one, two testkit.Refusals
		m := http.NewServeMux()
		m.Handle("/v1/", one.Around(a.Handler()))
		m.Handle("/hub/", two.Around(http.StripPrefix("/hub", hub.Handler())))
		base, closeAll := inMemory(m)
		var wait sync.WaitGroup
		for i := range sideBySide {
			wait.Go(func() {
				if err := f(t, i, base, a, hub); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		closeAll()
		ofAstro, ofGitHub = one.Load(), two.Load()
	})
	return ofAstro, ofGitHub
}

// inMemory serves h on a network in memory.
func inMemory(h http.Handler) (base http.RoundTripper, end func()) {
	b := httpx.NewBase(nil, nil)
	end = testkit.InMemory(h, b)
	return b, end
}

func address(path string) *url.URL { return &url.URL{Scheme: "http", Host: "localhost", Path: path} }

// Two hundred set-ups side by side, each with clients of its own, never run into a limit of Astro or GitHub.
func TestLimitsAreNotRunInto(t *testing.T) {
	var hosts httpx.Hosts
	var told atomic.Int64
	ofAstro, ofGitHub := crowd(t, func(t *testing.T, i int, base http.RoundTripper, a *astrod.Server, hub *githubd.Server) error {
		waiting := func(context.Context, string, time.Duration) { told.Add(1) }
		jitter := rand.New(rand.NewPCG(uint64(i), 1)).Float64
		issuer := astro.New(address("/v1"), httpx.Bearer(a.Login("ada@acme.example")), httpx.Options{Base: base, Agent: "astro-ci/test", Jitter: jitter, Hosts: &hosts, Waiting: waiting})
		gh, err := github.New(github.Options{Host: "github.com", APIURL: address("/hub"), Token: hub.Token(), Base: base, Agent: "astro-ci/test", Jitter: jitter, Hosts: &hosts, Waiting: waiting})
		if err != nil {
			return err
		}
		org, ws, dep := a.Find("Data Platform", "etl-prod")
		plan := setup.Setup{
			Name: fmt.Sprint("etl", i), Organization: setup.Ref{ID: org}, Workspace: setup.Ref{ID: ws}, Deployment: setup.Ref{ID: dep}, Job: setup.DeployCode,
			Credential: setup.Credential{Kind: setup.DeploymentToken, Role: "DEPLOYMENT_ADMIN", ExpiresInDays: 90},
		}
		token, value, err := issuer.CreateToken(t.Context(), plan, "mark")
		if err != nil {
			return err
		}
		target := setup.Target{Store: "github", Address: "acme/etl", Secret: setup.TokenVariable}
		_, err = gh.Put(t.Context(), target, value, providers.Meta{Setup: plan.Name, TokenID: token.ID})
		_, err2 := issuer.Tokens(t.Context(), org, "", "")
		return errors.Join(err, err2, issuer.DeleteToken(t.Context(), org, token.ID))
	})
	if ofAstro != 0 || ofGitHub != 0 {
		t.Errorf("Astro refused %d requests, GitHub %d", ofAstro, ofGitHub)
	}
	if told.Load() == 0 {
		t.Error("nobody was told about the waiting")
	}
	_, _ = fmt.Fprintf(os.Stderr, "%d side by side: Astro refused %d requests, GitHub %d\n", sideBySide, ofAstro, ofGitHub)
}

// The servers see it: the same requests without our transport are refused.
func TestLimitsAreEnforced(t *testing.T) {
	send := func(ctx context.Context, base http.RoundTripper, as *secret.Value, method, path, body string) error {
		r, err := http.NewRequestWithContext(ctx, method, address(path).String(), bytes.NewReader([]byte(body)))
		if err == nil {
			r.Header.Set("User-Agent", "astro-ci/test")
			err = httpx.Bearer(as)(r)
		}
		if err != nil {
			return err
		}
		resp, err := base.RoundTrip(r)
		if err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.Body.Close()
	}
	ofAstro, ofGitHub := crowd(t, func(t *testing.T, _ int, base http.RoundTripper, a *astrod.Server, hub *githubd.Server) error {
		org, _, _ := a.Find("", "")
		return errors.Join(
			send(t.Context(), base, a.Login("ada@acme.example"), http.MethodGet, "/v1/organizations/"+org+"/tokens", ""),
			send(t.Context(), base, hub.Token(), http.MethodPut, "/hub/repos/acme/etl/actions/secrets/A", "{}"))
	})
	_, _ = fmt.Fprintf(os.Stderr, "%d side by side without our transport: Astro refused %d requests, GitHub %d\n", sideBySide, ofAstro, ofGitHub)
	if ofAstro < sideBySide-50 || ofGitHub < sideBySide-100 {
		t.Errorf("Astro refused %d requests, GitHub %d", ofAstro, ofGitHub)
	}
}
