package azuredevops_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers/azuredevops"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

func TestScheduled(t *testing.T) {
	t.Parallel()
	at := setup.Target{Store: "azure-devops", Address: "acme/data/group:astro-etl"}
	providertest.Scheduled(t, providertest.ScheduledSubject{PipelineSubject: providertest.PipelineSubject{
		Render: func(p setup.Plan) ([]byte, error) {
			p.Repository.Host = azuredevops.Host
			return azuredevops.Render(p)
		},
		Targets: []setup.Target{at}, Fits: testkit.NewSchema(t, "azure-pipelines.check-jsonschema-vendored.json", nil).Fits, Job: job,
	}})
	p := providertest.RenewalPlan(setup.Weekly, at)
	p.Repository.Host = azuredevops.Host
	raw, err := azuredevops.Render(p)
	if err != nil || !strings.HasPrefix(strings.SplitN(string(raw), "\n\n", 2)[1], "trigger: none\n") || !strings.Contains(string(raw), p.Pipeline.Cron) {
		t.Errorf("%v\n%s", err, raw)
	}
	// The variables of another pipeline are not seen, and a Server is not known to the run.
	p.Targets[0].Address = "acme/data/pipeline:etl"
	if _, err := azuredevops.Render(p); err == nil || !strings.Contains(hint.Of(err).Next, "group:NAME") {
		t.Errorf("a pipeline's own variables: %v", err)
	}
	p = providertest.RenewalPlan(setup.Weekly, at)
	p.Repository.Host = "tfs.example.com"
	if _, err := azuredevops.Render(p); err == nil {
		t.Error("a Server is scheduled")
	}
}

// Each file of a repository has a pipeline of its own, and each of them is let at the group.
func TestASecondFileHasAPipelineOfItsOwn(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t)
	for _, file := range []string{"azure-pipelines-etl.yml", "azure-pipelines-etl-rotation.yml"} {
		m := meta
		m.File = file
		if _, err := w.Store.Put(t.Context(), target("acme/data/group:astro", name), testkit.Canary(t), m); err != nil {
			t.Fatal(err)
		}
	}
	made, may := server.Pipelines(), server.MayUse("astro")
	slices.Sort(made)
	slices.Sort(may)
	if fmt.Sprint(made) != "[astro-etl /azure-pipelines-etl.yml astro-etl-azure-pipelines-etl-rotation /azure-pipelines-etl-rotation.yml]" || fmt.Sprint(may) != "[astro-etl astro-etl-azure-pipelines-etl-rotation]" {
		t.Errorf("made %v, and %v may use the group", made, may)
	}
}
