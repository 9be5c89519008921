package jenkins

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// part is the name of a job or folder.
var part = pattern.New(`^[A-Za-z0-9_][A-Za-z0-9_. %-]{0,199}$`)

// isJob reports whether s is the full name of a job or folder: its folders and its name.
func isJob(s string) bool {
	for p := range strings.SplitSeq(s, "/") {
		if !part.MatchString(p) || strings.TrimSpace(p) != p {
			return false
		}
	}
	return true
}

// jobPath is the path of a job or folder.
func jobPath(name string) string {
	var b strings.Builder
	for p := range strings.SplitSeq(name, "/") {
		b.WriteString("/job/" + url.PathEscape(p))
	}
	return b.String()
}

// store is the path of the global domain of the store at an address.
func store(address string) (string, error) {
	if address == "system" {
		return "/credentials/store/system/domain/_", nil
	}
	if folder, ok := strings.CutPrefix(address, "folder:"); ok && isJob(folder) {
		return jobPath(folder) + "/credentials/store/folder/domain/_", nil
	}
	return "", hint.New(fmt.Sprintf("jenkins: %q is not an address", display.Clean(address)), "Write system, or folder:PATH, for example folder:team/etl.", docsCredentials)
}

// Detect proposes a job of the repository's name; a remote does not say where the job is.
func Detect(r providers.Remote, host string) (setup.Repository, bool) {
	name := r.Path[strings.LastIndex(r.Path, "/")+1:]
	return setup.Repository{Host: host, Path: name}, isJob(name)
}

// Detect proposes a job of the repository's name.
func (p *Provider) Detect(r providers.Remote) (setup.Repository, bool) { return Detect(r, p.host) }

// ParseRepo reads the full name of a job, FOLDER/JOB, or its address.
func (p *Provider) ParseRepo(s string) (setup.Repository, error) {
	name := strings.TrimSuffix(strings.TrimSpace(s), "/")
	name = strings.TrimPrefix(strings.TrimPrefix(name, "https://"), "http://")
	if rest, ok := strings.CutPrefix(name, p.page+"/"); ok {
		name = rest
	} else { // as astro-ci.yaml names it, without the path below which Jenkins is served
		name = strings.TrimPrefix(name, p.host+"/")
	}
	if rest, ok := strings.CutPrefix(name, "job/"); ok {
		name = strings.ReplaceAll(rest, "/job/", "/")
	}
	if !isJob(name) {
		return setup.Repository{}, hint.New(fmt.Sprintf("jenkins: %q is not a job", display.Clean(s)), "Write its full name, for example team/etl.", "")
	}
	return setup.Repository{Host: p.host, Path: name}, nil
}

// PipelineGlobs are the paths of pipeline files.
func (p *Provider) PipelineGlobs() []string { return []string{"Jenkinsfile", "Jenkinsfile.*"} }

// PipelineFile is the file that a job reads unless it is told otherwise. What a schedule starts is a job of
// its own: a file has one schedule for all its stages.
func (p *Provider) PipelineFile(s setup.Setup) string {
	if s.Job.Scheduled() {
		return "Jenkinsfile." + s.Name
	}
	return "Jenkinsfile"
}

// Runs is the page of the job.
func (p *Provider) Runs(r setup.Repository, _ string) string {
	return "https://" + p.page + jobPath(r.Path)
}

// Pipeline renders the Jenkinsfile of the plan.
func (p *Provider) Pipeline(plan setup.Plan) (providers.File, error) {
	content, err := Render(plan)
	out := providers.File{Path: plan.Pipeline.File, Content: content, Comment: "//"}
	if !plan.Job.Scheduled() {
		out.Beside = []string{"stages"}
	}
	return out, err
}
