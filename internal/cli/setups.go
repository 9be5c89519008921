package cli

import (
	"cmp"
	"context"
	"fmt"
	"maps"

	"github.com/spf13/cobra"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/rotation"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/setupfile"
	"github.com/astro-ci/astro-ci/internal/steps"
	"github.com/astro-ci/astro-ci/internal/ui"
)

// note keeps a setup in astro-ci.yaml. A Deployment API key is not kept there: nothing can make it again; nor
// what renews another setup, whose entry says it.
func (w *world) note(p setup.Plan) engine.Note {
	if w.applies || p.Credential.Kind == setup.DeploymentKey || p.Job.Scheduled() {
		return engine.Note{}
	}
	return engine.Note{Path: setupfile.Name, Edit: func(raw []byte) ([]byte, error) {
		return setupfile.Set(raw, p.Name, steps.Answers(p), remarks(p), w.steps)
	}}
}

// noteTargets are the actions that keep the places of a setup's secret in its entry of astro-ci.yaml, where it has one
// here that says something else.
func (w *world) noteTargets(p setup.Plan) ([]engine.Action, error) {
	f, err := w.setupFile()
	answers, ok := f.Answers(p.Name)
	also := steps.Answers(p)["also"]
	if err != nil || !ok || w.repos[p.Platform] != p.Repository || answers["also"] == also {
		return nil, err
	}
	delete(answers, "name")
	answers["also"] = also
	return []engine.Action{{Key: "note:write", Say: "Note the places of the secret in " + setupfile.Name, Do: func(context.Context) (string, error) {
		c, err := w.files.Amend(setupfile.Name, func(raw []byte) ([]byte, error) {
			return setupfile.Set(raw, p.Name, answers, remarks(p), w.steps)
		})
		return c.Summary(), err
	}}}, nil
}

// noteNow does what noteTargets says.
func (w *world) noteNow(ctx context.Context, p setup.Plan, show func(engine.Event)) error {
	note, err := w.noteTargets(p)
	if err != nil {
		return err
	}
	return engine.Tell(engine.NewRun(note).Go(ctx), show)
}

// remarks are the names of what the ids in astro-ci.yaml mean.
func remarks(p setup.Plan) map[string]display.Text {
	return map[string]display.Text{"organization": p.Organization.Name, "workspace": p.Workspace.Name, "deployment": p.Deployment.Name}
}

// setupFile reads astro-ci.yaml of the repository that one stands in; none is an empty one.
func (w *world) setupFile() (setupfile.File, error) { return w.readSetups(setupfile.Parse) }

// setupsApart is setupFile where one faulty entry says nothing of the others.
func (w *world) setupsApart() (setupfile.File, error) { return w.readSetups(setupfile.Apart) }

func (w *world) readSetups(read func([]byte, []flow.Step) (setupfile.File, error)) (setupfile.File, error) {
	found, err := w.files.Find([]string{setupfile.Name})
	if err != nil || len(found) == 0 {
		return setupfile.File{}, err
	}
	return read(found[0].Content, w.steps)
}

// answers are those of a setup that the repository's file has, or else this computer's journal.
func (w *world) answers(name string) (map[string]string, error) {
	f, err := w.setupsApart()
	if err = cmp.Or(err, f.Err(name)); err != nil {
		return nil, err
	}
	if a, ok := f.Answers(name); ok {
		return a, nil
	}
	s, err := w.app.setupOf(name)
	if err != nil {
		return nil, err
	}
	return steps.Answers(s.Setup()), nil
}

// fill makes a plan of the answers of a setup, without asking anybody. keep may be nil.
func (w *world) fill(ctx context.Context, answers map[string]string, keep *steps.Kept) (setup.Plan, error) {
	d := w.deps
	d.Keep, d.LoginGiven = keep, true // a file holds no secret; who writes one asks for it
	given := maps.Clone(answers)
	if given["legacy-key"] == "" {
		given["legacy-key"] = "keep" // a file says what there is; what became of an old key was said once
	}
	walk := flow.NewWalk(setup.Plan{ReplaceEdits: w.app.setup.replaceEdits, SelfRotation: setup.SelfRotation{Login: w.platformLogin}}, steps.SetUp(d), given)
	err := flow.Fill(ctx, walk)
	return walk.Plan(), err
}

// planFor is the plan of a setup: as its journal has it, or as astro-ci.yaml says. The state is that of its
// journal.
func (w *world) planFor(ctx context.Context, name string) (p setup.Plan, s rotation.State, err error) {
	dir, err := w.app.journalDir()
	if err != nil {
		return p, s, err
	}
	if s, err = read(dir, name); err != nil {
		return p, s, err
	}
	if s.Active() || s.Last != "" {
		return s.Setup(), s, nil
	}
	f, err := w.setupsApart()
	if err != nil {
		return p, s, err
	}
	p, ok, err := w.entry(ctx, f, name)
	if err == nil && !ok {
		err = usageError{hint.New(fmt.Sprintf("there is no setup %q: no journal on this computer, and no entry in %s", display.Clean(name), setupfile.Name), "astro-ci status lists those that there are.", setupfile.Docs)}
	}
	return p, s, err
}

// entry is the plan of a setup that astro-ci.yaml has an entry for, or of the one that renews such a setup.
func (w *world) entry(ctx context.Context, f setupfile.File, name string) (p setup.Plan, known bool, err error) {
	answers, own := f.Answers(name)
	if !own {
		if answers, known = renews(f, name); !known {
			return p, false, nil
		}
	}
	if err = f.Err(answers["name"]); err == nil {
		p, err = w.fill(ctx, answers, nil)
	}
	if err != nil || own {
		return p, true, err
	}
	return engine.Renewal(p, w.platformAt(p.Platform)), true, nil
}

func (a *app) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of astro-ci.yaml, for editors", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := ui.Verbatim(a.out).Write(schema())
			return err
		},
	}
}

func schema() []byte {
	return setupfile.Schema(steps.SetUp(steps.Deps{}), platformIDs())
}
