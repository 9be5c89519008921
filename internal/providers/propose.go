package providers

import (
	"context"

	"github.com/astro-ci/astro-ci/internal/setup"
)

// Proposal is one file, put on a branch of its own, that somebody else merges.
type Proposal struct {
	Base    string // the branch that it shall get to
	Branch  string // the branch that it is put on; made from Base when it is not there
	Path    string // slash-separated, relative to the repository's root
	Content []byte
	Title   string // of the request, and of the commit
	Body    string
}

// Request is a pull or merge request.
type Request struct {
	Link   string // where a person sees it
	Number int
	New    bool // false: it was open already
}

// Proposer is a platform that keeps the repository itself and takes changes as pull or merge requests.
type Proposer interface {
	// Protected reports whether the branch takes no push from the log-in.
	Protected(ctx context.Context, r setup.Repository, branch string) (bool, error)
	// Content reads a file of a branch; the error is fs.ErrNotExist when there is none.
	Content(ctx context.Context, r setup.Repository, branch, path string) ([]byte, error)
	// Propose commits the file to its branch and opens a request, or finds the open one. Doing it twice
	// has the effect of doing it once.
	Propose(ctx context.Context, r setup.Repository, p Proposal) (Request, error)
	// Withdraw closes the request and deletes its branch. What is not there is no error.
	Withdraw(ctx context.Context, r setup.Repository, p Proposal, q Request) error
}
