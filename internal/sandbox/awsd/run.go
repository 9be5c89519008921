package awsd

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// build is a build of a project. It makes one step forward each time that it is looked at.
type build struct {
	ID      string `json:"id"`
	Project string `json:"project"`
	Mark    string `json:"mark"` // the idempotency token of its request
	Looks   int    `json:"looks"`
	Over    bool   `json:"over"`
	Failed  string `json:"failed"` // what it said; "" when it went well
}

// OnRun makes each build call f with the secret that its buildspec would read: an ASTRO_API_TOKEN below
// astro/PROJECT, nil when there is none.
func (s *Server) OnRun(f func(*secret.Value) error) { s.use = f }

// Push puts a buildspec on the branch main of a project's repository.
func (s *Server) Push(project string) { s.Do(func() { s.state.Projects[project].Pushed = true }) }

// Builds is how many builds were started.
func (s *Server) Builds() (n int) {
	s.Do(func() { n = len(s.state.Builds) })
	return n
}

func (s *Server) startBuild(in input) embedded.Answer {
	p := s.state.Projects[in.ProjectName]
	switch {
	case s.Denied():
		return fail("AccessDeniedException", "not authorized to perform: codebuild:StartBuild")
	case p == nil:
		return fail("ResourceNotFoundException", "Project cannot be found: "+in.ProjectName)
	}
	for _, b := range s.state.Builds {
		if b.Project == in.ProjectName && in.IdempotencyToken != "" && b.Mark == in.IdempotencyToken {
			return embedded.OK(map[string]any{"build": b.shown()})
		}
	}
	b := &build{ID: fmt.Sprintf("%s:00000000-0000-0000-0000-%012d", in.ProjectName, len(s.state.Builds)+1), Project: in.ProjectName, Mark: in.IdempotencyToken}
	if !p.Pushed || in.SourceVersion != "main" {
		b.Over, b.Failed = true, "YAML_FILE_ERROR: YAML file does not exist"
	}
	s.state.Builds = append(s.state.Builds, b)
	return embedded.OK(map[string]any{"build": b.shown()})
}

func (s *Server) builds(in input) embedded.Answer {
	found, missing := []any{}, []string{}
	for _, id := range in.IDs {
		i := slices.IndexFunc(s.state.Builds, func(b *build) bool { return b.ID == id })
		if i < 0 {
			missing = append(missing, id)
			continue
		}
		b := s.state.Builds[i]
		if b.Looks++; b.Looks > 2 && !b.Over {
			b.Over = true
			if s.use != nil {
				if err := s.use(s.tokenOf(b.Project)); err != nil {
					b.Failed = "COMMAND_EXECUTION_ERROR: Error while executing command: " + err.Error()
				}
			}
		}
		found = append(found, b.shown())
	}
	return embedded.OK(map[string]any{"builds": found, "buildsNotFound": missing})
}

func (s *Server) tokenOf(project string) *secret.Value {
	for _, id := range slices.Sorted(maps.Keys(s.state.Secrets)) {
		if x := s.state.Secrets[id]; strings.HasPrefix(id, "astro/"+project+"/") && strings.Contains(id, "ASTRO_API_TOKEN") && x.Current != "" {
			return secret.New([]byte(s.state.Key.Open(x.Versions[x.Current])))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(s.state.Parameters)) {
		if x := s.state.Parameters[id]; strings.HasPrefix(id, "/astro/"+project+"/") && strings.Contains(id, "ASTRO_API_TOKEN") {
			return secret.New([]byte(s.state.Key.Open(x.Sealed)))
		}
	}
	return nil
}

func (b *build) shown() map[string]any {
	out := map[string]any{"id": b.ID, "arn": "arn:aws:codebuild:" + Region + ":" + Account + ":build/" + b.ID, "projectName": b.Project, "buildStatus": "IN_PROGRESS", "currentPhase": "BUILD", "buildComplete": b.Over}
	done := func(phase, status string) map[string]any {
		return map[string]any{"phaseType": phase, "phaseStatus": status}
	}
	switch {
	case b.Over && b.Failed != "":
		code, message, _ := strings.Cut(b.Failed, ": ")
		phase := done("BUILD", "FAILED")
		phase["contexts"] = []any{map[string]any{"statusCode": code, "message": message}}
		out["buildStatus"], out["currentPhase"], out["phases"] = "FAILED", "COMPLETED", []any{done("SUBMITTED", "SUCCEEDED"), phase}
	case b.Over:
		out["buildStatus"], out["currentPhase"], out["phases"] = "SUCCEEDED", "COMPLETED", []any{done("SUBMITTED", "SUCCEEDED"), done("BUILD", "SUCCEEDED")}
	case b.Looks < 2:
		out["currentPhase"] = "QUEUED"
	}
	return out
}
