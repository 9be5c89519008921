package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// runFlags are the flags of the run command.
type runFlags struct {
	platform, repo, branch, file, name, token string
	at                                        place
	every, timeout                            time.Duration
}

// runReport is what the run command prints as JSON.
type runReport struct {
	ID    string `json:"id"`
	Link  string `json:"link"`
	State string `json:"state"`
	Says  string `json:"says,omitempty"`
	Step  string `json:"failedStep,omitempty"`
	// Proof is "run" when the run passed and Astro itself saw the token used since it began; else null.
	Proof    *providers.Proof `json:"proof"`
	Token    string           `json:"token,omitempty"`
	LastUsed *time.Time       `json:"lastUsedAt"`
}

func (a *app) runCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use: "run [SETUP]", Short: "Start the pipeline, watch it, and ask Astro whether the token was used",
		Long: "Starts the pipeline of a setup, follows it, and shows the last lines of a step that failed. When it has\n" +
			"passed, Astro is asked when the setup's token was last used: that is the proof that the secret works. The\n" +
			"pipeline file has to be pushed first. The setup is named where the repository has several.",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return wrongUse(c, c.CommandPath()+" takes one setup")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				f.name = args[0]
			}
			return a.start(c.Context(), f)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.platform, "platform", "", "the CI platform; the one of the repository when it is not given")
	fl.StringVar(&f.repo, "repo", "", "the repository; the one that one stands in when it is not given")
	fl.StringVar(&f.branch, "branch", "", "the branch; that of the setup when it is not given")
	fl.StringVar(&f.file, "pipeline-file", "", "the pipeline file; the one that astro-ci wrote when it is not given")
	fl.StringVar(&f.token, "token", "", "id of the token on Astro; the newest one of the setup when it is not given")
	fl.StringVar(&f.at.organization, "organization", "", "Organization, by name or id [ASTRO_CI_ORGANIZATION]")
	f.timeout = 45 * time.Minute
	fl.Var(span{&f.every}, "every", "how often to look (5s; 1s in the sandbox)")
	fl.Var(span{&f.timeout}, "timeout", "how long to watch; the run goes on after that")
	return cmd
}

