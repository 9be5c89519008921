package awsd

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// build is a build of a project. It makes one step forward each time that it is looked at.
type build struct {
	ID      string `json:"id"`
	Project string `json:"project"`
	File    string `json:"file"`
	Mark    string `json:"mark"` // the idempotency token of its request
	Looks   int    `json:"looks"`
	Over    bool   `json:"over"`
	Failed  string `json:"failed"` // what it said; "" when it went well
}

// usual is the buildspec that a build takes unless it is told otherwise.
const usual = "buildspec.yml"

// Push puts a buildspec that reads such secrets on the branches of a project's repository.
func (s *Server) Push(project, file string, jobs ...embedded.Job) {
	s.Do(func() {
		if p := s.state.Projects[project]; !slices.Contains(p.Files, file) {
			p.Files = append(p.Files, file)
		}
		s.Reads(project+" "+file, jobs...)
	})
}

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
	b := &build{ID: fmt.Sprintf("%s:00000000-0000-0000-0000-%012d", in.ProjectName, len(s.state.Builds)+1), Project: in.ProjectName, File: cmp.Or(in.BuildspecOverride, usual), Mark: in.IdempotencyToken}
	if !slices.Contains(p.Files, b.File) || !s.Known(in.ProjectName+" "+b.File, in.SourceVersion) {
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
			if says := s.Run(b.Project+" "+b.File, "", s.value); says != "" {
				b.Failed = "COMMAND_EXECUTION_ERROR: Error while executing command: " + says
			}
		}
		found = append(found, b.shown())
	}
	return embedded.OK(map[string]any{"builds": found, "buildsNotFound": missing})
}

// value is what a build gets: the secret or the parameter whose id it names.
func (s *Server) value(j embedded.Job) *secret.Value {
	if x := s.state.Secrets[j.In]; x != nil && x.Current != "" {
		return secret.New([]byte(s.state.Key.Open(x.Versions[x.Current])))
	}
	if x := s.state.Parameters[j.In]; x != nil {
		return secret.New([]byte(s.state.Key.Open(x.Sealed)))
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
