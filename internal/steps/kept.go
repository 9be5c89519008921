package steps

import (
	"context"
	"strings"
	"sync"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Kept keeps what was loaded, for many set-ups that are prepared side by side: each list is read once. A
// failure is not kept. A wizard has none, since a person who goes back wants to see what is there now.
type Kept struct {
	mu   sync.Mutex
	what map[string]*keptItem
}

type keptItem struct {
	turn  chan struct{} // holds one while it is loaded
	there bool
	value any
}

// NewKept returns one that holds nothing yet.
func NewKept() *Kept { return &Kept{what: map[string]*keptItem{}} }

func kept[T any](k *Kept, load func() (T, error), key ...string) (T, error) {
	if k == nil {
		return load()
	}
	k.mu.Lock()
	name := strings.Join(key, "\x00")
	x := k.what[name]
	if x == nil {
		x = &keptItem{turn: make(chan struct{}, 1)}
		k.what[name] = x
	}
	k.mu.Unlock()
	x.turn <- struct{}{}
	defer func() { <-x.turn }()
	if v, ok := x.value.(T); ok && x.there {
		return v, nil
	}
	v, err := load()
	if err == nil {
		x.value, x.there = v, true
	}
	return v, err
}

// whole is a list with all its pages.
func whole[T any](ctx context.Context, k *Kept, load func() (astro.Page[T], error), key ...string) (astro.Page[T], error) {
	return kept(k, func() (astro.Page[T], error) {
		p, err := load()
		if err != nil {
			return p, err
		}
		all, err := p.All(ctx)
		return astro.Page[T]{Items: all}, err
	}, key...)
}

// keptAstro asks Astro for each thing once.
type keptAstro struct {
	Astro
	k *Kept
}

func (a keptAstro) Organizations(ctx context.Context) (astro.Page[astro.Organization], error) {
	return whole(ctx, a.k, func() (astro.Page[astro.Organization], error) { return a.Astro.Organizations(ctx) }, "organizations")
}

func (a keptAstro) Organization(ctx context.Context, id string) (astro.Organization, error) {
	return kept(a.k, func() (astro.Organization, error) { return a.Astro.Organization(ctx, id) }, "organization", id)
}

func (a keptAstro) Workspaces(ctx context.Context, org string) (astro.Page[astro.Workspace], error) {
	return whole(ctx, a.k, func() (astro.Page[astro.Workspace], error) { return a.Astro.Workspaces(ctx, org) }, "workspaces", org)
}

func (a keptAstro) Deployments(ctx context.Context, org, workspace string) (astro.Page[astro.Deployment], error) {
	return whole(ctx, a.k, func() (astro.Page[astro.Deployment], error) { return a.Astro.Deployments(ctx, org, workspace) }, "deployments", org, workspace)
}

func (a keptAstro) Roles(ctx context.Context, org string) ([]astro.Role, error) {
	return kept(a.k, func() ([]astro.Role, error) { return a.Astro.Roles(ctx, org) }, "roles", org)
}

func (a keptAstro) Rights(ctx context.Context, roles []astro.Role) (astro.Rights, error) {
	key := []string{"rights"}
	for _, r := range roles { // each Organization has its own
		key = append(key, r.Name)
	}
	return kept(a.k, func() (astro.Rights, error) { return a.Astro.Rights(ctx, roles) }, key...)
}

func (d Deps) places(ctx context.Context, x providers.Platform, r setup.Repository) ([]providers.Place, error) {
	return kept(d.Keep, func() ([]providers.Place, error) { return x.Places(ctx, r) }, "places", x.Info().ID, r.String())
}

func (d Deps) repository(ctx context.Context, x providers.Platform, r setup.Repository) (providers.Repo, error) {
	return kept(d.Keep, func() (providers.Repo, error) { return x.Repo(ctx, r) }, "repo", x.Info().ID, r.String())
}

func (d Deps) protected(ctx context.Context, x providers.Proposer, platform string, r setup.Repository, branch string) (bool, error) {
	return kept(d.Keep, func() (bool, error) { return x.Protected(ctx, r, branch) }, "protected", platform, r.String(), branch)
}

// pin is a release of the Astro CLI with what is said about it.
type pin struct {
	cli  setup.CLI
	note string
}

func (d Deps) pin(ctx context.Context, version string) (setup.CLI, string, error) {
	p, err := kept(d.Keep, func() (pin, error) {
		cli, note, err := d.Pin(ctx, version)
		return pin{cli, note}, err
	}, "pin", version)
	return p.cli, p.note, err
}
