// Package setup describes what astro-ci makes: one credential, the places its value is kept in,
// and the pipeline file that uses it. It is pure data: no I/O, no clock, no secret.
package setup

import (
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/display"
)

// Ref points at something on Astro. The id decides; the name is there for people.
type Ref struct {
	ID   string       `json:"id"`
	Name display.Text `json:"name"`
}

// IsZero reports whether nothing was picked.
func (r Ref) IsZero() bool { return r.ID == "" }

// String is the name, or the id where there is no name.
func (r Ref) String() string {
	if r.Name.IsZero() {
		return r.ID
	}
	return r.Name.String()
}

// Job is what the pipeline will do on Astro; it decides which rights the credential needs.
type Job string

// The jobs a pipeline can have.
const (
	DeployCode        Job = "deploy"      // image and DAGs of one Deployment
	DeployDAGs        Job = "dags"        // DAGs of one Deployment, nothing else
	ManageDeployments Job = "deployments" // create, update, delete Deployments of a Workspace
	ManageUsers       Job = "users"       // users and roles
	// PreviewDeployments makes a copy of one Deployment for each request to merge, and deletes it again.
	PreviewDeployments Job = "previews"
	// RotateTokens replaces tokens that are due, and RemindOfEnd opens an issue when one ends soon. They
	// run at set times, for another setup (Plan.Renewal).
	RotateTokens Job = "rotate"
	RemindOfEnd  Job = "remind"
)

// Scheduled reports whether the pipeline runs at set times, and not after a push.
func (j Job) Scheduled() bool { return j == RotateTokens || j == RemindOfEnd }

// Deploys reports whether the job runs `astro deploy` on one Deployment.
func (j Job) Deploys() bool { return j == DeployCode || j == DeployDAGs }

// OnDeployment reports whether the job is about one Deployment.
func (j Job) OnDeployment() bool { return j.Deploys() || j == PreviewDeployments }

// Kind is the type of a credential, in the words of the command line.
type Kind string

// The credential types.
const (
	DeploymentToken   Kind = "deployment-token"
	WorkspaceToken    Kind = "workspace-token"
	OrganizationToken Kind = "organization-token"
	// DeploymentKey is the legacy Deployment API key: an id and a secret. Astro makes no new ones.
	DeploymentKey Kind = "deployment-key"
)

// Kinds lists the credential types, the least privileged token first.
func Kinds() []Kind {
	return []Kind{DeploymentToken, WorkspaceToken, OrganizationToken, DeploymentKey}
}

// The environment variables by which the Astro CLI takes a credential.
const (
	TokenVariable     = "ASTRO_API_TOKEN"
	KeyIDVariable     = "ASTRONOMER_KEY_ID"
	KeySecretVariable = "ASTRONOMER_KEY_SECRET"
)

// Variables are the environment variables of the Astro CLI that the credential needs.
func (k Kind) Variables() []string {
	if k == DeploymentKey {
		return []string{KeyIDVariable, KeySecretVariable}
	}
	return []string{TokenVariable}
}

// Deployment reports whether the credential reaches one Deployment only.
func (k Kind) Deployment() bool { return k == DeploymentToken || k == DeploymentKey }

// Scope is the API's word for the level a token belongs to; a key has none.
func (k Kind) Scope() string {
	switch k {
	case DeploymentToken:
		return "DEPLOYMENT"
	case WorkspaceToken:
		return "WORKSPACE"
	case OrganizationToken:
		return "ORGANIZATION"
	case DeploymentKey:
	}
	return ""
}

// String is the credential type in words.
func (k Kind) String() string {
	switch k {
	case DeploymentToken:
		return "Deployment API token"
	case WorkspaceToken:
		return "Workspace API token"
	case OrganizationToken:
		return "Organization API token"
	case DeploymentKey:
		return "Deployment API key"
	}
	return string(k)
}

// KindOf is the type of a token of this scope.
func KindOf(scope string) (Kind, bool) {
	for _, k := range Kinds() {
		if scope != "" && k.Scope() == scope {
			return k, true
		}
	}
	return "", false
}

// Credential is the token to create, or the kind of key that there is.
type Credential struct {
	Kind          Kind   `json:"kind"`
	Role          string `json:"role"`          // "" for a key
	ExpiresInDays int    `json:"expiresInDays"` // 0 for a key, which has no end
}

// MinDays and MaxDays bound a token's life; the API accepts 1..3650 days.
const (
	MinDays     = 1
	MaxDays     = 3650
	DefaultDays = 90
)

// Due is how long after its beginning a life of this length is to be replaced: when two thirds are over.
func Due(life time.Duration) time.Duration { return life / 3 * 2 }

// Target is one named secret in one store.
type Target struct {
	Store   string `json:"store"`   // provider id
	Address string `json:"address"` // in the store's own notation, e.g. acme/etl#production
	Secret  string `json:"secret"`  // e.g. ASTRO_API_TOKEN
	// Variable is the environment variable of the Astro CLI that the secret feeds; "" stands for
	// ASTRO_API_TOKEN.
	Variable string `json:"variable,omitempty"`
}

