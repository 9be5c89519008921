// Package codebuild renders buildspecs for AWS CodeBuild.
package codebuild

import (
	"fmt"
	"strings"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers/aws"
	"github.com/astro-ci/astro-ci/internal/setup"
)

const docsBuildspec = "https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html"

// sections are the parts of a buildspec that read from a store, by the store's id.
var sections = []struct{ store, name string }{{"aws-secrets-manager", "secrets-manager"}, {"aws-ssm", "parameter-store"}}

// guard ends a build that a webhook started for another branch.
const guard pipeline.Literal = `# A webhook may start builds for other branches; they end here without a deploy.
if [ -n "$CODEBUILD_WEBHOOK_HEAD_REF" ] && [ "$CODEBUILD_WEBHOOK_HEAD_REF" != "refs/heads/$BRANCH" ]; then
  echo "Nothing to do: this is not the branch $BRANCH."
  exit 0
fi
`

// Render writes the plan's buildspec. The plan has to be valid. The secret never is a variable of
// the project: CodeBuild reads it from Secrets Manager or the Parameter Store when a build starts.
func Render(p setup.Plan) ([]byte, error) {
	x, err := pipeline.NewPortable(p, "Secrets Manager or the Parameter Store", true)
	if err != nil {
		return nil, fmt.Errorf("codebuild: pipeline: %w", err)
	}
	env := pipeline.Map{{Key: "variables", Value: append(x.Env, pipeline.Pair{Key: "BRANCH", Value: p.Pipeline.Branch})}}
	read := 0
	for _, s := range sections {
		var from pipeline.Map
		for _, t := range p.Reads() {
			if t.Store != s.store {
				continue
			}
			id := aws.ID(t)
			if strings.ContainsAny(id, ": ") || !pipeline.Inert(id) {
				return nil, hint.New(fmt.Sprintf("codebuild: %q cannot be named in a buildspec", id), "Use a name without colons and spaces.", docsBuildspec)
			}
			from = append(from, pipeline.Pair{Key: t.Feeds(), Value: id})
		}
		if read += len(from); from != nil {
			env = append(env, pipeline.Pair{Key: s.name, Value: from})
		}
	}
	if read != len(p.Reads()) {
		return nil, hint.New("codebuild: a build cannot read a secret of "+p.Target().Store, "Keep it in aws-secrets-manager or aws-ssm.", docsBuildspec)
	}
	script := guard
	if x.Push {
		script += "BEFORE=\"$CODEBUILD_WEBHOOK_PREV_COMMIT\"\nAFTER=\"$CODEBUILD_RESOLVED_SOURCE_VERSION\"\n"
	}
	raw, err := pipeline.YAML(x.Header(p), pipeline.Map{
		{Key: "version", Value: "0.2"},
		{Key: "env", Value: env},
		{Key: "phases", Value: pipeline.Map{
			{Key: "build", Value: pipeline.Map{{Key: "commands", Value: pipeline.List{script + x.Script}}}},
		}},
	})
	if err != nil {
		return nil, fmt.Errorf("codebuild: pipeline: %w", err)
	}
	return raw, nil
}
