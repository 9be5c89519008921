package setup

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/astro-ci/astro-ci/internal/pattern"
)

// Fault is one thing that is wrong with a setup.
type Fault struct {
	Field   string // the flag that sets it, without dashes
	Problem string
}

func (f *Fault) Error() string { return f.Field + ": " + f.Problem }

// ErrEmpty says that an answer is needed.
var ErrEmpty = errors.New("an answer is needed")

var (
	secretName = pattern.New(`^[A-Z_][A-Z0-9_]*$`)
	astroID    = pattern.New(`^[a-z0-9]{25}$`)
	role       = pattern.New(`^[A-Za-z0-9][A-Za-z0-9_ .-]{0,127}$`)
	setupName  = pattern.New(`^[a-z0-9][a-z0-9._-]{0,62}$`)
	branchBad  = pattern.New(`[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|\.lock(/|$)|/\.|^[./-]|[/.]$`)
	version    = pattern.New(`^[0-9]+\.[0-9]+\.[0-9]+$`)
	cron       = pattern.New(`^[0-9]{1,2} [0-9]{1,2} \* \* [0-6*]$`)
	sum        = pattern.New(`^[0-9a-f]{64}$`)
)

// Validate returns every fault of the setup, joined; nil when it can be carried out. The engine
// calls it again whatever the screens have checked.
func (s Setup) Validate() error {
	var faults []error
	check := func(ok bool, field, problem string, args ...any) {
		if !ok {
			faults = append(faults, &Fault{field, fmt.Sprintf(problem, args...)})
		}
	}
	check(CheckName(s.Name) == nil, "name", "%v", CheckName(s.Name))
	check(CheckID(s.Organization.ID), "organization", "%q is not an Astro id", s.Organization.ID)
	switch s.Credential.Kind {
	case DeploymentToken, DeploymentKey:
		check(CheckID(s.Deployment.ID), "deployment", "%q is not an Astro id", s.Deployment.ID)
	case WorkspaceToken:
		check(CheckID(s.Workspace.ID), "workspace", "%q is not an Astro id", s.Workspace.ID)
	case OrganizationToken:
	default:
		check(false, "credential", "%q is not a credential type", string(s.Credential.Kind))
	}
	if s.Credential.Kind != DeploymentKey {
		check(CheckRole(s.Credential.Role), "role", "%q is not a role", s.Credential.Role)
		check(CheckDays(s.Credential.ExpiresInDays) == nil, "expires-in", "%v", CheckDays(s.Credential.ExpiresInDays))
	}
	check(slices.Contains([]Job{DeployCode, DeployDAGs, ManageDeployments, ManageUsers, PreviewDeployments, RotateTokens, RemindOfEnd}, s.Job), "job", "%q is not a job", string(s.Job))
	if s.Job.OnDeployment() {
		check(CheckID(s.Deployment.ID), "deployment", "%q is not an Astro id", s.Deployment.ID)
	}
	if s.Job == ManageDeployments || s.Job == PreviewDeployments {
		check(CheckID(s.Workspace.ID), "workspace", "%q is not an Astro id", s.Workspace.ID)
		check(!s.Credential.Kind.Deployment(), "credential", "a %s cannot create Deployments", s.Credential.Kind)
	}
	if s.Job == ManageUsers {
		check(!s.Credential.Kind.Deployment(), "credential", "a %s cannot manage users", s.Credential.Kind)
	}
	if s.Job.Scheduled() {
		check(s.Credential.Kind != DeploymentKey, "credential", "a %s is not renewed", s.Credential.Kind)
		check(cron.MatchString(s.Pipeline.Cron), "job", "%q says no time at which it runs", s.Pipeline.Cron)
		check(CheckName(s.Pipeline.Renews) == nil, "job", "it does not say which setup it is for; give --self-rotate")
	}
	check(s.Platform != "", "platform", "no platform")
	check(!s.Repository.IsZero(), "repo", "no repository")
	check(len(s.Targets) > 0, "target", "no place for the secret")
	for i, t := range s.Targets {
		check(!slices.ContainsFunc(s.Targets[:i], func(o Target) bool { return o.String() == t.String() }), "target", "%s is named twice", t)
		check(t.Store != "" && t.Address != "", "target", "%q is incomplete", t.String())
		check(CheckSecretName(t.Secret) == nil, "secret-name", "%v", CheckSecretName(t.Secret))
		check(slices.Contains(s.Credential.Kind.Variables(), t.Feeds()), "target", "%s does not feed a variable of a %s", t, s.Credential.Kind)
	}
	for _, v := range s.Credential.Kind.Variables() {
		check(len(s.Targets) == 0 || slices.ContainsFunc(s.Targets, func(t Target) bool { return t.Feeds() == v }), "target", "no secret feeds %s", v)
	}
	if s.Pipeline.Own {
		return errors.Join(faults...)
	}
	if s.Job.Deploys() {
		check(slices.Contains([]Deploy{Infer, Image, DAGs, ImageOnly}, s.Pipeline.Deploy), "deploy", "%q is not a kind of deploy", string(s.Pipeline.Deploy))
	}
	check(CheckFile(s.Pipeline.File) == nil, "pipeline-file", "%v", CheckFile(s.Pipeline.File))
	check(CheckFolder(s.Pipeline.Folder) == nil, "project-folder", "%v", CheckFolder(s.Pipeline.Folder))
	check(CheckBranch(s.Pipeline.Branch) == nil, "branch", "%v", CheckBranch(s.Pipeline.Branch))
	program, what := "cli", "archive"
	if s.Job == RotateTokens { // its runs install astro-ci itself
		program, what = "astro-ci", "program"
	}
	check(version.MatchString(s.Pipeline.CLI.Version), program+"-version", "%q is not an exact version", s.Pipeline.CLI.Version)
	check(sum.MatchString(s.Pipeline.CLI.SHA256["linux_amd64"]), program+"-sha256", "no SHA-256 for the linux_amd64 %s", what)
	check(strings.HasPrefix(s.Pipeline.CLI.BaseURL, "https://") || Loopback(s.Pipeline.CLI.BaseURL), program+"-url", "%q is not an https address", s.Pipeline.CLI.BaseURL)
	return errors.Join(faults...)
}