// Feeds is the environment variable of the Astro CLI that the secret feeds.
func (t Target) Feeds() string {
	if t.Variable == "" {
		return TokenVariable
	}
	return t.Variable
}

// String is STORE:ADDRESS/SECRET.
func (t Target) String() string { return t.Store + ":" + t.Address + "/" + t.Secret }

// Repository is where the pipeline file lives.
type Repository struct {
	Host string `json:"host"` // github.com
	Path string `json:"path"` // acme/etl
}

// IsZero reports whether no repository is known.
func (r Repository) IsZero() bool { return r.Path == "" }

// String is HOST/PATH.
func (r Repository) String() string { return strings.TrimPrefix(r.Host+"/"+r.Path, "/") }

// Deploy is what `astro deploy` sends.
type Deploy string

// The kinds of deploy.
const (
	Infer     Deploy = "infer"      // DAGs only when nothing else changed in the push
	Image     Deploy = "image"      // image and DAGs, always
	DAGs      Deploy = "dags"       // DAGs only
	ImageOnly Deploy = "image-only" // image only; DAGs stay as they are
)

// CLI pins the Astro CLI, or astro-ci itself, that the pipeline installs.
type CLI struct {
	Version string `json:"version"` // 1.40.1
	BaseURL string `json:"baseUrl"` // folder that holds v<version>/astro_<version>_<os>_<arch>.tar.gz or astro-ci-<os>-<arch>
	// SHA256 of the archive per "os_arch", lower-case hex.
	SHA256 map[string]string `json:"sha256"`
}

// Pipeline says how the pipeline file looks.
type Pipeline struct {
	// Own says that the repository's own pipeline uses the credential: astro-ci writes no file, and the
	// other fields but Branch and Reader are empty.
	Own    bool   `json:"own,omitempty"`
	File   string `json:"file"`   // slash-separated, relative to the repository's root
	Branch string `json:"branch"` // the branch whose pushes deploy
	// Folder is the one of the Astro project, slash-separated, relative to the repository's root; "" is
	// the root itself.
	Folder string `json:"folder,omitempty"`
	Deploy Deploy `json:"deploy"` // set when the job deploys
	CLI    CLI    `json:"cli"`
	Reader Reader `json:"reader,omitzero"`
	// Of a scheduled job: the setup that it is for, and when it runs, as five fields of cron, in UTC. Its
	// CLI is astro-ci itself.
	Renews string `json:"renews,omitempty"`
	Cron   string `json:"cron,omitempty"`
}

// Reader is as whom a run logs in to a secrets backend to read the secret there; the zero one where the
// platform hands the secret to the run by itself.
type Reader struct {
	Server    string `json:"server,omitempty"`    // the backend as runs see it: an address, or a region of AWS
	Namespace string `json:"namespace,omitempty"` // of Vault
	Role      string `json:"role,omitempty"`      // in the backend's own words
	Runs      string `json:"runs,omitempty"`      // the runs, by the platform's own ids; "" where names suffice
}

// Setup is one credential, its targets and its pipeline file.
type Setup struct {
	Name         string     `json:"name"`
	Organization Ref        `json:"organization"`
	Workspace    Ref        `json:"workspace"`
	Deployment   Ref        `json:"deployment"`
	Job          Job        `json:"job"`
	Credential   Credential `json:"credential"`
	Platform     string     `json:"platform"` // provider id
	Repository   Repository `json:"repository"`
	Targets      []Target   `json:"targets"`
	Pipeline     Pipeline   `json:"pipeline"`
}

// Entity is what the credential is scoped to.
func (s Setup) Entity() Ref {
	switch s.Credential.Kind {
	case DeploymentToken, DeploymentKey:
		return s.Deployment
	case WorkspaceToken:
		return s.Workspace
	case OrganizationToken:
		return s.Organization
	}
	return Ref{}
}

// Fetches reports whether a run gets the secret from a backend by itself.
func (s Setup) Fetches() bool { return s.Pipeline.Reader.Role != "" }

// Reads are the targets whose secrets the platform hands to the pipeline: for each variable the first
// that feeds it; the others are copies. There are none when a run fetches the secret by itself.
func (s Setup) Reads() (out []Target) {
	if s.Fetches() {
		return nil
	}
	for _, v := range s.Credential.Kind.Variables() {
		for _, t := range s.Targets {
			if t.Feeds() == v {
				out = append(out, t)
				break
			}
		}
	}
	return out
}

// Target returns the first target; the pipeline reads it.
func (s Setup) Target() Target {
	if len(s.Targets) == 0 {
		return Target{}
	}
	return s.Targets[0]
}

// ReadBy is the branch whose runs read the secret; "" for previews, which run for every branch of a
// request.
func (s Setup) ReadBy() string {
	if s.Job == PreviewDeployments {
		return ""
	}
	return s.Pipeline.Branch
}

// TokenName is the name the token gets on Astro: the platform, and where its secret is kept. Names are
// not unique there; the id decides.
func (s Setup) TokenName() string {
	at := s.Target().Address
	if store := s.Target().Store; store != s.Platform {
		at = store + ":" + at
	}
	name := s.Platform + " " + at
	if len(name) > 256 {
		name = name[:256]
	}
	return name
}
