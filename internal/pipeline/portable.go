package pipeline

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/astro-ci/astro-ci/assets"
	"github.com/astro-ci/astro-ci/internal/fetch"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Portable is what a pipeline does, as one POSIX shell script that runs on every platform, and the
// constants that it reads. The script itself is a constant: nothing is ever filled in.
type Portable struct {
	Script Literal
	Env    Map  // string values, with names beside the ids
	Push   bool // the script reads BEFORE and AFTER, the commits around a push
	// Audience is whom the identity of a run has to be for that fetches the secret by itself.
	Audience string
	About    []string
}

// NewPortable makes the script of a plan. place says in words where the secrets are; before tells
// whether the platform knows the commit before a push.
func NewPortable(p setup.Plan, place string, before bool) (Portable, error) {
	if p.Job == setup.PreviewDeployments {
		return Portable{}, hint.New("previews of requests cannot be made on this platform", "It does not say when a request is closed, so nothing would delete them. Choose another --job, or GitHub Actions or GitLab CI.", "")
	}
	if p.Job.Scheduled() {
		return Portable{}, hint.New("tokens cannot be renewed by a schedule on this platform from here", "Leave --self-rotate out; astro-ci rotate --due does it from anywhere.", "")
	}
	return portable(p, place, before)
}

// NewPreviews makes the script of a plan for previews, on a platform that tells of requests to merge. It
// reads NUMBER, the number of the request, and GONE, which is yes when it was closed.
func NewPreviews(p setup.Plan, place string) (Portable, error) { return portable(p, place, false) }

func portable(p setup.Plan, place string, before bool) (Portable, error) {
	if err := p.Validate(); err != nil {
		return Portable{}, err
	}
	if err := errors.Join(CheckCLI(p.Pipeline.CLI), CheckText(p.Pipeline.Branch)); err != nil {
		return Portable{}, err
	}
	parts := []string{"begin", "check-token", "install-cli"}
	out := Portable{}
	add := func(key, value, beside string) {
		out.Env = append(out.Env, Pair{Key: key, Value: value, Beside: beside})
	}
	add("PLACE", place, "")
	if !p.Fetches() && !fetch.Handed(p.Platform, p.Target().Store) {
		return Portable{}, hint.New("a pipeline of "+p.Platform+" is not handed a secret of "+p.Target().Store, "Keep the secret on the platform, or have runs read it by themselves: --reader.", "")
	}
	if p.Fetches() {
		from, err := fetch.Of(p)
		if err != nil {
			return Portable{}, err
		}
		out.Audience = from.Audience
		for _, c := range from.Constants {
			add(c.Name, c.Value, "")
		}
		parts = slices.Insert(parts, 1, from.Scripts...)
	}
	if p.Job.Scheduled() {
		return scheduled(p, out)
	}
	if p.Credential.Kind == setup.DeploymentKey {
		parts[1] = "check-key" // it is never fetched
	} else {
		add("SECRET", p.Target().Secret, "")
	}
	cli := p.Pipeline.CLI
	add("CLI_URL", strings.TrimRight(cli.BaseURL, "/"), "")
	add("CLI_VERSION", cli.Version, "")
	add("CLI_SHA256_X64", cli.SHA256["linux_amd64"], "")
	if sum := cli.SHA256["linux_arm64"]; sum != "" {
		add("CLI_SHA256_ARM64", sum, "")
	}
	switch p.Job {
	case setup.ManageDeployments, setup.ManageUsers:
		if p.Credential.Kind == setup.WorkspaceToken || p.Job == setup.ManageDeployments {
			add("WORKSPACE_ID", p.Workspace.ID, Named(p.Workspace))
		}
		if p.Credential.Kind == setup.OrganizationToken {
			add("ORGANIZATION_ID", p.Organization.ID, Named(p.Organization))
		}
		parts = append(parts, "home", map[setup.Job]string{setup.ManageDeployments: "deployments", setup.ManageUsers: "users"}[p.Job])
	case setup.PreviewDeployments:
		add("DEPLOYMENT_ID", p.Deployment.ID, Named(p.Deployment))
		add("WORKSPACE_ID", p.Workspace.ID, Named(p.Workspace))
		add("PREVIEW", "pr-"+p.Name, "")
		parts = append(parts, "home", "previews")
		if p.Pipeline.Folder != "" { // a preview can be deleted where nothing is checked out
			add("FOLDER", p.Pipeline.Folder, "")
			parts = append(parts, "enter-folder")
		}
		parts = append(parts, "deploy")
	default:
		kind, infer, err := DeployKind(p)
		if err != nil {
			return Portable{}, err
		}
		add("DEPLOYMENT_ID", p.Deployment.ID, Named(p.Deployment))
		if !p.Credential.Kind.Deployment() {
			add("WORKSPACE_ID", p.Workspace.ID, Named(p.Workspace))
		}
		if folder := p.Pipeline.Folder; folder != "" {
			out.Push = before
			add("FOLDER", folder, "")
			at := slices.Index(parts, "install-cli")
			parts = slices.Insert(parts, at, "enter-folder")
			if before {
				parts = slices.Insert(parts, at+1, "skip-unchanged")
			}
		}
		if infer && before {
			out.Push = true
			parts = append(parts, "find-changes")
		} else {
			add("KIND", string(kind), "")
		}
		if infer && !before {
			out.About = []string{"This platform does not say what a push changed, so every push deploys image and DAGs."}
		}
		parts = append(parts, "home", "deploy")
	}
	if p.Fetches() { // what is installed before has no use for it
		parts = slices.Insert(parts, slices.Index(parts, "home"), "fetch-end")
	}
	out.Script = assemble(p, parts)
	return out, nil
}