// Loopback reports whether raw is a plain-http address that stays on this machine.
func Loopback(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && u.Scheme == "http" && u.User == nil &&
		slices.Contains([]string{"127.0.0.1", "::1", "localhost"}, u.Hostname())
}

// CheckID reports whether id has the form of an Astro id: 25 lower-case letters and digits.
func CheckID(id string) bool { return astroID.MatchString(id) }

// CheckRole reports whether name can be the name of a role.
func CheckRole(name string) bool { return role.MatchString(name) }

// MaxName is how many characters the name of a setup may have.
const MaxName = 63

// CheckName reports what is wrong with a setup's name.
func CheckName(name string) error {
	if !setupName.MatchString(name) {
		return errors.New("use 1 to 63 lower-case letters, digits, dots, dashes or underscores, starting with a letter or digit")
	}
	return nil
}

// CheckDays reports what is wrong with a token's life.
func CheckDays(days int) error {
	if days < MinDays || days > MaxDays {
		return fmt.Errorf("use %d to %d days; a token without an end is not offered", MinDays, MaxDays)
	}
	return nil
}

// CheckSecretName reports what is wrong with a secret's name. The rule is what all platforms accept.
func CheckSecretName(name string) error {
	switch {
	case !secretName.MatchString(name):
		return errors.New("use capital letters, digits and underscores, not starting with a digit")
	case strings.HasPrefix(name, "GITHUB_"):
		return errors.New("names that start with GITHUB_ are reserved")
	case len(name) > 255:
		return errors.New("use at most 255 characters")
	}
	return nil
}

// CheckBranch reports what is wrong with a branch, by git's own rules for names.
func CheckBranch(branch string) error {
	if branch == "" || len(branch) > 255 || branch == "@" || branchBad.MatchString(branch) {
		return fmt.Errorf("%q is not a branch name that git accepts", branch)
	}
	if branch == "HEAD" || strings.HasPrefix(branch, "refs/") {
		return fmt.Errorf("%q is not how platforms call a branch; give its name alone, like main", branch)
	}
	return nil
}

// folder is what every platform and every shell takes for a folder and nothing else.
var folder = pattern.New(`^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$`)

// CheckFolder reports what is wrong with the folder of an Astro project; "" stands for the root.
func CheckFolder(name string) error {
	if name != "" && !folder.MatchString(name) {
		return fmt.Errorf("%q is not a folder below the repository's root, of letters, digits, dots, dashes and underscores", name)
	}
	return nil
}

// CheckFile reports what is wrong with a path inside a repository.
func CheckFile(file string) error {
	switch {
	case file == "" || file != path.Clean(file) || path.IsAbs(file) || strings.HasPrefix(file, "../") || file == "..":
		return fmt.Errorf("%q is not a path inside the repository", file)
	case strings.ContainsAny(file, "\\\x00\n\r"):
		return fmt.Errorf("%q holds a character that a path must not have", file)
	case file == ".git" || strings.HasPrefix(file, ".git/"):
		return fmt.Errorf("%q is inside git's own folder", file)
	}
	return nil
}
