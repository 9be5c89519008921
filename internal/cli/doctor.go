package cli

import (
	"context"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/doctor"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/sops"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/setupfile"
	"github.com/astro-ci/astro-ci/internal/ui/report"
)

func (a *app) doctorCommand() *cobra.Command {
	values := false
	c := &cobra.Command{
		Use: "doctor", Short: "Look whether everything that the setups need is as it should be", Args: noArgs,
		Long: "Looks at the tools of this computer, the log-ins, the rights, the rules of the platforms and of Astro, and at\n" +
			"what has drifted apart between " + setupfile.Name + ", this computer's journals, the stores and Astro. Each row is ok,\n" +
			"stale or unknown, with the reason and what to do. It sends reads only, changes nothing, and looks at no value,\n" +
			"unless --read-values is given.\n\n" +
			"Exit code 6 says that a row is stale.",
		Example: "  astro-ci doctor\n  astro-ci doctor --json",
		RunE:    func(c *cobra.Command, _ []string) error { return a.doctor(c.Context(), values) },
	}
	c.Flags().BoolVar(&values, "read-values", false, "read the secrets where a store shows them, and compare which token they are of; nothing of them is shown")
	return c
}

// doctor looks at everything, and says what it found even where some of it could not be asked.
func (a *app) doctor(ctx context.Context, values bool) (err error) {
	w, err := a.lookAround(ctx, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	x := &examination{w: w, tokens: w.listed(), values: values}
	var rows []doctor.Row
	if x.file, err = w.setupsApart(); err != nil {
		rows = append(rows, doctor.Failed(doctor.Drift, setupfile.Name, err))
	}
	if x.all, err = w.subjects(ctx, x.file, nil); err != nil {
		return err
	}
	x.open(ctx)
	parts := []func(context.Context) []doctor.Row{x.tools, x.astro, x.rights, x.policies, x.organizations, x.drift}
	found := make([][]doctor.Row, len(parts))
	var wg sync.WaitGroup
	for i, part := range parts {
		wg.Go(func() { found[i] = part(ctx) })
	}
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	rows = append(rows, slices.Concat(found...)...)
	for _, l := range x.logins {
		rows = append(rows, l.Row())
	}
	rows = doctor.Sort(rows)
	if a.json != "" {
		if err := report.DoctorJSON(a.out, rows); err != nil {
			return err
		}
	} else {
		report.Doctor(a.out, rows, a.width())
	}
	if doctor.Person(rows) {
		return errors.Join(errShown, errPerson)
	}
	return nil
}

// examination is what doctor looks at.
type examination struct {
	w      *world
	file   setupfile.File
	all    []*subject
	tokens func(ctx context.Context, org string) ([]astro.Token, error)
	logins []*doctor.Login   // one for each of ids
	ids    []string          // of the platforms and secrets backends that are needed
	names  map[string]string // of the platforms, by id
	values bool              // secrets may be read
}

// known are the setups of which there is a plan.
func (x *examination) known() []*subject {
	return slices.DeleteFunc(slices.Clone(x.all), func(s *subject) bool { return s.err != nil })
}

// open finds the log-ins to all platforms and backends that the setups need, or to the platform of this
// repository.
func (x *examination) open(ctx context.Context) {
	plans := map[string]setup.Plan{}
	for _, s := range x.known() {
		for _, id := range append([]string{s.plan.Platform}, stores(s.plan)...) {
			if !slices.Contains(x.ids, id) && id != "" {
				x.ids, plans[id] = append(x.ids, id), s.plan
			}
		}
	}
	if id := x.w.platform; id != "" && !slices.Contains(x.ids, id) {
		x.ids = append(x.ids, id)
	}
	slices.Sort(x.ids)
	x.names = map[string]string{}
	for _, p := range x.w.all() {
		x.names[p.ID] = p.Name
	}
	for _, id := range x.ids {
		l := &doctor.Login{Name: id}
		if name, ok := x.names[id]; ok {
			l.Name = name
			_, l.Missing = x.w.openAt(ctx, id, hostIn(plans[id], id))
		} else if b, err := x.w.backend(ctx, id); err != nil {
			l.Missing = err
		} else {
			l.Name = b.Info().Name
		}
		l.Source = x.w.sources[id]
		x.logins = append(x.logins, l)
	}
}

// hostIn is the host of a platform as a plan has it; "" when the plan is for another platform.
func hostIn(p setup.Plan, platform string) string {
	if p.Platform == platform {
		return p.Repository.Host
	}
	return ""
}

// stores are the ids of the stores of a plan.
func stores(p setup.Plan) (out []string) {
	for _, t := range p.Targets {
		out = append(out, t.Store)
	}
	return out
}

// tools looks for the programs that something here needs.
func (x *examination) tools(ctx context.Context) []doctor.Row {
	var wanted []tool
	if x.w.repo != nil {
		wanted = append(wanted, tool{"git", []string{"--version"}, "what astro-ci writes has to be committed", "Install git: https://git-scm.com/downloads"})
	}
	wanted = append(wanted, tool{"astro", []string{"version"}, "", ""})
	if slices.Contains(x.ids, sops.ID) {
		wanted = append(wanted, tool{"sops", []string{"--disable-version-check", "--version"}, "a target is kept with it", "Install sops, 3.10 or newer: https://getsops.io/docs/"})
	}
	for _, t := range []tool{
		{"gh", []string{"--version"}, "the log-in to GitHub is its own", "Install the GitHub CLI: https://cli.github.com"},
		{"az", []string{"version"}, "a log-in to Azure is its own", "Install the Azure CLI: https://learn.microsoft.com/cli/azure/install-azure-cli"},
	} {
		if slices.ContainsFunc(x.logins, func(l *doctor.Login) bool {
			return slices.Contains(strings.FieldsFunc(l.Source, func(r rune) bool { return strings.ContainsRune(" ,'", r) }), t.name)
		}) {
			wanted = append(wanted, t)
		}
	}
	rows := make([]doctor.Row, len(wanted))
	each(ctx, indexes(wanted), func(i int) {
		p := x.w.app.ask(ctx, wanted[i])
		if rows[i] = doctor.Tool(p); p.Name == "astro" {
			p.Name = "Astro CLI"
			rows[i] = doctor.AstroCLI(p, pipeline.Newest())
		}
	})
	return rows
}

// tool is a program, how it says its version, what needs it, and how it is got.
type tool struct {
	name        string
	args        []string
	needed, get string
}

// ask runs a program for its version.
func (a *app) ask(ctx context.Context, t tool) doctor.Program {
	p := doctor.Program{Name: t.name, Needed: t.needed, Get: t.get}
	path, err := exec.LookPath(t.name)
	if err != nil {
		return p
	}
	p.Found = true
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if out, err := a.program(path, "")(ctx, nil, t.args...); err == nil {
		p.Said = string(out)
	}
	return p
}

// astro looks at the log-in to Astro.
func (x *examination) astro(ctx context.Context) []doctor.Row {
	var who astro.Who
	err := x.w.noLogin
	if err == nil {
		who, err = x.w.astro.WhoAmI(ctx, x.w.login)
	}
	return []doctor.Row{doctor.AstroLogin(who, err, time.Now())}
}

// rights asks whether the tokens of the setups may be made, and their targets be written.
func (x *examination) rights(ctx context.Context) []doctor.Row {
	type right struct {
		subject string
		login   int // index of the log-in; -1 for Astro
		do      func() (providers.Access, error)
		err     error
		who     string
		ends    time.Time
	}
	var all []*right
	for _, s := range x.known() {
		p := s.plan
		if p.Credential.Kind != setup.DeploymentKey && p.Job != setup.RemindOfEnd {
			all = append(all, &right{subject: s.name + ": make a token", login: -1, do: func() (a providers.Access, err error) {
				note, err := "", x.w.noLogin
				if err == nil {
					note, err = x.w.astro.CheckCreate(ctx, p)
				}
				return access(note), err
			}})
		}
		for _, t := range p.Targets {
			all = append(all, &right{subject: s.name + ": " + t.String(), login: slices.Index(x.ids, t.Store), do: func() (providers.Access, error) {
				store, err := x.w.store(ctx, p, t.Store)
				if err != nil {
					return providers.Access{}, err
				}
				return store.Check(ctx, t)
			}})
		}
	}
	if id := x.w.platform; len(all) == 0 && x.w.platformAt(id) != nil {
		r := x.w.repos[id]
		all = append(all, &right{subject: r.String(), login: slices.Index(x.ids, id), do: func() (providers.Access, error) {
			_, err := x.w.platformAt(id).Repo(ctx, r)
			return access("the repository can be read"), err
		}})
	}
	rows := make([]doctor.Row, len(all))
	each(ctx, indexes(all), func(i int) {
		a, err := all[i].do()
		all[i].err, all[i].who, all[i].ends = err, a.Who.String(), a.Ends
		rows[i] = doctor.Right(all[i].subject, a.Note.String(), err)
	})
	for _, r := range all {
		if r.login >= 0 {
			l := x.logins[r.login]
			l.Tried = append(l.Tried, r.err)
			if r.who != "" {
				l.Who = r.who
			}
			if !r.ends.IsZero() {
				l.Ends = r.ends
			}
		}
	}
	return rows
}

func access(note string) providers.Access { return providers.Access{Note: display.Clean(note)} }
