package embedded

import (
	"slices"

	"github.com/astro-ci/astro-ci/internal/secret"
)

// Job is what a job of a pipeline reads.
type Job struct {
	Secret string // its name
	In     string // the environment, context or group that the job names for it, or its whole id; "" for none
	Branch string // whose runs the job is in; "" when a schedule alone starts it
}

// Runs are the runs of an embedded platform, as far as what they read goes.
type Runs struct {
	use      func(*secret.Value) error
	jobs     map[string][]Job
	branches []string // that every repository has, the default one first; main where nothing is said
}

// Branches says which branches every repository has, the default one first.
func (x *Runs) Branches(names ...string) { x.branches = names }

// Trunk is the default branch of every repository.
func (x *Runs) Trunk() string {
	if len(x.branches) == 0 {
		return "main"
	}
	return x.branches[0]
}

// OnRun makes each job of a run call f with the value of the secret that it reads, nil when there is none, as its own
// steps would use it.
func (x *Runs) OnRun(f func(*secret.Value) error) { x.use = f }

// Reads says what more jobs read in the runs of a place: a repository, or a file in it. Where nothing is said, there is
// one, which reads ASTRO_API_TOKEN.
func (x *Runs) Reads(place string, jobs ...Job) {
	if x.jobs == nil {
		x.jobs = map[string][]Job{}
	}
	for _, j := range jobs {
		if !slices.Contains(x.jobs[place], j) {
			x.jobs[place] = append(x.jobs[place], j)
		}
	}
}

// Known reports whether a repository has a branch, or some job of a place is in its runs.
func (x *Runs) Known(place, branch string) bool {
	return branch == x.Trunk() || slices.Contains(x.branches, branch) || slices.ContainsFunc(x.jobs[place], func(j Job) bool { return j.Branch == branch })
}

// Run does what the jobs of a run do, and returns what one that failed said, "" when all went well; value finds what a
// job gets. A run without a branch has every job of its place: it is of a file that was started by hand.
func (x *Runs) Run(place, branch string, value func(Job) *secret.Value) (failed string) {
	jobs, said := x.jobs[place]
	if !said {
		jobs = []Job{{Secret: "ASTRO_API_TOKEN", Branch: branch}}
	}
	for _, j := range jobs {
		if x.use == nil || branch != "" && j.Branch != branch {
			continue
		}
		if err := x.use(value(j)); err != nil {
			failed = err.Error()
		}
	}
	return failed
}
