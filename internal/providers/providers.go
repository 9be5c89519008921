// Package providers defines what astro-ci needs from a place that keeps secrets (Store) and from a
// CI system that runs pipelines (Platform).
//
// A provider is a folder below this package. It never asks, prints, exits or reads the
// environment: the command line hands it what it needs, and it answers with values and errors.
// What only some providers can do is an optional interface, found by type assertion.
package providers

import (
	"context"
	"time"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Proof is how far a stored secret has been shown to be right; each rung includes those before.
type Proof string

// The rungs of proof.
const (
	Written  Proof = "written"   // the store accepted the write
	Metadata Proof = "metadata"  // the store's own record of the write is newer than its start
	ReadBack Proof = "read-back" // the value was read again and is equal
	Run      Proof = "run"       // a pipeline run used it
)

// Info describes a provider.
type Info struct {
	ID        string // github
	Name      string // GitHub Actions
	Docs      string // https address of the vendor's page on secrets
	MaxValue  int    // bytes a value may have
	Proof     Proof  // the best rung that works without a run
	ProofNote string // why it ends there
	// Environments says that a secret can be bound to a named environment.
	Environments bool
	OneFile      bool // the platform reads pipelines from one file only, whose path is fixed
	// Shared says that the parts of several setups can stand in one pipeline file (File.Beside).
	Shared bool
	// Backends are the ids of the secrets backends from which its pipelines can read.
	Backends []string
	// What a person reads before a set-up, as paragraphs of Markdown.
	Rights  string // what the log-in has to be allowed
	Login   string // where a log-in is looked for, in order
	Address string // what the addresses of targets look like
	Limits  string // what the service refuses, or does in a way that surprises
}

// Access is the answer to "may I write here?".
type Access struct {
	Who  display.Text // the account or token that was checked; may be empty
	Note display.Text // what the check could not see; may be empty
	Ends time.Time    // of the log-in; zero when it has no end, or the service does not tell
}

// State is what a store tells about a secret; never its value.
type State struct {
	Exists    bool
	UpdatedAt time.Time // zero when the store does not say
	Version   string    // the store's mark of the last write, as Receipt has it; "" when it shows none
}

// Meta goes with a value: what it is for, and notes for stores that keep some beside it.
type Meta struct {
	Setup      string
	Repository setup.Repository // whose pipeline reads the secret
	Branch     string           // whose pipeline reads the secret; "" when it is not known
	Scheduled  bool             // a schedule starts that pipeline, and no push
	File       string           // the pipeline file that reads the secret; "" when there is none
	TokenID    string
	ExpiresAt  time.Time
}

// Receipt is what a write achieved.
type Receipt struct {
	Created bool   // false: an existing secret was replaced
	Version string // the store's own mark of this write, or ""
	Proof   Proof
	Note    display.Text // what beside the value could not be written; may be empty
}

// Said is how far the write got, in words.
func (r Receipt) Said() string {
	out := "proof: " + string(r.Proof)
	if !r.Note.IsZero() {
		out += "; " + r.Note.String()
	}
	return out
}

// Store keeps secrets.
type Store interface {
	Info() Info
	// Check asks whether the target can be written, before any token exists. It changes nothing.
	Check(ctx context.Context, t setup.Target) (Access, error)
	// Put writes the value. Doing it twice has the effect of doing it once.
	Put(ctx context.Context, t setup.Target, v *secret.Value, m Meta) (Receipt, error)
	// Stat says whether the secret is there.
	Stat(ctx context.Context, t setup.Target) (State, error)
}

// Checker is a store that knows without a request, and without a log-in, what can be a target.
type Checker interface {
	// CheckTarget refuses a target whose address or name the store does not take.
	CheckTarget(t setup.Target) error
}

// Remover takes a secret away. Removing what is not there is no error.
type Remover interface {
	Remove(ctx context.Context, t setup.Target) error
}

// Historian is a store that keeps earlier values, each under the mark of its write (State.Version).
type Historian interface {
	// Earlier reads the value that a write made.
	Earlier(ctx context.Context, t setup.Target, version string) (*secret.Value, error)
}

// Glancer is a store whose Stat reads values, because nothing else is as exact.
type Glancer interface {
	// Glance is Stat by which no value leaves the store. beside says that the version may be the mark of a
	// write to something else that is kept in the same entry.
	Glance(ctx context.Context, t setup.Target) (st State, beside bool, err error)
}

// Lister names the secrets that are at the target's address, whatever the target's own name.
type Lister interface {
	List(ctx context.Context, t setup.Target) ([]string, error)
}

// Modernizer is a platform that can put an API token into the place of a Deployment API key, in a
// pipeline file that people wrote. It does no I/O, and refuses a file that it does not understand.
type Modernizer interface {
	Modernize(content []byte, token setup.Target) ([]byte, error)
}

// Place is a spot inside a platform where a secret can be put.
type Place struct {
	Store   string       // as in setup.Target; "" stands for the platform's own
	Address string       // as in setup.Target
	Name    display.Text // "Environment production"
	Note    display.Text // "3 reviewers"; may be empty
	New     bool         // not there yet; Put makes it
}

// Repo is what a platform knows about a repository.
type Repo struct {
	Repository    setup.Repository
	DefaultBranch string
	Private       bool
	Notes         []display.Text // what a person should know: archived, renamed, plan limits
}

// Remote is a git remote, split but not yet claimed by a platform.
type Remote struct {
	Name string // origin
	Host string // lower case, without port
	Path string // without leading slash and ".git"
}

// File is a rendered pipeline file.
type File struct {
	Path    string // slash-separated, relative to the repository's root
	Content []byte
	Comment string // what starts a comment line; "" stands for #
	// Beside names the parts of the content that can stand beside what others wrote in the same file:
	// the entries below a key, as its path from the root with dots, or "." for all of it. Empty: the
	// file is for one setup alone.
	Beside []string
	// Fit makes the content such that it fits what others wrote in the file, or says what is in the way of adding it
	// there; nil: it always fits.
	Fit func(content, before []byte) ([]byte, error)
	// Hides says what of others in the file no longer runs beside the parts; "" or nil: nothing.
	Hides func(before []byte) string
	// Whole says that the file is ours from the first to the last byte, for a form without comments.
	Whole bool
}

// Granter is a platform whose pipeline reads the secret by a right of its own, that a person has to
// give. Policy is the document that gives it, as a file to be kept, and what a person does with it.
type Granter interface {
	Policy(p setup.Plan) (file File, say string)
}

// Backend is a store beside the CI systems.
type Backend interface {
	Store
	Remover
	// Place is where the secret of a repository is kept, unless something else is said.
	Place(r setup.Repository) Place
}

// Readable is a backend that knows something about how runs may read from it: its address, and whom they
// could log in as.
type Readable interface {
	Reader(ctx context.Context, p setup.Plan) (setup.Reader, error)
}

// Identifier is a platform that vouches for its runs by ids of its own, which a backend has to be told.
type Identifier interface {
	// Identify are the ids of a repository, in the form that setup.Reader.Runs has; "" when the platform
	// does not say them all.
	Identify(ctx context.Context, r setup.Repository) (ids string, err error)
}

// Platform is a CI system: it runs pipeline files. Most are a Store as well.
type Platform interface {
	Runner
	Info() Info
	// Detect reports whether the remote belongs to this platform. It does no I/O.
	Detect(r Remote) (setup.Repository, bool)
	// ParseRepo reads what a person typed for --repo.
	ParseRepo(text string) (setup.Repository, error)
	// Repo looks the repository up.
	Repo(ctx context.Context, r setup.Repository) (Repo, error)
	// Places lists where a secret for this repository can be put, the simplest first; beside an error, what
	// is known without asking.
	Places(ctx context.Context, r setup.Repository) ([]Place, error)
	// Environment is the address of a named environment of the repository.
	Environment(r setup.Repository, name string) (address string, err error)
	// PipelineGlobs are the paths at which the platform's pipeline files lie, as patterns of path.Match.
	PipelineGlobs() []string
	// Runs is the https address at which a person sees the runs of a pipeline file.
	Runs(r setup.Repository, file string) string
	// PipelineFile is the usual path of a pipeline file for the setup.
	PipelineFile(s setup.Setup) string
	// Pipeline renders the pipeline file. It does no I/O.
	Pipeline(p setup.Plan) (File, error)
}
