package drone_test

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/astro-ci/astro-ci/internal/providers/drone"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

// document is one of a .drone.yml.
type document struct {
	Kind, Name string
	Get        struct{ Path, Name string }
	Steps      []struct {
		Environment map[string]any
		Commands    []string
	}
}

func documents(raw []byte) (out []document, err error) {
	for part := range strings.SplitSeq(strings.TrimPrefix(string(raw), "---\n"), "\n---\n") {
		var d document
		if err := yaml.Unmarshal([]byte(part), &d); err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

func TestPipelines(t *testing.T) {
	t.Parallel()
	providertest.Pipelines(t, providertest.PipelineSubject{
		Render: func(p setup.Plan) ([]byte, error) {
			p.Platform = "drone" // also for a secret in Vault
			return drone.Render(p)
		}, Before: true,
		Targets: []setup.Target{{Store: "drone", Address: "acme/etl"}, {Store: "drone", Address: "acme"}, {Store: "vault", Address: "secret/astro/etl"}},
		Fits:    fits(t), Job: job,
	})
}

// fits checks each document of a file.
func fits(t *testing.T) func(raw []byte) error {
	schema := testkit.NewSchema(t, "drone.schema.json", map[string]string{"https://json.schemastore.org/kubernetes-definitions.json": "kubernetes-definitions.stub.json"})
	return func(raw []byte) error {
		for part := range strings.SplitSeq(strings.TrimPrefix(string(raw), "---\n"), "\n---\n") {
			if err := schema.Fits([]byte(part)); err != nil {
				return err
			}
		}
		return nil
	}
}

// job is what a runner executes.
func job(raw []byte, secrets map[string]string, before, after string) (string, map[string]string, error) {
	all, err := documents(raw)
	if err != nil {
		return "", nil, err
	}
	env := map[string]string{"DRONE_COMMIT_BEFORE": before, "DRONE_COMMIT_SHA": after}
	for k, v := range all[0].Steps[0].Environment {
		switch v := v.(type) {
		case string:
			env[k] = v
		case map[string]any:
			name, _ := v["from_secret"].(string)
			for _, d := range all[1:] { // the extension gets it by its path and key
				if d.Kind == "secret" && d.Name == name && d.Get.Path == "secret/data/astro/etl" {
					name = d.Get.Name
				}
			}
			env[k] = secrets[name]
		}
	}
	return all[0].Steps[0].Commands[0], env, nil
}

// The administrator's script leaves an entry that the extension hands to builds of the repository and
// branch, and to nobody else; by its own rules, which are patterns without regard to case.
func TestFromVault(t *testing.T) {
	t.Parallel()
	p := providertest.PipelinePlan(setup.WorkspaceToken, setup.Target{Store: "vault", Address: "secret/astro/etl"})
	p.Platform = "drone"
	file, say := (*drone.Provider)(nil).Policy(p)
	if !strings.Contains(say, "drone/vault") || !strings.Contains(say, file.Path) {
		t.Errorf("it says %q", say)
	}
	testkit.Shellcheck(t, file.Content)
	bin, log := t.TempDir(), filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(filepath.Join(bin, "vault"), []byte("#!/bin/sh\necho \"$*\" >>'"+log+"'\n[ \"$1\" != policy ] || cat >>'"+log+"'\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := testkit.Program("sh", t.TempDir(), "PATH="+bin+":"+os.Getenv("PATH"))(t.Context(), file.Content); err != nil {
		t.Fatal(err)
	}
	ran, err := os.ReadFile(log)
	if err != nil || !strings.Contains(string(ran), "policy write astro-ci-etl-prod -\n"+`path "secret/data/astro/etl" {`) {
		t.Fatalf("%v: %s", err, ran)
	}
	_, patch, _ := strings.Cut(string(ran), "kv patch secret/astro/etl ")
	entry := map[string][]string{}
	for word := range strings.FieldsSeq(patch) {
		key, value, _ := strings.Cut(word, "=")
		entry[key] = strings.Split(value, ",")
	}
	gets := func(key, value string) bool {
		return len(entry[key]) == 0 || slices.ContainsFunc(entry[key], func(pattern string) bool {
			ok, err := path.Match(strings.ToLower(pattern), strings.ToLower(value))
			return err == nil && ok
		})
	}
	for _, c := range []struct {
		repo, branch, event string
		want                bool
	}{
		{"acme/etl", "main", "push", true},
		{"acme/etl", "main", "custom", true},
		{"acme/other", "main", "push", false},
		{"acme/etl", "feature", "push", false},
		{"acme/etl", "main", "pull_request", false},
	} {
		if got := gets("X-Drone-Repos", c.repo) && gets("X-Drone-Branches", c.branch) && gets("X-Drone-Events", c.event); got != c.want {
			t.Errorf("%+v: got %v", c, got)
		}
	}
	own := providertest.PipelinePlan(setup.WorkspaceToken, setup.Target{Store: "drone", Address: "acme/etl"})
	if file, say := (*drone.Provider)(nil).Policy(own); file.Path != "" || say != "" {
		t.Errorf("a secret of Drone itself needs %q", file.Path)
	}
}