// assemble is the script that the parts make.
func assemble(p setup.Plan, parts []string) Literal {
	cli := p.Pipeline.CLI
	var script strings.Builder
	for i, part := range parts {
		if i > 0 {
			script.WriteByte('\n')
		}
		text := assets.Shell("portable/" + part)
		if strings.HasPrefix(part, "install-") && setup.Loopback(cli.BaseURL) || part == "fetch" && setup.Loopback(p.Pipeline.Reader.Server) {
			text = strings.Replace(text, "--proto '=https'", "--proto '=http'", 1)
		}
		script.WriteString(text)
	}
	return Literal(script.String())
}

// Exports is shell that gives the variables of the Astro CLI the values of secrets with other names,
// for platforms on which every secret is a variable of its own name.
func Exports(targets []setup.Target) Literal {
	var out strings.Builder
	for _, t := range targets {
		if t.Secret != t.Feeds() { // both are checked: capital letters, digits and underscores
			fmt.Fprintf(&out, "%s=\"$%s\"\nexport %s\n", t.Feeds(), t.Secret, t.Feeds())
		}
	}
	return Literal(out.String())
}

// safeValue is text that means itself between single quotes, in every shell and file.
var safeValue = pattern.New(`^[A-Za-z0-9 .,_:;/@=+#-]*$`)

// Assignments is shell that sets the constants, for platforms that have no place for them. A value
// that holds anything but plain characters is refused.
func (x Portable) Assignments() (Literal, error) {
	var out strings.Builder
	for _, p := range x.Env {
		v, _ := p.Value.(string)
		if !safeValue.MatchString(v) {
			return "", fmt.Errorf("%s: %q cannot stand in a script", p.Key, v)
		}
		fmt.Fprintf(&out, "%s='%s'\n", p.Key, v)
	}
	return Literal(out.String()), nil
}

// Header is the comment at the top of a pipeline file of the plan.
func (x Portable) Header(p setup.Plan) []string {
	return append([]string{"Made by astro-ci for the setup " + p.Name + ". To change it, run astro-ci again."}, x.About...)
}

// Builds reports whether the plan's pipeline builds an image, which needs Docker.
func Builds(p setup.Plan) bool {
	return p.Job == setup.PreviewDeployments || p.Job == setup.DeployCode && p.Pipeline.Deploy != setup.DAGs
}

// CheckText refuses text from outside that a platform could take for more than text.
func CheckText(texts ...string) error {
	for _, t := range texts {
		if !Inert(t) {
			return fmt.Errorf("%q holds an expression or a character that is not printable", t)
		}
	}
	return nil
}

// DockerImage is the image with the Docker command line, and with "dind" the one of its daemon: a
// digest, because tags move. The tag before it is for people.
func DockerImage(kind string) Plain { return Plain(Pins().Images["docker-"+kind]) }

// DeployKind is what a deploy of the plan sends, and whether that is decided by what a push changed;
// then kind is what is sent when nothing is known of the push.
func DeployKind(p setup.Plan) (kind setup.Deploy, infer bool, err error) {
	kind = p.Pipeline.Deploy
	if p.Job == setup.DeployDAGs {
		kind = setup.DAGs
	}
	if !p.DAGDeploys && (kind == setup.DAGs || kind == setup.ImageOnly) {
		return kind, false, hint.New("DAG-only deploys are off for the Deployment "+p.Deployment.String(),
			"Turn them on with: astro deployment update "+p.Deployment.ID+" --dag-deploy enable. Or deploy image and DAGs with --deploy image.",
			"https://www.astronomer.io/docs/astro/deploy-dags")
	}
	if !p.Credential.Kind.Deployment() && !setup.CheckID(p.Workspace.ID) {
		return kind, false, hint.New("the Workspace of the Deployment is not known", "Give it with --workspace: the Astro CLI needs it with this type of token.", "")
	}
	if kind == setup.Infer {
		return setup.Image, p.DAGDeploys, nil
	}
	return kind, false, nil
}

// CheckCLI reports what is wrong with the address that the Astro CLI is installed from.
func CheckCLI(cli setup.CLI) error {
	if u, err := url.Parse(cli.BaseURL); err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || !Inert(cli.BaseURL) {
		return fmt.Errorf("%q is not the address of a folder", cli.BaseURL)
	}
	return nil
}

// Named is the name that stands beside an id in a pipeline file; it is only there for people.
func Named(r setup.Ref) string {
	if name := r.Name.String(); Inert(name) {
		return name
	}
	return ""
}

// Inert reports whether no platform and no YAML reader takes text for anything but text: it holds
// no expression, macro or substitution of any of them.
func Inert(text string) bool {
	return !strings.Contains(text, "${") && !strings.Contains(text, "$[") && !strings.Contains(text, "$(") && !strings.Contains(text, "<<") && utf8.ValidString(text) &&
		!strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

// LiteralBranch escapes what git allows in a branch and a GitHub workflow takes for a pattern.
func LiteralBranch(branch string) string {
	return strings.NewReplacer("+", `\+`, "!", `\!`).Replace(branch)
}
