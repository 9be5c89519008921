// Package sandbox runs the embedded servers, over real HTTP on loopback: an Astro, the CI platforms and
// a release host. They are what a newcomer tries everything on, and the strict fakes of the tests.
//
// Their state is kept in one file below a folder, written after each change, so that a second
// command finds what the first one made. The file holds no token's value.
package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/astro-ci/astro-ci/internal/filelock"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/sandbox/astrod"
	"github.com/astro-ci/astro-ci/internal/sandbox/awsd"
	"github.com/astro-ci/astro-ci/internal/sandbox/azured"
	"github.com/astro-ci/astro-ci/internal/sandbox/bitbucketd"
	"github.com/astro-ci/astro-ci/internal/sandbox/buildkited"
	"github.com/astro-ci/astro-ci/internal/sandbox/circlecid"
	"github.com/astro-ci/astro-ci/internal/sandbox/dopplerd"
	"github.com/astro-ci/astro-ci/internal/sandbox/droned"
	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/sandbox/gitead"
	"github.com/astro-ci/astro-ci/internal/sandbox/githubd"
	"github.com/astro-ci/astro-ci/internal/sandbox/gitlabd"
	"github.com/astro-ci/astro-ci/internal/sandbox/googled"
	"github.com/astro-ci/astro-ci/internal/sandbox/jenkinsd"
	"github.com/astro-ci/astro-ci/internal/sandbox/keyvaultd"
	"github.com/astro-ci/astro-ci/internal/sandbox/onepasswordd"
	"github.com/astro-ci/astro-ci/internal/sandbox/released"
	"github.com/astro-ci/astro-ci/internal/sandbox/vaultd"
	"github.com/astro-ci/astro-ci/internal/sandbox/woodpeckerd"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// noFolder is what to do when there is no place for the state.
const noFolder = "Make room or make the folder writable, or name another one with --state-dir."

// AzureProject is how the path of a repository of the one embedded project of Azure DevOps begins.
const AzureProject = "acme/data/"

// User is who is logged in to the embedded Astro.
const User = "ada@acme.example"

// Options start a sandbox.
type Options struct {
	Dir      string                       // folder for the state; "" keeps it in memory
	Addr     string                       // loopback address to listen on; "" picks a free port
	Now      func() time.Time             // nil: the real time
	Releases map[string]map[string]string // released versions of the Astro CLI: version -> os_arch -> SHA-256
	Repos    []setup.Repository           // repositories that exist beside acme/etl
	Branches []string                     // that every repository has, the default one first; nil: main
	// Pushed are the pipeline files on the branches: nothing can be pushed to the sandbox, so what lies in the
	// working tree counts as pushed.
	Pushed []File
	// Samples fills a new Astro with tokens as they are found where nobody looks after them.
	Samples bool
	// Around may watch what passes between the clients and a service: "astro", or the id of a platform;
	// nil: nobody.
	Around func(service string, h http.Handler) http.Handler
}

// File is a pipeline file.
type File struct {
	Path  string   // from the root of the repository
	Parts [][]byte // of the setups that it is for
}

// What the part of a setup says, in the words of one platform or another, as astro-ci writes them.
var (
	ofSecret = pattern.New(`\bSECRET(?:: | = |=)["']([^"']+)`)
	// An environment, a context or a group, or the id of a secret of AWS.
	ofPlace    = pattern.New(`(?m)^ *(?:environment:(?:\n +name:)?|deployment:|context:\n +-|- group:|(?:secrets-manager|parameter-store):\n +ASTRO_API_TOKEN:) "?([^"\n]+?)"?(?: #.*)?$`)
	ofBranch   = pattern.New(`(?m)(?:\bbranch(?:es:\s+include|es)?:|\bBRANCH:|\bonly:|_BRANCH ==|env\.BRANCH_NAME ==)\s+(?:- )?\\?["']([^"'\\]+)|^"([^"]+)":$`)
	ofSchedule = pattern.New(`\bRENEWS(?:: | = |=)`)
)

