// Package steps holds the questions of the set-up, one file each. A question loads its choices,
// checks an answer's syntax and writes the answer into the plan; it never shows anything.
package steps

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Astro is what the questions ask of Astro.
type Astro interface {
	Organizations(ctx context.Context) (astro.Page[astro.Organization], error)
	Organization(ctx context.Context, id string) (astro.Organization, error)
	Workspaces(ctx context.Context, organization string) (astro.Page[astro.Workspace], error)
	Deployments(ctx context.Context, organization, workspace string) (astro.Page[astro.Deployment], error)
	Roles(ctx context.Context, organization string) ([]astro.Role, error)
	Rights(ctx context.Context, roles []astro.Role) (astro.Rights, error)
}

// Deps are what the questions need to know.
type Deps struct {
	Astro     Astro
	Platforms []Platform
	// Open makes a platform ready, which takes a log-in; it is asked once for each platform. Opened is
	// one that is ready, or nil.
	Open   func(ctx context.Context, id string) (providers.Platform, error)
	Opened func(id string) providers.Platform
	// Store makes the store of a target ready; Backends are the ids of the secrets backends for which a
	// log-in seems to be there.
	Store    func(ctx context.Context, p setup.Plan, id string) (providers.Store, error)
	Backends []string
	// Stores are the ids of all stores that there are; nil: it is not known.
	Stores []string
	// CheckTarget refuses, without a request, a target that its store does not take; nil: it is not known.
	CheckTarget func(setup.Target) error
	// Repos are the repository that one stands in, as each platform would call it, by the platform's id.
	// Platform is the id of the one that it seems to belong to, or "".
	Repos    map[string]setup.Repository
	Platform string
	// Branch is the default branch as the clone knows it, or the present one; "" when neither is known.
	Branch string
	// Free turns the usual path of a pipeline file into one that nobody holds; where setups can share a
	// file, one that another setup has is free.
	Free func(path, setup string, shared bool) string
	// Files reads the pipeline files of the repository that one stands in, as far as they fit the
	// patterns.
	Files func(globs []string) ([]pipeline.Found, error)
	// Projects are the folders of the repository that hold an Astro project, "." for its root; Here is
	// the one that one stands in, whether it holds one or not.
	Projects func() []string
	Here     string
	// KeyGiven says that a Deployment API key was given beforehand: it is not asked for.
	KeyGiven bool
	// LoginGiven says the same of the log-in by which scheduled runs write secrets.
	LoginGiven bool
	// Like is the setup that is repeated, as its name and the Workspace that it is for; "" when none is.
	Like, LikeIn string
	// Made are the setups that there are, by the ids of the Workspaces that they are for.
	Made map[string][]string
	// Taken reports whether a setup of this name is there, for another repository or on another platform than the
	// plan's; nil: none is.
	Taken func(name string, p setup.Plan) bool
	// Shadows reports whether a setup of the same repository has a secret of the target's name elsewhere on the
	// platform, so that a run may read one for the other; nil: none has.
	Shadows func(p setup.Plan, t setup.Target) bool
	// Live is told about every secret that is typed.
	Live func(*secret.Value)
	// Keep holds what was loaded for set-ups that are prepared side by side; nil: everything is asked anew.
	Keep *Kept
	// Pin finds the Astro CLI release to install; version "" means the newest.
	Pin func(ctx context.Context, version string) (cli setup.CLI, note string, err error)
	// Program finds the release of astro-ci itself that scheduled runs install; version "" means this one.
	Program func(ctx context.Context, version string) (program setup.CLI, note string, err error)
}

// Platform is a CI platform that can be chosen.
type Platform struct {
	ID, Name string
	Globs    []string // the paths of its pipeline files
}

// SetUp lists the questions of a set-up in the order they are asked.
func SetUp(d Deps) []flow.Step {
	if d.Keep != nil {
		d.Astro = keptAstro{d.Astro, d.Keep}
	}
	return slices.Concat([]flow.Step{
		organization(d), job(d), credential(), workspace(d), deployment(d), role(d), expiry(), days(), keyID(d), keySecret(d),
		platform(d), repo(d), target(d), environment(d), legacyKey(d),
		projectFolder(d), deploy(), branch(d), name(d), secretName(d),
	}, readBy(d), []flow.Step{also(d), file(d), deliver(d), cli(d)}, renewing(d))
}

// check refuses the first of the targets that its store does not take.
func (d Deps) check(all ...setup.Target) error {
	if d.CheckTarget == nil {
		return nil
	}
	for _, t := range all {
		if err := d.CheckTarget(t); err != nil {
			return err
		}
	}
	return nil
}

// env is the environment variable that answers a question.
func env(flag string) string {
	return "ASTRO_CI_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// words are answers as texts.
func words[T ~string](all ...T) (out []string) {
	for _, x := range all {
		out = append(out, string(x))
	}
	return out
}

func text(format string, args ...any) display.Text {
	return display.Clean(fmt.Sprintf(format, args...))
}

// platformOf is the provider that the plan names; the question for the repository has opened it.
func (d Deps) platformOf(p setup.Plan) (providers.Platform, error) {
	if x := d.Opened(p.Platform); x != nil {
		return x, nil
	}
	return nil, fmt.Errorf("platform %q is not known", p.Platform)
}

// choices turns a page of a list into choices, and the way to the next page with it.
func choices[T any](page astro.Page[T], choice func(T) flow.Choice) flow.Choices {
	cs := flow.Choices{Anew: page.Anew}
	for _, x := range page.Items {
		cs.Items = append(cs.Items, choice(x))
	}
	if page.Next != nil {
		cs.More = func(ctx context.Context) (flow.Choices, error) {
			next, err := page.Next(ctx)
			return choices(next, choice), err
		}
	}
	return cs
}

// found are the pipeline files of the repository one stands in, for all platforms. They only help
// to propose answers, so a file that cannot be read is passed over.
func (d Deps) found() []pipeline.Found {
	files, _ := kept(d.Keep, func() ([]pipeline.Found, error) {
		var globs []string
		for _, p := range d.Platforms {
			globs = append(globs, p.Globs...)
		}
		return d.Files(globs)
	}, "files")
	return files
}

// commands and named are what the pipeline files run of the Astro CLI, and the ids that stand in them.
func (d Deps) commands() []pipeline.Command {
	all, _ := kept(d.Keep, func() ([]pipeline.Command, error) { return pipeline.Commands(d.found()), nil }, "commands")
	return all
}

func (d Deps) named() []string {
	ids, _ := kept(d.Keep, func() ([]string, error) { return pipeline.IDs(d.found()), nil }, "ids")
	return ids
}