func (a *app) start(ctx context.Context, f runFlags) (err error) {
	w, err := a.discover(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	of, err := w.answersOf(f)
	if err != nil {
		return err
	}
	id := cmp.Or(f.platform, of["platform"], w.platform)
	if id == "" {
		return usageError{hint.New("the CI platform is not known", "Give it with --platform.", "")}
	}
	p, err := w.open(ctx, id)
	if err != nil {
		return err
	}
	repo := w.repos[id]
	if own, err := p.ParseRepo(of["repo"]); err == nil {
		repo = own
	}
	if f.repo != "" {
		if repo, err = p.ParseRepo(f.repo); err != nil {
			return usageError{err}
		}
	}
	if f.file, f.name, err = w.ours(p, f); err != nil {
		return err
	}
	if of, err = w.answersOf(f); err != nil {
		return err
	}
	if f.branch = cmp.Or(f.branch, of["branch"]); f.branch == "" {
		r, err := p.Repo(ctx, repo)
		if err != nil {
			return err
		}
		f.branch = cmp.Or(r.DefaultBranch, w.branch())
	}
	token, err := w.tokenOf(ctx, f)
	if err != nil {
		return err
	}
	out := runReport{Token: token.ID}
	ref, err := p.Start(ctx, repo, f.file, f.branch)
	if err != nil {
		return err
	}
	out.ID, out.Link = ref.ID, ref.Link
	a.tell("Started %s on %s: %s", f.file, f.branch, ref.Link)
	state, err := a.watch(ctx, p, repo, ref, f)
	if err != nil {
		return err
	}
	out.State, out.Says = string(state.Phase), state.Says.String()
	if state.Phase != providers.RunPassed {
		step, last, err := p.Failure(ctx, repo, ref.ID, 15)
		if err != nil {
			a.tell("The log could not be read: %v", err)
		}
		out.Step = step.String()
		for _, l := range last {
			a.tell("  | %s", l)
		}
		how := fmt.Sprintf("the run ended with %q", state.Says)
		if !step.IsZero() { // it may have ended before its first step, or the platform tells none
			how += fmt.Sprintf(", in the step %q", step)
		}
		failed := hint.New(how, "Read the whole log, mend what it says, then run this again.", ref.Link)
		if a.json != "" {
			return errors.Join(a.reported(out), errShown, failed)
		}
		return failed
	}
	return a.prove(ctx, w, token, out)
}

// answersOf are what the setup that is run says of its platform, its repository and its branch; none where it is not
// known here, or is asked for elsewhere.
func (w *world) answersOf(f runFlags) (map[string]string, error) {
	if f.name == "" {
		return nil, nil
	}
	of, err := w.answers(f.name)
	var unknown usageError
	if errors.As(err, &unknown) || f.platform != "" && f.platform != of["platform"] {
		return nil, nil
	}
	return of, err
}

// watch looks at the run until it is over, and says what changed.
func (a *app) watch(ctx context.Context, r providers.Runner, repo setup.Repository, ref providers.RunRef, f runFlags) (providers.RunState, error) {
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	if f.every <= 0 {
		f.every = 5 * time.Second
		if a.sandbox {
			f.every = time.Second
		}
	}
	tick := time.NewTicker(f.every)
	defer tick.Stop()
	var last providers.RunState
	begin := time.Now()
	for {
		state, err := r.Look(ctx, repo, ref.ID)
		switch {
		case errors.Is(ctx.Err(), context.DeadlineExceeded):
			return last, hint.New("the run is not over after "+f.timeout.String(), "It goes on. Look at it there, or watch longer with --timeout.", ref.Link)
		case err != nil:
			return last, err
		case state != last:
			says := string(state.Phase)
			if own := state.Says.String(); own != "" && own != says {
				says += ", " + own
			}
			a.tell("%4.0f s  %s", time.Since(begin).Seconds(), says)
			last = state
		}
		if state.Phase.Over() {
			return state, nil
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
		if ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return last, ctx.Err()
		}
	}
}

// prove asks Astro whether the token was used since the run began: later than it was before.
func (a *app) prove(ctx context.Context, w *world, token usedToken, out runReport) error {
	if token.ID == "" {
		a.tell("The run passed. Which token it used is not known here; give it with --token to have Astro asked.")
		return a.reported(out)
	}
	now, err := w.astro.Token(ctx, token.organization, token.ID)
	if err != nil {
		return err
	}
	if !now.LastUsedAt.IsZero() {
		out.LastUsed = &now.LastUsedAt
	}
	if !now.LastUsedAt.After(token.LastUsedAt) {
		a.tell("The run passed, but Astro has not seen the token %s since it began. It may have had nothing to deploy, or it used another token.", token.ID)
		return a.reported(out)
	}
	proof := providers.Run
	out.Proof = &proof
	a.tell("The run passed, and Astro saw the token %s at %s.", token.ID, display.Second(now.LastUsedAt))
	return a.reported(out)
}

func (a *app) tell(format string, args ...any) { _, _ = fmt.Fprintf(a.err, format+"\n", args...) }

// reported prints the result where JSON is wanted.
func (a *app) reported(out runReport) error {
	if a.json == "" {
		return nil
	}
	e := json.NewEncoder(a.out)
	e.SetEscapeHTML(false)
	return e.Encode(out)
}

// ours finds the pipeline file, and the setup that it was made for.
func (w *world) ours(p providers.Platform, f runFlags) (path, name string, err error) {
	found, err := w.files.Find(p.PipelineGlobs())
	if err != nil {
		return "", "", err
	}
	var all, others []string
	for _, x := range found {
		for _, s := range pipeline.Setups(x.Content) {
			others = append(others, s)
			if (f.file == "" || x.Path == f.file) && (f.name == "" || s == f.name) {
				path, name = x.Path, s
				all = append(all, map[bool]string{true: x.Path, false: s + " in " + x.Path}[f.name != ""])
			}
		}
	}
	switch {
	case len(all) == 1:
		return path, name, nil
	case len(all) == 0 && f.file != "":
		return f.file, f.name, nil
	case f.name != "" && len(others) > 0:
		return "", "", usageError{hint.New(fmt.Sprintf("there is no pipeline file of a setup %q here", display.Clean(f.name)), "Give one of: "+display.Clean(strings.Join(others, ", ")).String()+".", "")}
	case len(all) == 0:
		return "", "", usageError{hint.New("there is no pipeline file of astro-ci here", "Change into the repository, or give the file with --pipeline-file.", "")}
	}
	if f.name != "" {
		return "", "", usageError{hint.New(f.name+" has several pipeline files here: "+strings.Join(all, ", "), "Say which with --pipeline-file.", "")}
	}
	return "", "", whichSetup(all, "")
}

// usedToken is a token as it was before the run.
type usedToken struct {
	astro.Token
	organization string
}

// tokenOf finds the token that was named, or the newest one of the setup.
func (w *world) tokenOf(ctx context.Context, f runFlags) (t usedToken, err error) {
	if f.token == "" && f.name == "" {
		return t, nil
	}
	page, err := w.astro.Organizations(ctx)
	org, err := pick(ctx, "organization", cmp.Or(f.at.organization, w.app.env.get("ASTRO_CI_ORGANIZATION")), page, err, func(o astro.Organization) (string, display.Text) { return o.ID, o.Name })
	if err != nil {
		return t, err
	}
	t.organization = org
	if f.token != "" {
		t.Token, err = token(ctx, w.astro, org, f.token)
		return t, err
	}
	all, err := w.astro.Tokens(ctx, org, "", "")
	if err != nil {
		return t, err
	}
	for _, x := range all { // the oldest first
		if strings.HasPrefix(x.Description.String(), setup.Setup{Name: f.name}.Marker("")) {
			t.Token = x
		}
	}
	return t, nil
}