// jobs are what the jobs of the file read.
func (f File) jobs() (out []embedded.Job) {
	for _, part := range f.Parts {
		says := func(p *pattern.Pattern) string { return string(bytes.Join(append(p.FindSubmatch(part), nil)[1:], nil)) }
		j := embedded.Job{Secret: says(ofSecret), In: says(ofPlace), Branch: says(ofBranch)}
		if ofSchedule.Match(part) {
			j.Branch = ""
		}
		if j.Secret != "" {
			out = append(out, j)
		}
	}
	return out
}

// Sandbox is a set of running servers.
type Sandbox struct {
	dir         string
	astro       *astrod.Server
	github      *githubd.Server
	gitlab      *gitlabd.Server
	drone       *droned.Server
	wood        *woodpeckerd.Server
	gitea       *gitead.Server
	kite        *buildkited.Server
	circle      *circlecid.Server
	bucket      *bitbucketd.Server
	jenkins     *jenkinsd.Server
	url         string // http://127.0.0.1:PORT
	aws         *awsd.Server
	azure       *azured.Server
	vault       *vaultd.Server
	google      *googled.Server
	keyVault    *keyvaultd.Server
	doppler     *dopplerd.Server
	onePassword *onepasswordd.Server
	server      *http.Server
	socket      *http.Server // GitHub again, for gh; nil until GH asks for it
	lock        *filelock.Lock
	save        sync.Mutex
	failed      error // of a save that nobody could be told about
}

// Start runs the servers.
func Start(o Options) (*Sandbox, error) {
	s := &Sandbox{dir: o.Dir}
	kept := map[string]json.RawMessage{}
	if o.Dir != "" {
		if err := os.MkdirAll(o.Dir, 0o700); err != nil {
			return nil, hint.Wrap(err, "start the sandbox", noFolder, "")
		}
		var err error
		if s.lock, err = filelock.Take(filepath.Join(o.Dir, "lock")); err != nil {
			return nil, hint.Wrap(err, "start the sandbox", "Another astro-ci uses it. End that one first, or give this one a folder of its own with --state-dir.", "")
		}
		raw, err := os.ReadFile(s.stateFile())
		if err == nil {
			err = json.Unmarshal(raw, &kept)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, errors.Join(hint.Wrap(err, "read the sandbox's state", "Start anew with: astro-ci sandbox reset", ""), s.unlock())
		}
	}
	if err := s.fill(o.Now, kept); err != nil {
		return nil, errors.Join(hint.Wrap(err, "read the sandbox's state", "Start anew with: astro-ci sandbox reset", ""), s.unlock())
	}
	if o.Samples && kept["astro"] == nil {
		s.astro.Fill()
	}
	for _, x := range s.runners() {
		x.Branches(o.Branches...)
	}
	for _, r := range o.Repos {
		i := strings.LastIndex(r.Path, "/")
		switch {
		case i < 0:
		case r.Host == "gitlab.com":
			s.gitlab.AddProject(r.Path[:i], r.Path[i+1:])
		case r.Host == "dev.azure.com":
			s.azure.AddRepo(r.Path)
		case r.Host == "bitbucket.org":
			s.bucket.AddRepo(r.Path)
		default:
			s.github.AddRepo(r.Path[:i], r.Path[i+1:])
		}
		s.drone.AddRepo(r.Path, true)
		s.wood.AddRepo(r.Path, true)
		s.kite.AddPipeline(strings.ToLower(r.Path[strings.LastIndex(r.Path, "/")+1:]))
		s.circle.AddProject(r.Path)
		s.jenkins.AddJob(r.Path[strings.LastIndex(r.Path, "/")+1:])
		s.aws.AddProject(r.Path[strings.LastIndex(r.Path, "/")+1:])
	}
	if err := s.listen(o); err != nil {
		return nil, errors.Join(err, s.unlock())
	}
	for _, x := range s.services() {
		x.server.OnChange(s.keep)
	}
	s.keep()
	return s, s.failed
}

// service is one embedded server: where it is served, and under which name its state is kept.
type service struct {
	id, path string // the path is cut off before the server sees it
	server   interface {
		Handler() http.Handler
		State() []byte
		OnChange(f func())
	}
	user  string
	token *secret.Value // a log-in; nil for Astro, whose log-ins are made
}

