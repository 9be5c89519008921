package steps

import (
	"maps"
	"strconv"
	"strings"

	"github.com/astro-ci/astro-ci/internal/setup"
)

// none is the answer of the question for the pipeline file that leaves it to the person.
const none = "none"

// Answers are what the questions have to be answered with to get the setup of p again, by the ids of the
// questions. Ids stand for what has one. A Deployment API key is not among them.
func Answers(p setup.Plan) map[string]string {
	out := map[string]string{
		"organization": p.Organization.ID,
		"job":          string(p.Job),
		"credential":   string(p.Credential.Kind),
		"workspace":    p.Workspace.ID,
		"deployment":   p.Deployment.ID,
		"role":         p.Credential.Role,
		"platform":     p.Platform,
		"repo":         p.Repository.String(),
		"branch":       p.Pipeline.Branch,
		"name":         p.Name,
	}
	if n := p.Credential.ExpiresInDays; n > 0 {
		out["expires-in"] = strconv.Itoa(n) + "d"
	}
	if t := p.Target(); t.Store != "" {
		out["target"] = t.Store + ":" + t.Address
	}
	if p.Credential.Kind != setup.DeploymentKey {
		out["secret-name"] = p.Target().Secret
		var also []string
		for _, t := range p.Targets[min(1, len(p.Targets)):] {
			at := t.Store + ":" + t.Address
			if t.Secret != p.Target().Secret {
				at += "=" + t.Secret
			}
			also = append(also, at)
		}
		out["also"] = strings.Join(also, ",")
	}
	r := p.Pipeline.Reader
	out["reader"], out["reader-server"], out["reader-namespace"], out["reader-runs"] = r.Role, r.Server, r.Namespace, r.Runs
	if p.Pipeline.Own {
		out["pipeline-file"] = none
	} else {
		out["pipeline-file"], out["project-folder"], out["cli-version"] = p.Pipeline.File, p.Pipeline.Folder, p.Pipeline.CLI.Version
		if p.Job == setup.DeployCode {
			out["deploy"] = string(p.Pipeline.Deploy)
		}
	}
	if p.PullRequest {
		out["deliver"] = toPullRequest
	}
	if r := p.SelfRotation; !r.IsZero() {
		out["self-rotate"], out["rotation-role"], out["astro-ci-version"] = string(r.Every), r.Credential.Role, r.Program.Version
	}
	for id, a := range out {
		if a == "" {
			delete(out, id)
		}
	}
	return out
}

// Alone are the answers of a setup that nothing renews any more.
func Alone(answers map[string]string) map[string]string {
	out := maps.Clone(answers)
	for _, id := range []string{"self-rotate", "rotation-role", "astro-ci-version"} {
		delete(out, id)
	}
	return out
}
