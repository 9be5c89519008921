package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/handover"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/all"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/steps"
	"github.com/astro-ci/astro-ci/internal/ui"
)

const docsHandOver = "https://github.com/astro-ci/astro-ci/blob/main/docs/hand-over.md"

// handedOver is what --json prints of a hand-over.
type handedOver struct {
	Setup  string   `json:"setup"`
	Folder string   `json:"folder"`
	Files  []string `json:"files"`
	Unseen []string `json:"unseen,omitempty"`
}

// handed says what was written for somebody else.
func (a *app) handed(files []string) {
	for _, f := range files {
		_, _ = fmt.Fprintln(a.out, f)
	}
	_, _ = fmt.Fprintf(a.err, "Nothing else was made. Give the folder to somebody who has the rights; %s says which, and there is no secret in it.\n", handover.Name)
}

// failures are of questions whose choices could not be looked up, by the ids of the questions. Several may be
// asked at the same time.
type failures struct {
	mu   sync.Mutex
	byID map[string]error
}

func (f *failures) add(id string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.byID == nil {
		f.byID = map[string]error{}
	}
	f.byID[id] = err
}

// unseen collects what could not be looked up, and of what it was to be the answer.
type unseen struct {
	why  []string
	what map[string][]string // by why
}

func (u *unseen) add(what string, err error) {
	why := reason(err)
	if u.what == nil {
		u.what = map[string][]string{}
	}
	if !slices.Contains(u.why, why) {
		u.why = append(u.why, why)
	}
	if !slices.Contains(u.what[why], what) {
		u.what[why] = append(u.what[why], what)
	}
}

func (u *unseen) sentences() (out []string) {
	for _, why := range u.why {
		out = append(out, strings.Join(u.what[why], ", ")+": "+why)
	}
	return out
}

// reason says why something was not seen, in words that hold nothing of a person's own: no path, no name.
func reason(err error) string {
	switch {
	case errors.Is(err, astro.ErrNoLogin):
		return "there was no log-in to Astro"
	case errors.Is(err, providers.ErrNoLogin):
		if h := hint.Innermost(err); h != nil {
			if to, ok := strings.CutPrefix(h.Doing, "look for a log-in to "); ok {
				return "there was no log-in to " + display.Clean(to).String()
			}
		}
		return "there was no log-in"
	}
	out := display.Clean(hint.Of(err).Doing).String()
	if s := httpx.Status(err); s != 0 {
		out += fmt.Sprintf(" (%d %s)", s, http.StatusText(s))
	}
	return out
}