func (s *Sandbox) services() []service {
	return []service{
		{"astro", "", s.astro, "", nil},
		{"github", "/api/v3", s.github, "", s.github.Token()},
		{"gitlab", "/gitlab", s.gitlab, "", s.gitlab.Token()},
		{"drone", "/drone", s.drone, "", s.drone.Token()},
		{"woodpecker", "/woodpecker", s.wood, "", s.wood.Token()},
		{"gitea", "/gitea", s.gitea, "", s.gitea.Token()},
		{"buildkite", "/buildkite", s.kite, buildkited.Organization, s.kite.Token()},
		{"circleci", "/circleci", s.circle, "", s.circle.Token()},
		{"bitbucket", "/bitbucket", s.bucket, bitbucketd.Email, s.bucket.Token()},
		{"jenkins", "/jenkins", s.jenkins, jenkinsd.User, s.jenkins.Token()},
		{"azure-devops", "/azure-devops", s.azure, "", s.azure.Token()},
		{"aws", "/aws", s.aws, awsd.AccessKey, s.aws.Token()},
		{"vault", "/vault", s.vault, "", s.vault.Token()},
		{"gcp-secret-manager", "/google", s.google, googled.Project, s.google.Token()},
		{"doppler", "/doppler", s.doppler, dopplerd.Project, s.doppler.Token()},
		{"onepassword", "/onepassword", s.onePassword, "", s.onePassword.Token()},
		{"azure-key-vault", "/key-vault", s.keyVault, keyvaultd.Vault, s.keyVault.Token()},
	}
}

// runner is a server that runs pipelines.
type runner interface {
	OnRun(f func(*secret.Value) error)
	Branches(names ...string)
}

func (s *Sandbox) runners() []runner {
	return []runner{s.github, s.gitlab, s.circle, s.bucket, s.wood, s.kite, s.gitea, s.azure, s.aws, s.jenkins, s.drone}
}

// fill makes the servers, with the state that was kept of each.
func (s *Sandbox) fill(now func() time.Time, kept map[string]json.RawMessage) error {
	var err [17]error
	with := func(id string) embedded.Options { return embedded.Options{Now: now, State: kept[id]} }
	s.astro, err[0] = astrod.New(astrod.Options{Now: now, State: kept["astro"]})
	s.github, err[1] = githubd.New(githubd.Options{Now: now, State: kept["github"]})
	s.gitlab, err[2] = gitlabd.New(with("gitlab"))
	s.drone, err[3] = droned.New(with("drone"))
	s.circle, err[4] = circlecid.New(with("circleci"))
	s.bucket, err[5] = bitbucketd.New(with("bitbucket"))
	s.jenkins, err[6] = jenkinsd.New(with("jenkins"))
	s.azure, err[7] = azured.New(with("azure-devops"))
	s.aws, err[8] = awsd.New(with("aws"))
	s.wood, err[9] = woodpeckerd.New(with("woodpecker"))
	s.kite, err[10] = buildkited.New(with("buildkite"))
	s.gitea, err[11] = gitead.New(with("gitea"))
	s.vault, err[12] = vaultd.New(with("vault"))
	s.doppler, err[15] = dopplerd.New(with("doppler"))
	s.onePassword, err[16] = onepasswordd.New(with("onepassword"))
	s.google, err[13] = googled.New(with("gcp-secret-manager"))
	s.keyVault, err[14] = keyvaultd.New(with("azure-key-vault"))
	return errors.Join(err[:]...)
}

func (s *Sandbox) listen(o Options) error {
	addr := o.Addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	host, _, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return hint.New(fmt.Sprintf("sandbox: %q is not a loopback address", addr), "Use one like 127.0.0.1:8888; the sandbox never listens on a network.", "")
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return hint.Wrap(err, "start the sandbox", "Choose another port with --listen.", "")
	}
	around := o.Around
	if around == nil {
		around = func(_ string, h http.Handler) http.Handler { return h }
	}
	m := http.NewServeMux()
	for _, x := range s.services() {
		m.Handle(x.path+"/", http.StripPrefix(x.path, around(x.id, x.server.Handler())))
	}
	m.Handle("/logs/github/", http.StripPrefix("/logs/github", s.github.LogHandler()))
	releases := released.Handler(o.Releases)
	m.Handle("/releases/", releases)
	m.Handle("/astro-cli", releases)
	s.url = "http://" + l.Addr().String()
	s.github.LogsAt(s.url + "/logs/github")
	for _, x := range s.runners() {
		x.OnRun(s.astro.Use)
	}
	born := []setup.Repository{{Host: "github.com", Path: "acme/etl"}, {Host: "gitlab.com", Path: "acme/etl"}, {Host: "bitbucket.org", Path: "acme/etl"}, {Host: "dev.azure.com", Path: "acme/data/etl"}}
	for _, r := range append(born, o.Repos...) {
		for _, f := range o.Pushed {
			s.push(r, f)
		}
	}
	s.server = &http.Server{Handler: m, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = s.server.Serve(l) }()
	return nil
}

