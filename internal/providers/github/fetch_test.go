package github_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/astro-ci/astro-ci/internal/providers/github"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// GitHub gives a job an identity for the audience that it asks for, if it has the right to.
func TestFetches(t *testing.T) {
	t.Parallel()
	schema := workflowSchema(t)
	providertest.Fetches(t, providertest.FetchSubject{
		Platform: "github", Render: func(p setup.Plan) ([]byte, error) {
			p.Pipeline.File = ".github/workflows/astro.yml"
			return github.Render(p)
		},
		Fits: func(raw []byte) error {
			lint(t, "workflow", raw, "")
			if schema != nil {
				fits(t, "workflow", schema, raw)
			}
			return nil
		},
		Job: func(raw []byte, _ map[string]string, before, after string) (string, map[string]string, error) {
			var w workflow
			if err := yaml.Unmarshal(raw, &w); err != nil {
				return "", nil, err
			}
			j := w.Jobs["deploy"]
			if j.Permissions["id-token"] != "write" || len(j.Steps) != 2 {
				return "", nil, errors.New("the job gets no identity")
			}
			x := j.Steps[1]
			for k, v := range x.Env {
				x.Env[k] = strings.NewReplacer("${{ github.event.before }}", before, "${{ github.sha }}", after).Replace(v)
				if strings.Contains(x.Env[k], "${{") {
					return "", nil, errors.New(k + " is " + v)
				}
			}
			return x.Run, x.Env, nil
		},
		Vouch: func(t *testing.T, _ []byte, env map[string]string, _ string, mint func(string) string) {
			t.Helper()
			audience := env["AUDIENCE"]
			jwt := mint(audience)
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != "Bearer a-pass" || r.URL.Query().Get("audience") != audience || r.URL.Query().Get("api-version") != "2.0" {
					http.Error(w, "no", http.StatusUnauthorized)
					return
				}
				_ = json.NewEncoder(w).Encode(map[string]any{"count": 1, "value": jwt})
			}))
			t.Cleanup(srv.Close)
			env["GITHUB_ACTIONS"], env["ACTIONS_ID_TOKEN_REQUEST_URL"], env["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = "true", srv.URL+"/token?api-version=2.0", "a-pass"
		},
	})
}
