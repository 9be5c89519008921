// Package jenkins renders Jenkinsfiles.
package jenkins

import (
	"fmt"
	"strings"

	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Render writes the plan's Jenkinsfile, a declarative pipeline. The plan has to be valid. Shell text
// stands between single quotes, so that Groovy puts no secret into it; what comes from outside is a
// Groovy string of its own.
func Render(p setup.Plan) ([]byte, error) {
	place := "the credentials of Jenkins"
	if p.Target().Store != id {
		place = p.Target().String()
	}
	x, err := pipeline.NewJob(p, place, true, loginVariable)
	if err != nil {
		return nil, fmt.Errorf("jenkins: pipeline: %w", err)
	}
	var b strings.Builder
	line := func(depth int, format string, args ...any) {
		fmt.Fprintf(&b, strings.Repeat("  ", depth)+format+"\n", args...)
	}
	line(0, "pipeline {")
	line(1, "agent any")
	line(1, "options {")
	line(2, "disableConcurrentBuilds() // one run at a time; a run that has begun is never cut off")
	line(2, "timeout(time: 30, unit: 'MINUTES')")
	line(1, "}")
	if p.Job.Scheduled() {
		line(1, "triggers {")
		line(2, "cron('TZ=UTC\\n%s') // it counts once the job has run with this file", p.Pipeline.Cron)
		line(1, "}")
	}
	line(1, "stages {")
	for _, about := range x.Header(p) {
		line(2, "// %s", about)
	}
	title, _ := pipeline.Work(p)
	line(2, "stage(%s) {", groovy(title+": "+p.Name))
	line(3, "// A job that knows only one branch has no BRANCH_NAME.")
	line(3, "when { expression { env.BRANCH_NAME == null || env.BRANCH_NAME == %s } }", groovy(p.Pipeline.Branch))
	line(3, "environment {")
	for _, e := range x.Env {
		value, _ := e.Value.(string)
		beside := ""
		if e.Beside != "" {
			beside = " // " + e.Beside
		}
		line(4, "%s = %s%s", e.Key, groovy(value), beside)
	}
	line(3, "}")
	line(3, "steps {")
	depth := 4
	if x.Push {
		line(depth, `withEnv(["BEFORE=${env.GIT_PREVIOUS_SUCCESSFUL_COMMIT ?: ''}", "AFTER=${env.GIT_COMMIT ?: ''}"]) {`)
		depth++
	}
	line(depth, "%s {", bindings(p))
	line(depth+1, "sh '''")
	for text := range strings.Lines(string(x.Script)) {
		if text = strings.TrimSuffix(text, "\n"); text == "" {
			line(0, "")
		} else {
			line(depth+1, "%s", text)
		}
	}
	line(depth+1, "'''")
	line(depth, "}")
	if x.Push {
		line(4, "}")
	}
	line(3, "}")
	line(2, "}")
	line(1, "}")
	line(0, "}")
	return []byte(b.String()), nil
}

// bindings is the step that hands the secrets to the script: the credentials of Jenkins, or keys of an
// entry of Vault, which Jenkins reads with its own log-in there.
func bindings(p setup.Plan) string {
	var out []string
	if p.Target().Store == id {
		for _, t := range pipeline.Reads(p, loginVariable) {
			out = append(out, fmt.Sprintf("string(credentialsId: %s, variable: %s)", groovy(t.Secret), groovy(t.Feeds())))
		}
		return "withCredentials([" + strings.Join(out, ", ") + "])"
	}
	for _, t := range p.Reads() {
		out = append(out, fmt.Sprintf("[envVar: %s, vaultKey: %s]", groovy(t.Feeds()), groovy(t.Secret)))
	}
	return fmt.Sprintf("withVault(vaultSecrets: [[path: %s, engineVersion: 2, secretValues: [%s]]])", groovy(p.Target().Address), strings.Join(out, ", "))
}

// groovy is text as a Groovy string that takes nothing in it for more than text.
func groovy(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(text) + "'"
}