// push puts a file into a repository, for every platform that builds it.
func (s *Sandbox) push(r setup.Repository, f File) {
	file, jobs := f.Path, f.jobs()
	owner, name, _ := strings.Cut(r.Path, "/")
	last := r.Path[strings.LastIndex(r.Path, "/")+1:]
	if workflow, ok := strings.CutPrefix(file, ".github/workflows/"); ok && r.Host == "github.com" {
		s.github.AddWorkflow(owner, name, workflow, jobs...)
	}
	if file == "bitbucket-pipelines.yml" && r.Host == "bitbucket.org" {
		s.bucket.Push(r.Path, jobs...)
	}
	if file == "Jenkinsfile" {
		s.jenkins.Push(last, s.jenkins.Trunk(), jobs...)
		for _, j := range jobs {
			if j.Branch != "" { // what a schedule alone starts is on the default one
				s.jenkins.Push(last, j.Branch)
			}
		}
	}
	if file == ".drone.yml" {
		s.drone.Push(r.Path, droned.Fine, jobs...)
	}
	if strings.HasPrefix(file, "azure-pipelines") && r.Host == "dev.azure.com" {
		s.azure.Push(r.Path, file, jobs...)
	}
	if strings.HasPrefix(file, ".woodpecker") {
		s.wood.AddRepo(r.Path, true)
		s.wood.Push(r.Path, jobs...)
	}
	if strings.HasPrefix(file, ".gitea/workflows/") {
		s.gitea.Push(r.Path, file, jobs...)
	}
	if strings.HasPrefix(file, ".buildkite/") {
		s.kite.AddPipeline(strings.ToLower(last))
		s.kite.Push(strings.ToLower(last), jobs...)
	}
	if strings.HasPrefix(file, "buildspec") {
		s.aws.Push(last, file, jobs...)
	}
	if file == ".circleci/config.yml" {
		s.circle.Push("gh/"+r.Path, jobs...)
	}
	if file == ".gitlab-ci.yml" && r.Host == "gitlab.com" {
		s.gitlab.Push(r.Path, jobs...)
	}
}

// AstroURL is the base of the embedded Astro's API.
func (s *Sandbox) AstroURL() string { return s.url + "/v1" }

// GitHubURL is the base of the embedded GitHub's REST API.
func (s *Sandbox) GitHubURL() string { return s.url + "/api/v3" }

// GitLabURL is the base of the embedded GitLab's REST API.
func (s *Sandbox) GitLabURL() string { return s.url + "/gitlab/api/v4" }

// Service is the address of an embedded platform, without the path of its API, and a log-in to it: the
// user that some want, and the value.
func (s *Sandbox) Service(id string) (address, user string, login *secret.Value) {
	for _, x := range s.services() {
		if x.id == id {
			return s.url + x.path, x.user, x.token
		}
	}
	panic("no embedded server " + id)
}

// LoginOfRuns is a log-in to an embedded platform in the form in which a secret holds it for scheduled runs.
func (s *Sandbox) LoginOfRuns(id string) *secret.Value {
	_, user, login := s.Service(id)
	if id == "jenkins" {
		_ = login.Use(func(b []byte) error {
			login = secret.New(append([]byte(user+":"), b...))
			return nil
		})
	}
	return login
}

// Drone is the embedded Drone.
func (s *Sandbox) Drone() *droned.Server { return s.drone }

// Woodpecker is the embedded Woodpecker.
func (s *Sandbox) Woodpecker() *woodpeckerd.Server { return s.wood }

