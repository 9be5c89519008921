package jenkinsd

import (
	"cmp"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// pushed says that a Jenkinsfile is on a branch of the repository that the jobs of a name build.
type pushed struct {
	Name   string `json:"name"`
	Branch string `json:"branch"`
}

// build is a place in the queue, and the build that it becomes. It makes one step forward each time that
// it is looked at.
type build struct {
	Item      int    `json:"item"` // its number in the queue
	Job       string `json:"job"`
	Number    int    `json:"number"` // 0 while it waits in the queue
	Cancelled bool   `json:"cancelled"`
	Waited    int    `json:"waited"` // looks at its place in the queue
	Looks     int    `json:"looks"`  // at the build
	Over      bool   `json:"over"`
	NoFile    bool   `json:"noFile"` // there was no Jenkinsfile
	Failed    string `json:"failed"` // what it said; "" when it went well
}

// mode is how this Jenkins differs from the usual one.
type mode struct{ disabled, parameters, asks, noStages, forgetful, elsewhere bool }

// AddJob makes a plain job, which builds the default branch, unless there is something of the name.
func (s *Server) AddJob(name string) {
	s.Do(func() {
		if s.state.Jobs[name] == "" {
			s.state.Jobs[name] = job
		}
	})
}

// Push puts a Jenkinsfile with such stages on a branch of the repository that the jobs of a name build, in whatever
// folder they are.
func (s *Server) Push(name, branch string, stages ...embedded.Job) {
	s.Do(func() {
		if x := (pushed{name, branch}); !slices.Contains(s.state.Pushed, x) {
			s.state.Pushed = append(s.state.Pushed, x)
		}
		s.Reads(name, stages...)
	})
}

// Disable makes jobs refuse to be started.
func (s *Server) Disable() { s.Do(func() { s.is.disabled = true }) }

// AddParameters gives each job a parameter with a default.
func (s *Server) AddParameters() { s.Do(func() { s.is.parameters = true }) }

// Ask makes running builds wait for an answer, or go on.
func (s *Server) Ask(on bool) { s.Do(func() { s.is.asks = on }) }

// RemoveStages takes the plugin pipeline-rest-api away.
func (s *Server) RemoveStages() { s.Do(func() { s.is.noStages = true }) }

// MoveLocations makes the addresses of places in the queue name another host, as behind a proxy that
// does not say what it is called.
func (s *Server) MoveLocations() { s.Do(func() { s.is.elsewhere = true }) }

// Forget lets the time pass after which the queue knows nothing of what left it.
func (s *Server) Forget() {
	s.Do(func() {
		s.is.forgetful = true
		for _, b := range s.state.Builds {
			s.leave(b)
		}
	})
}

// Cancel takes out of the queue what waits in it.
func (s *Server) Cancel() {
	s.Do(func() {
		for _, b := range s.state.Builds {
			b.Cancelled = b.Number == 0
		}
	})
}

// inName is how a branch's name stands in the name of its job.
var inName = strings.NewReplacer("%", "%25", "/", "%2F", "[", "%5B", "]", "%5D")

// class is what a name is; "" when there is nothing. A multibranch project has a job for each branch
// with a Jenkinsfile.
func (s *Server) class(name string) string {
	if s.branchOf(name).Branch != "" {
		return job
	}
	return s.state.Jobs[name]
}

// branchOf is what a job of a multibranch project builds; the zero one for any other.
func (s *Server) branchOf(name string) pushed {
	for _, x := range s.state.Pushed {
		if parent := path.Dir(name); s.state.Jobs[parent] == multibranch && x.Name == path.Base(parent) && inName.Replace(x.Branch) == path.Base(name) {
			return x
		}
	}
	return pushed{}
}

// shown is a job or folder, with as many of its builds as the tree asks for.
func (s *Server) shown(name, class, tree string) map[string]any {
	out := map[string]any{"_class": class, "fullName": name}
	m := someBuilds.FindStringSubmatch(tree)
	if m == nil || class != job {
		return out
	}
	most, _ := strconv.Atoi(m[1])
	all := []any{}
	for _, b := range slices.Backward(s.state.Builds) {
		if b.Job == name && b.Number > 0 && len(all) < most {
			all = append(all, s.look(b))
		}
	}
	out["builds"] = all
	return out
}

var (
	someBuilds = pattern.New(`^builds\[[A-Za-z,]+\]\{0,([0-9]+)\}$`)
	started    = pattern.New(`^((?:/job/[^/]+)+)/(build|buildWithParameters)$`)
	inQueue    = pattern.New(`^/queue/item/([0-9]+)/api/json$`)
	ofBuild    = pattern.New(`^((?:/job/[^/]+)+)/([0-9]+)/(api/json|wfapi/describe|consoleText)$`)
)

// ofBuilds answers what is about builds; ok is false for everything else.
func (s *Server) ofBuilds(r *http.Request) (a embedded.Answer, ok bool) {
	if m := started.FindStringSubmatch(r.URL.Path); m != nil && r.Method == http.MethodPost {
		return s.start(nameOf(m[1]), m[2], r), true
	}
	if r.Method != http.MethodGet {
		return a, false
	}
	if m := inQueue.FindStringSubmatch(r.URL.Path); m != nil {
		for _, b := range s.state.Builds {
			if strconv.Itoa(b.Item) == m[1] && !s.is.forgetful {
				return s.item(b), true
			}
		}
		return page(404, "Not Found"), true
	}
	if m := ofBuild.FindStringSubmatch(r.URL.Path); m != nil {
		for _, b := range s.state.Builds {
			if b.Job == nameOf(m[1]) && b.Number > 0 && strconv.Itoa(b.Number) == m[2] {
				return s.of(b, m[3]), true
			}
		}
		return page(404, "Not Found"), true
	}
	return a, false
}

// start puts a job into the queue.
func (s *Server) start(name, how string, r *http.Request) embedded.Answer {
	switch {
	case s.class(name) != job: // a project with branches would look for branches instead
		return page(404, "Not Found")
	case s.Denied():
		return forbidden("hudson.model.Item.Build")
	case s.is.disabled:
		return page(409, name+" is not buildable")
	case s.is.parameters && how == "build":
		return page(400, "Nothing is submitted")
	case !s.is.parameters && how != "build":
		return page(500, "This build is not parameterized!")
	}
	b := &build{Item: len(s.state.Builds) + 1, Job: name}
	if at := path.Dir(name); s.state.Jobs[at] != multibranch {
		b.NoFile = !slices.Contains(s.state.Pushed, pushed{path.Base(name), s.Trunk()})
	}
	s.state.Builds = append(s.state.Builds, b)
	host := r.Host
	if s.is.elsewhere {
		host = "inside.example"
	}
	return embedded.Answer{Status: http.StatusCreated, Header: map[string]string{"Location": fmt.Sprintf("http://%s/queue/item/%d/", host, b.Item)}}
}

// leave makes a build of a place in the queue.
func (s *Server) leave(b *build) {
	if b.Number > 0 || b.Cancelled {
		return
	}
	last := 0
	for _, x := range s.state.Builds {
		if x.Job == b.Job {
			last = max(last, x.Number)
		}
	}
	b.Number = last + 1
}

// item shows a place in the queue.
func (s *Server) item(b *build) embedded.Answer {
	if b.Waited++; b.Waited > 1 {
		s.leave(b)
	}
	out := map[string]any{"_class": "hudson.model.Queue$LeftItem", "id": b.Item, "why": nil, "cancelled": b.Cancelled}
	switch {
	case b.Number > 0:
		out["executable"] = map[string]any{"_class": "org.jenkinsci.plugins.workflow.job.WorkflowRun", "number": b.Number}
	case !b.Cancelled:
		out = map[string]any{"_class": "hudson.model.Queue$WaitingItem", "id": b.Item, "why": "In the quiet period. Expires in 4.9 sec"}
	}
	return embedded.OK(out)
}

func (s *Server) of(b *build, what string) embedded.Answer {
	switch {
	case what == "api/json":
		return embedded.OK(s.look(b))
	case what == "consoleText":
		return embedded.Answer{Status: 200, Body: []byte(b.log()), Header: map[string]string{"Content-Type": "text/plain;charset=utf-8"}}
	case s.is.noStages:
		return page(404, "Not Found")
	}
	status := "IN_PROGRESS"
	switch {
	case b.Over && b.broken():
		status = "FAILED"
	case b.Over:
		status = "SUCCESS"
	case s.is.asks:
		status = "PAUSED_PENDING_INPUT"
	}
	stages := []any{}
	if !b.NoFile {
		stages = []any{map[string]any{"id": "6", "name": "Declarative: Checkout SCM", "status": "SUCCESS"}, map[string]any{"id": "14", "name": "Deploy to Astro", "status": status}}
	}
	return embedded.OK(map[string]any{"id": strconv.Itoa(b.Number), "name": "#" + strconv.Itoa(b.Number), "status": status, "stages": stages})
}

func (b *build) broken() bool { return b.NoFile || b.Failed != "" }

// look shows a build, and takes it one step forward.
func (s *Server) look(b *build) map[string]any {
	if b.Looks++; b.Looks > 1 && !b.Over && !s.is.asks {
		b.Over = true
		if !b.NoFile { // a plain job knows no branch
			from := s.branchOf(b.Job)
			b.Failed = s.Run(cmp.Or(from.Name, path.Base(b.Job)), from.Branch, func(j embedded.Job) *secret.Value { return s.value(b.Job, j) })
		}
	}
	result := any(nil)
	if b.Over {
		result = map[bool]string{false: "SUCCESS", true: "FAILURE"}[b.broken()]
	}
	return map[string]any{"_class": "org.jenkinsci.plugins.workflow.job.WorkflowRun", "number": b.Number, "queueId": b.Item, "building": !b.Over, "result": result}
}

// value is what a stage gets: what the folder that is nearest to the job holds.
func (s *Server) value(job string, j embedded.Job) *secret.Value {
	for in := job; in != ""; {
		in = strings.TrimPrefix(path.Dir("/"+in), "/")
		if x := s.state.Stored[in][j.Secret]; x != nil {
			return secret.New([]byte(s.state.Key.Open(x.Sealed)))
		}
	}
	return nil
}

func (b *build) log() string {
	const begin, end = "Started by user ada\n", "Finished: FAILURE\n"
	switch {
	case b.NoFile:
		return begin + "ERROR: Unable to find Jenkinsfile from git\n" + end
	case b.Failed != "":
		return begin + "[Pipeline] Start of Pipeline\n[Pipeline] { (Deploy to Astro)\n[Pipeline] sh\n+ set -e\n\x1b[31merror: " + b.Failed + "\x1b[0m\n" +
			"[Pipeline] }\n[Pipeline] // withCredentials\n[Pipeline] }\n[Pipeline] // stage\n[Pipeline] End of Pipeline\nERROR: script returned exit code 1\n" + end
	case b.Over:
		return begin + "Finished: SUCCESS\n"
	}
	return begin
}
