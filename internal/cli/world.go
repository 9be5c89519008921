package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/gitrepo"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/all"
	"github.com/astro-ci/astro-ci/internal/providers/azuredevops"
	"github.com/astro-ci/astro-ci/internal/providers/bitbucket"
	"github.com/astro-ci/astro-ci/internal/providers/github"
	"github.com/astro-ci/astro-ci/internal/providers/gitlab"
	"github.com/astro-ci/astro-ci/internal/sandbox"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/setupfile"
	"github.com/astro-ci/astro-ci/internal/steps"
	"github.com/astro-ci/astro-ci/internal/ui"
)

// world is everything a set-up works on: the log-ins, the clients, the repository. It is built
// once by discover, which is the only part that looks around.
type world struct {
	app    *app
	facts  []ui.Fact
	login  astro.Login
	astro  *astro.Client
	base   http.RoundTripper
	mu     sync.Mutex                    // several setups may be at work: guards facts, opened, ready and books
	opened map[string]providers.Platform // by id and host, and the first one by id alone
	ready  map[string]providers.Backend  // by id
	repo   *gitrepo.Repo                 // nil: one stands in no repository
	files  *pipeline.Files
	// repos is the repository as each platform would call it; platform is the one that it seems to
	// belong to, or "".
	repos         map[string]setup.Repository
	platform      string
	sandbox       *sandbox.Sandbox    // nil: the real services
	books         map[string]openBook // journals that are open, by setup
	platformLogin *secret.Value       // by which scheduled runs write secrets, as far as it was given
	applies       bool                // the file that lists the setups is what is brought about: it is not written
	sources       map[string]string   // where the log-in of a platform or backend was found, by id
	noLogin       error               // why there is no log-in to Astro; then astro is nil
	handsOver     bool                // somebody else will do it: what cannot be looked up is noted, not an error
	failures      failures
	pins          pipeline.Releases
	passedBy      string // the repository that one stands in, when the sandbox works on its sample project instead
	deps          steps.Deps
	steps         []flow.Step
	walk          *flow.Walk
}

// discover finds the log-ins, the repository and the platform, and prepares the questions.
func (a *app) discover(ctx context.Context) (*world, error) { return a.lookAround(ctx, false) }