// Gitea is the embedded Gitea.
func (s *Sandbox) Gitea() *gitead.Server { return s.gitea }

// Buildkite is the embedded Buildkite.
func (s *Sandbox) Buildkite() *buildkited.Server { return s.kite }

// CircleCI is the embedded CircleCI.
func (s *Sandbox) CircleCI() *circlecid.Server { return s.circle }

// Bitbucket is the embedded Bitbucket.
func (s *Sandbox) Bitbucket() *bitbucketd.Server { return s.bucket }

// Jenkins is the embedded Jenkins.
func (s *Sandbox) Jenkins() *jenkinsd.Server { return s.jenkins }

// AzureDevOps is the embedded AzureDevOps.
func (s *Sandbox) AzureDevOps() *azured.Server { return s.azure }

// AWS is the embedded AWS.
func (s *Sandbox) AWS() *awsd.Server { return s.aws }

// Vault is the embedded Vault.
func (s *Sandbox) Vault() *vaultd.Server { return s.vault }

// Doppler is the embedded Doppler.
func (s *Sandbox) Doppler() *dopplerd.Server { return s.doppler }

// OnePassword is the embedded Connect server of 1Password.
func (s *Sandbox) OnePassword() *onepasswordd.Server { return s.onePassword }

// Google is the embedded Google Secret Manager.
func (s *Sandbox) Google() *googled.Server { return s.google }

// KeyVault is the embedded Azure Key Vault.
func (s *Sandbox) KeyVault() *keyvaultd.Server { return s.keyVault }

// AWSRegion is the region of the embedded AWS.
func (s *Sandbox) AWSRegion() string { return awsd.Region }

// ReleasesURL is the folder with the releases of the Astro CLI.
func (s *Sandbox) ReleasesURL() string { return s.url + "/releases/download" }

// Program is the version of astro-ci that is released here.
func (s *Sandbox) Program() string { return released.StandIn }

// UpdatesURL is the list of the Astro CLI's versions.
func (s *Sandbox) UpdatesURL() string { return s.url + "/astro-cli" }

// Login is a log-in to the embedded Astro.
func (s *Sandbox) Login() *secret.Value { return s.astro.Login(User) }

// GitLab is the embedded GitLab.
func (s *Sandbox) GitLab() *gitlabd.Server { return s.gitlab }

// Astro is the embedded Astro.
func (s *Sandbox) Astro() *astrod.Server { return s.astro }

// GitHub is the embedded GitHub.
func (s *Sandbox) GitHub() *githubd.Server { return s.github }

// Close ends the servers and keeps the state.
func (s *Sandbox) Close() error {
	err := s.server.Close()
	if s.socket != nil {
		err = errors.Join(err, s.socket.Close())
	}
	s.keep()
	return errors.Join(err, s.failed, s.unlock())
}

// Reset forgets everything below dir, the sample project included.
func Reset(dir string) error {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	l, err := filelock.Take(filepath.Join(dir, "lock"))
	if err != nil {
		return hint.Wrap(err, "reset the sandbox", "Another astro-ci uses it. End that one first.", "")
	}
	_ = l.Release() // it is removed with the rest
	return os.RemoveAll(dir)
}

func (s *Sandbox) stateFile() string { return filepath.Join(s.dir, "state.json") }

// keep writes the state: a whole new file, then a rename, so that a kill leaves the old or the new.
func (s *Sandbox) keep() {
	if s.dir == "" {
		return
	}
	s.save.Lock()
	defer s.save.Unlock()
	state := map[string]json.RawMessage{}
	for _, x := range s.services() {
		state[x.id] = x.server.State()
	}
	raw, err := json.Marshal(state)
	if err == nil {
		err = os.WriteFile(s.stateFile()+".new", raw, 0o600)
	}
	if err == nil {
		err = os.Rename(s.stateFile()+".new", s.stateFile())
	}
	if err != nil {
		s.failed = fmt.Errorf("sandbox: keep the state: %w", err)
	}
}

func (s *Sandbox) unlock() error {
	if s.lock == nil {
		return nil
	}
	err := s.lock.Release()
	s.lock = nil
	return err
}