// handOver writes down what has to be done, for somebody who has the rights.
func (a *app) handOver(ctx context.Context) (err error) {
	if a.dryRun {
		return usageError{hint.New("--hand-over makes nothing but its own files", "Leave --dry-run out; --hand-over - prints them.", docsHandOver)}
	}
	w, err := a.lookAround(ctx, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	if err := flow.Fill(ctx, w.walk); err != nil {
		return err
	}
	s, err := w.subject(ctx, w.walk.Plan())
	if err != nil {
		return err
	}
	if a.setup.handOver == "-" {
		if a.json != "" {
			return usageError{hint.New("--hand-over - prints a text", "Give a folder with --json.", docsHandOver)}
		}
		_, err := ui.Verbatim(a.out).Write(s.Text())
		return err
	}
	files, err := a.writePack(s, a.setup.handOver)
	if err != nil {
		return err
	}
	if a.json != "" {
		out := handedOver{Setup: s.Plan.Name, Folder: a.setup.handOver, Unseen: s.Unseen}
		for _, f := range s.Files() {
			out.Files = append(out.Files, f.Path)
		}
		return json.NewEncoder(a.out).Encode(out)
	}
	a.handed(files)
	return nil
}

// subject is the plan with everything that somebody else has to know about it.
func (w *world) subject(ctx context.Context, p setup.Plan) (s handover.Subject, err error) {
	if p.Credential.Kind == setup.DeploymentKey {
		return s, usageError{hint.New("a Deployment API key cannot be handed over: only who has it can store it", "Choose a token with --credential.", docsHandOver)}
	}
	if err := p.Validate(); err != nil {
		return s, usageError{hint.Wrap(err, "check the answers", "Where Astro could not be asked, give ids instead of names: they stand in the address of a Deployment's page, below its Workspace's.", docsHandOver)}
	}
	platform, err := w.open(ctx, p.Platform)
	if err != nil {
		return s, err
	}
	web := astro.Web("")
	if w.astro != nil {
		web = astro.Web(w.login.Base.Host)
	}
	s = handover.Subject{Plan: p, Platform: platform.Info(), Astro: astro.Manual(p, web)}
	n := w.note(p)
	s.Setups.Path = n.Path
	if s.Setups.Content, err = n.Edit(nil); err != nil {
		return s, err
	}
	if !p.Pipeline.Own {
		f, err := platform.Pipeline(p)
		if err != nil {
			return s, err
		}
		// Between its marker lines: astro-ci knows it again when it was committed by hand.
		c, err := pipeline.Merge(f, nil, false, p.Name, false)
		if err != nil {
			return s, err
		}
		s.Pipeline, s.Runs = handover.File{Path: f.Path, Content: c.After}, platform.Runs(p.Repository, f.Path)
	}
	grant, say, err := engine.Grant(platform, p)
	if err != nil {
		return s, err
	}
	s.Grant = handover.File{Path: grant.Path, Content: grant.Content, Say: say}
	if x, ok := platform.(providers.Scheduler); ok && p.SelfRotation.Every.Rotates() {
		needs := x.Scheduled()
		s.Renewal = &needs
	}
	for _, t := range p.Targets {
		x := handover.Place{Target: t}
		var guide providers.Guide
		if x.Store, guide = all.Store(t.Store); guide != nil {
			x.Manual = guide.Manual(p, t)
		}
		s.Places = append(s.Places, x)
	}
	s.Unseen = w.whatIsUnseen(ctx, p)
	return s, ctx.Err()
}

// denied reports whether a check failed because the person may not do something.
func denied(check string, err error) bool {
	switch {
	case slices.ContainsFunc([]string{"check:file", "check:policy", "check:note", "check:age:", "check:sops:", "check:keyring:", "check:renewal:login"}, func(own string) bool { return strings.HasPrefix(check, own) }):
		return false // that is a matter of this computer, or of what was typed
	case exitCode(err) == exitLogin, httpx.Status(err) == http.StatusNotFound:
		return true
	}
	h := hint.Innermost(err)
	return h != nil && h.Err == nil // it was seen, and not met as an error
}

// orHandOver adds to an error about a missing right that somebody else can do the set-up. Who is asked has a key
// for it.
func orHandOver(err error) error {
	return hint.And(err, "Or hand it over to somebody who may: astro-ci setup --hand-over FOLDER, with the same answers as flags.")
}

// handOverAnswers writes down for somebody else what a person has answered, into a new folder, and returns the
// paths of the files.
func (w *world) handOverAnswers(ctx context.Context, p setup.Plan) ([]string, error) {
	s, err := w.subject(ctx, p)
	if err != nil {
		return nil, err
	}
	return w.app.writePack(s, handOverFolder(p))
}

func handOverFolder(p setup.Plan) string { return "astro-ci-" + p.Name }

// handOverCommand is the command that hands over a plan, for a shell.
func (w *world) handOverCommand(p setup.Plan) string {
	answers, out := steps.Answers(p), "astro-ci setup --hand-over "+handOverFolder(p)
	for _, s := range w.steps {
		if v := answers[s.ID]; v != "" {
			out += " --" + s.Flag + " " + providers.ShellWord(v)
		}
	}
	return out
}

// whatIsUnseen are the questions of which something could not be looked up, in their order, and what the
// log-ins that there are may not do.
func (w *world) whatIsUnseen(ctx context.Context, p setup.Plan) []string {
	var out unseen
	for _, s := range w.walk.Steps() {
		if err := w.failures.byID[s.ID]; err != nil && w.walk.Applies(s) {
			out.add(s.Name, err)
		}
	}
	const token = "The right to make the token"
	if w.astro == nil {
		out.add(token, w.noLogin)
	} else if _, err := w.astro.CheckCreate(ctx, p); err != nil {
		out.add(token, err)
	}
	for _, t := range p.Targets {
		store, err := w.store(ctx, p, t.Store)
		if err == nil {
			_, err = store.Check(ctx, t)
		}
		if err != nil {
			out.add("The right to write "+t.String(), err)
		}
	}
	return out.sentences()
}

// writePack writes the files of a hand-over, and returns their paths. A folder that holds anything but an
// earlier one is refused.
func (a *app) writePack(s handover.Subject, dir string) ([]string, error) {
	doing := "write the hand-over to " + display.Clean(dir).String()
	fail := func(err error) ([]string, error) {
		return nil, hint.Wrap(err, doing, "Give a folder that can be written, or - for one text.", docsHandOver)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // it is made to be read by others
		return fail(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fail(err)
	}
	defer func() { _ = root.Close() }()
	there, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return fail(err)
	}
	if page, err := root.ReadFile(handover.Name); len(there) > 0 && (err != nil || !strings.HasPrefix(string(page), handover.Title)) {
		return nil, usageError{hint.New(doing+": the folder holds something else", "Give a new or an empty folder.", docsHandOver)}
	}
	var out []string
	for _, f := range s.Files() {
		if err := root.MkdirAll(path.Dir(f.Path), 0o755); err != nil {
			return fail(err)
		}
		if err := root.WriteFile(f.Path, a.redactor.Clean(f.Content), 0o644); err != nil {
			return fail(err)
		}
		out = append(out, filepath.Join(dir, filepath.FromSlash(f.Path)))
	}
	return out, nil
}

// noAstro stands for Astro where there is no log-in: the reason answers every question.
type noAstro struct{ error }

func (n noAstro) Organizations(context.Context) (p astro.Page[astro.Organization], err error) {
	return p, n.error
}

func (n noAstro) Organization(context.Context, string) (o astro.Organization, err error) {
	return o, n.error
}

func (n noAstro) Workspaces(context.Context, string) (p astro.Page[astro.Workspace], err error) {
	return p, n.error
}

func (n noAstro) Deployments(context.Context, string, string) (p astro.Page[astro.Deployment], err error) {
	return p, n.error
}

func (n noAstro) Roles(context.Context, string) ([]astro.Role, error) { return nil, n.error }

func (n noAstro) Rights(context.Context, []astro.Role) (r astro.Rights, err error) { return r, n.error }