// lookAround is discover, which can go on without a log-in to Astro.
func (a *app) lookAround(ctx context.Context, without bool) (_ *world, err error) {
	w := &world{
		app: a, opened: map[string]providers.Platform{}, ready: map[string]providers.Backend{}, books: map[string]openBook{},
		sources: map[string]string{}, handsOver: a.setup.handOver != "",
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	cwd, err := os.Getwd()
	if err != nil {
		return nil, hint.Wrap(err, "find the present folder", "Change into a folder that exists.", "")
	}
	if w.repo, err = gitrepo.Find(cwd); err != nil && !errors.Is(err, gitrepo.ErrNone) {
		return nil, err
	}
	base, err := a.base("", "")
	if err != nil {
		return nil, err
	}
	if a.sandbox {
		if err := w.enterSandbox(); err != nil {
			return nil, err
		}
	}
	if w.noLogin = w.loginAstro(ctx, base); w.noLogin != nil && (!without || ctx.Err() != nil) {
		return nil, w.noLogin
	}
	w.base = base
	root := cwd
	if w.repo != nil {
		root = w.repo.Root
	}
	w.files = pipeline.NewFiles(root)
	here := "."
	if rel, err := filepath.Rel(root, cwd); err == nil {
		here = filepath.ToSlash(rel)
	}
	w.repos, w.platform = w.detect()
	first := cmp.Or(a.setup.given(a.env, steps.SetUp(steps.Deps{}))["platform"], w.platform)
	if _, err := w.open(ctx, first); err != nil && first != "" {
		if ctx.Err() != nil {
			return nil, err
		}
		w.fact("CI platform", "%s, but no log-in was found", first)
	}
	if w.passedBy == "" {
		w.fact("Repository", "%s", a.env.atHome(root))
	} else {
		w.fact("Repository", "%s, the sandbox's sample project: %s has no remote that the sandbox knows", a.env.atHome(root), a.env.atHome(w.passedBy))
	}
	for _, r := range w.remotes() {
		if w.platform == "" && bitbucket.DataCenter(r) {
			w.fact("Its host", "%s looks like Bitbucket Data Center, which has no Pipelines; choose what builds there", r.Host)
			break
		}
	}
	w.pins = pipeline.Releases{
		Client:     &http.Client{Transport: a.wire(base).Base, Timeout: 15 * time.Second},
		BaseURL:    a.env.get("ASTRO_CI_RELEASES_URL"),
		UpdatesURL: a.env.get("ASTRO_CI_UPDATES_URL"),
	}
	if w.sandbox != nil {
		w.pins.BaseURL, w.pins.UpdatesURL = w.sandbox.ReleasesURL(), w.sandbox.UpdatesURL()
	}
	if a.setup.cliURL != "" {
		w.pins.BaseURL = a.setup.cliURL
	}
	key, err := a.key()
	if err != nil {
		return nil, err
	}
	if w.platformLogin, err = a.platformToken(); err != nil {
		return nil, err
	}
	w.deps = steps.Deps{
		Astro: w.astro, Platforms: w.platforms(), Store: w.store, Backends: w.found(), Stores: storeIDs(), Open: w.open, Opened: w.platformAt, Repos: w.repos, Platform: w.platform, Branch: w.branch(),
		Free: w.files.Free, Projects: w.files.Projects, Here: here, Pin: w.pin, Files: w.files.Find, KeyGiven: key.Given(), Live: a.live,
		LoginGiven: !w.platformLogin.Empty(), Program: w.program, Made: w.made(), Taken: w.taken, Shadows: w.shadows,
		CheckTarget: all.CheckTarget,
	}
	if w.astro == nil {
		w.deps.Astro = noAstro{w.noLogin}
	}
	w.deps.LoginGiven = w.deps.LoginGiven || w.sandbox != nil || w.handsOver // who does it gives it
	w.steps = steps.SetUp(w.deps)
	earlier := setupfile.Answers{}
	if a.setup.like != "" {
		if earlier, err = w.answers(a.setup.like); err != nil {
			return nil, err
		}
		w.deps.Like, w.deps.LikeIn = a.setup.like, earlier["workspace"]
		w.steps = steps.SetUp(w.deps)
	}
	given := a.setup.given(a.env, w.steps)
	if w.handsOver {
		given["legacy-key"] = "keep"
		w.steps = flow.Unseen(w.steps, func(s flow.Step, err error) bool {
			w.failures.add(s.ID, err)
			return s.ID != "repo" // only a platform that is ready can read what a repository is called
		})
	}
	if a.setup.like != "" {
		given = flow.Like(w.steps, earlier, given, "workspace")
	}
	w.walk = flow.NewWalk(setup.Plan{ReplaceEdits: a.setup.replaceEdits, Key: key, SelfRotation: setup.SelfRotation{Login: w.platformLogin}}, w.steps, given)
	return w, nil
}

func (w *world) fact(name, format string, args ...any) {
	w.facts = append(w.facts, ui.Fact{Name: name, Value: display.Clean(fmt.Sprintf(format, args...))})
}

// pipelines are those of the repository that deal with Astro, and are not of astro-ci.
func (w *world) pipelines() (out []ui.Fact) {
	files, _ := w.files.Find(pipeline.Globs()) // none is fine
	for _, f := range files {
		if all := pipeline.Commands([]pipeline.Found{f}); len(all) > 0 {
			out = append(out, ui.Fact{Name: "Pipeline", Value: display.Clean(fmt.Sprintf("%s, line %d: %s", f.Path, all[0].Line, all[0]))})
		}
	}
	return out
}

// close ends what discover started.
func (w *world) close() error {
	if w == nil {
		return nil
	}
	var err error
	for name := range w.books {
		err = errors.Join(err, w.closeBook(name))
	}
	if w.sandbox != nil {
		err = errors.Join(err, w.sandbox.Close())
	}
	return err
}

// enterSandbox starts the embedded servers, in the repository one stands in when a platform knows
// its remote, else in a sample project.
func (w *world) enterSandbox() error {
	dir, err := w.app.sandboxDir()
	if err != nil {
		return err
	}
	var repos []setup.Repository
	for _, r := range w.remotes() {
		for host, detect := range map[string]func(providers.Remote, string) (setup.Repository, bool){
			"github.com": github.Detect, "gitlab.com": gitlab.Detect, bitbucket.Host: bitbucket.Detect, azuredevops.Host: azuredevops.Detect,
		} {
			if repo, ok := detect(r, host); ok && (host != azuredevops.Host || strings.HasPrefix(repo.Path, sandbox.AzureProject)) {
				repos = append(repos, repo)
			}
		}
	}
	if len(repos) == 0 {
		project := filepath.Join(dir, "project")
		if err := sandbox.SampleProject(project); err != nil {
			return err
		}
		if w.repo != nil {
			w.passedBy = w.repo.Root
		}
		if w.repo, err = gitrepo.Find(project); err != nil {
			return err
		}
	}
	w.sandbox, err = w.app.startSandbox(repos, w.branches(), w.pushed())
	return err
}

// pushed are the pipeline files in the working tree.
func (w *world) pushed() (out []sandbox.File) {
	all, _ := pipeline.NewFiles(w.repo.Root).Find(pipeline.Globs()) // none is fine
	for _, f := range all {
		x := sandbox.File{Path: f.Path}
		for _, name := range pipeline.Setups(f.Content) {
			x.Parts = append(x.Parts, pipeline.Part(f.Content, name))
		}
		out = append(out, x)
	}
	return out
}

// branches are the default one and the present one.
func (w *world) branches() []string {
	return slices.DeleteFunc([]string{w.branch(), w.repo.Branch}, func(b string) bool { return b == "" })
}

// branch is the default branch of the repository that one stands in, as far as the clone tells.
func (w *world) branch() string {
	if w.repo == nil {
		return ""
	}
	return cmp.Or(w.repo.DefaultBranch, w.repo.Branch)
}

func (w *world) remotes() []providers.Remote {
	if w.repo == nil {
		return nil
	}
	return w.repo.Remotes
}

func (w *world) loginAstro(ctx context.Context, base http.RoundTripper) error {
	login, err := w.app.login(ctx, base, w.sandbox)
	if err != nil {
		return err
	}
	w.login, w.astro = login, astro.New(login.Base, login.Auth, w.app.wire(base))
	w.app.remember(w.astro, login.Base)
	who := login.Source
	if !login.User.IsZero() {
		who = login.User.String() + ", " + who
	}
	w.fact("Astro", "%s, %s", who, login.Base.Host)
	return nil
}

// pin finds the release of the Astro CLI that the pipeline installs. Where its sums are read is a
// matter of this machine; the pipeline itself installs from the official place, or from --cli-url.
func (w *world) pin(ctx context.Context, wanted string) (setup.CLI, string, error) {
	from := w.app.setup.cliURL
	if from == "" {
		from = pipeline.ReleaseURL
	}
	if given := w.app.setup.cliSHA256; len(given) > 0 {
		cli := setup.CLI{Version: wanted, BaseURL: from, SHA256: map[string]string{}}
		for _, s := range given {
			target, sum, _ := strings.Cut(s, "=")
			cli.SHA256[target] = strings.ToLower(sum)
		}
		if wanted == "" {
			return cli, "", hint.New("--cli-sha256 without --cli-version", "Say which version the sums are for.", "")
		}
		return cli, "sums given by you", nil
	}
	cli, note, err := w.pins.Pin(ctx, wanted)
	cli.BaseURL = from
	return cli, note, err
}

// taken reports whether this computer knows a setup of this name, for another repository or platform than the plan's.
func (w *world) taken(name string, p setup.Plan) bool {
	all, _ := w.app.journals()
	return slices.ContainsFunc(all, func(k known) bool {
		other := k.state.Plan
		return k.name == name && k.err == nil && k.lives() && !sameRepository(other, p)
	})
}

// shadows reports whether this computer knows a setup of the plan's repository that has a secret of the target's name
// elsewhere on the platform. A secret of an environment is read by the jobs of that environment alone.
func (w *world) shadows(p setup.Plan, t setup.Target) bool {
	all, _ := w.app.journals()
	return slices.ContainsFunc(all, func(k known) bool {
		other := k.state.Plan
		return k.err == nil && k.lives() && k.name != p.Name && sameRepository(other, p) &&
			slices.ContainsFunc(other.Targets, func(x setup.Target) bool {
				return x.Store == t.Store && x.Secret == t.Secret && x.Address != t.Address && !strings.Contains(x.Address+t.Address, "#")
			})
	})
}

// sameRepository reports whether two plans are for one repository on one platform; services tell no capital letters.
func sameRepository(x, y setup.Plan) bool {
	return x.Platform == y.Platform && strings.EqualFold(x.Repository.String(), y.Repository.String())
}

// made are the setups of this computer by the ids of the Workspaces that they are for; what cannot be read is left out.
func (w *world) made() map[string][]string {
	all, _ := w.app.journals()
	out := map[string][]string{}
	for _, k := range all {
		if p := k.state.Plan; k.err == nil && k.lives() && !p.Workspace.IsZero() && !p.Job.Scheduled() {
			out[p.Workspace.ID] = append(out[p.Workspace.ID], k.name)
		}
	}
	return out
}
