package pipeline

import (
	"bytes"
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Command is one call of the Astro CLI in a pipeline file.
type Command struct {
	File   string
	Line   int
	Words  []string // after "astro": deploy, --dags
	Action string   // that calls it: astronomer/deploy-action@v0.4; "" when the file does so itself
}

// String is the command as one would type it, or the action.
func (c Command) String() string { return cmp.Or(c.Action, "astro "+strings.Join(c.Words, " ")) }

// Deploys reports whether the command sends code to a Deployment.
func (c Command) Deploys() bool {
	return c.Words[0] == "deploy" || c.Words[0] == "dbt" && len(c.Words) > 1 && c.Words[1] == "deploy"
}

var (
	astroCommand = pattern.New(`(?:^|[\s"'` + "`" + `;&|(])astro\s+((?:deploy|deployment|workspace|organization|dbt)\b[^|;&)]*)`)
	astroAction  = pattern.New(`\buses:\s*["']?(astronomer/deploy-action@[\w./-]+)`)
	astroID      = pattern.New(`\bc[a-z0-9]{24}\b`)
)

// Commands finds the calls of the Astro CLI in pipeline files. It reads lines, not the language of
// the file, so it works for all of them; comments are passed over,
// and so is what astro-ci has written.
func Commands(files []Found) (out []Command) {
	for _, f := range files {
		for i, line := range strings.Split(string(Theirs(f.Content)), "\n") {
			if strings.HasPrefix(strings.TrimSpace(line), "#") {
				continue
			}
			if m := astroAction.FindStringSubmatch(line); m != nil {
				out = append(out, Command{f.Path, i + 1, []string{"deploy"}, m[1]})
			}
			for _, m := range astroCommand.FindAllStringSubmatch(line, -1) {
				words := strings.Fields(strings.Trim(m[1], "\"'` \t\r"))
				if n := len(words); n > 1 && strings.HasSuffix(words[n-1], ">") { // of 2>&1
					words = words[:n-1]
				}
				out = append(out, Command{f.Path, i + 1, words, ""})
			}
		}
	}
	return out
}

// Theirs is a pipeline file without the parts that astro-ci wrote; every line keeps its number.
func Theirs(raw []byte) []byte {
	out := bytes.Clone(raw)
	blocks, _ := findBlocks(raw) // damaged ones are somebody's own
	for _, b := range blocks {
		for i, c := range out[b.start:b.end] {
			if c != '\n' {
				out[b.start+i] = ' '
			}
		}
	}
	return out
}

// Names reports whether a line of a pipeline file that astro-ci did not write, and that is no comment, holds a name as
// a word of its own.
func Names(raw []byte, name string) bool {
	word := regexp.MustCompile(`(?m)^[ \t]*(?:[^#\s].*)?\b` + regexp.QuoteMeta(name) + `\b`)
	return word.Match(Theirs(raw))
}

// JobOf is the job that needs all of these commands, and the command that decided it; ok is false
// when none of them tells.
func JobOf(commands []Command) (job setup.Job, by Command, ok bool) {
	rank := []setup.Job{setup.DeployDAGs, setup.DeployCode, setup.ManageDeployments, setup.ManageUsers}
	for _, c := range commands {
		var j setup.Job
		second := ""
		if len(c.Words) > 1 {
			second = c.Words[1]
		}
		switch first := c.Words[0]; {
		case first == "deploy" && slices.ContainsFunc(c.Words, func(w string) bool { return w == "--dags" || w == "-d" }):
			j = setup.DeployDAGs
		case c.Deploys():
			j = setup.DeployCode
		case first == "deployment" && slices.Contains([]string{"create", "update", "delete"}, second):
			j = setup.ManageDeployments
		case (first == "workspace" || first == "organization") && slices.Contains([]string{"user", "team", "token"}, second):
			j = setup.ManageUsers
		default:
			continue
		}
		if !ok || slices.Index(rank, j) > slices.Index(rank, job) {
			job, by, ok = j, c, true
		}
	}
	return job, by, ok
}

// IDs are the texts in the files that have the form of an Astro id, each once.
func IDs(files []Found) (out []string) {
	for _, f := range files {
		for _, id := range astroID.FindAllString(string(f.Content), -1) {
			if !slices.Contains(out, id) {
				out = append(out, id)
			}
		}
	}
	return out
}
