// Package cli is the command line: it reads arguments and environment, builds everything by plain
// constructor calls, picks the front end, and maps errors to exit codes.
//
// Results go to stdout, everything else to stderr.
package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/journal"
	"github.com/astro-ci/astro-ci/internal/rotation"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/steps"
	"github.com/astro-ci/astro-ci/internal/terminal"
	"github.com/astro-ci/astro-ci/internal/ui/report"
	"github.com/astro-ci/astro-ci/internal/version"
)

// app is one run of the program.
type app struct {
	globals
	setup    setupFlags
	env      environment
	in       io.Reader
	file     *os.File  // the same, as the operating system knows it
	out, err io.Writer // both redacted
	tty      bool      // stdin and stdout are a terminal
	rawOut   io.Writer // the terminal itself, for the wizard
	redactor secret.Redactor
	keyring  func() astro.Keyring
	journal  journal.Options
	quiet    time.Duration                             // see rotation.Quiet
	around   func(http.RoundTripper) http.RoundTripper // stands before the network; nil for nothing
	hosts    httpx.Hosts
	footer   *footer // of err
	pauses   pauses
	names    names
	inWizard atomic.Bool
}

// Main runs the program and returns its exit code.
func Main(args []string, in *os.File, out, errw *os.File, environ []string) int {
	if terminal.Guard(environ) {
		return 0
	}
	return newApp(in, out, environ).run(args, out, errw)
}

func newApp(in *os.File, out io.Writer, environ []string) *app {
	a := &app{env: takeOver(environ), in: in, rawOut: out, file: in, quiet: rotation.Quiet}
	a.keyring = a.systemKeyring
	return a
}

func (a *app) run(args []string, out, errw *os.File) int {
	in := a.file
	a.tty = term.IsTerminal(int(in.Fd())) && term.IsTerminal(int(out.Fd()))
	if a.tty && a.env.get("GOGC") == "" {
		debug.SetGCPercent(25) // what waits for a person needs little memory rather than speed
	}
	stdout, stderr := a.redactor.Writer(out), a.redactor.Writer(errw)
	defer func() { _, _ = stdout.Close(), stderr.Close() }()
	a.footer = &footer{to: commands{stderr, a, false}}
	a.out, a.err = commands{stdout, a, true}, a.footer
	if a.tty {
		a.out = commands{above{a.footer, stdout}, a, true}
	}
	if in := a.env.get("ASTRO_API_TOKEN"); in != "" {
		a.redactor.Add(secret.New([]byte(in)))
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	cmd := a.root()
	if len(args) > 0 && strings.HasPrefix(args[0], cobra.ShellCompRequestCmd) {
		a.completes(cmd, a.finishes())
	}
	cmd.SetArgs(args)
	cmd.SetIn(in)
	cmd.SetOut(a.out)
	cmd.SetErr(a.err)
	err := cmd.ExecuteContext(ctx)
	a.names.save()
	if err != nil && !errors.Is(err, errShown) {
		if a.json != "" {
			_ = report.ErrorJSON(a.out, err)
		}
		report.Error(a.err, err)
	}
	return exitCode(err)
}

// errShown marks an error that was shown already.
var errShown = errors.New("shown")

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "astro-ci",
		Short: "Give a CI system the right credential for Astro",
		Long: "astro-ci creates an Astro API token with the least rights and an expiry, stores it as an encrypted\n" +
			"secret of your CI platform, writes the pipeline file that uses it, and proves that it works.\n\n" +
			"Try everything without an account: astro-ci --sandbox",
		Args:          noArgs,
		SilenceErrors: true, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.begin(cmd.Context()) },
	}
	a.register(root.PersistentFlags())
	root.SetFlagErrorFunc(wrongFlag)
	set := &cobra.Command{
		Use:   "setup",
		Short: "Create a token, store it, write the pipeline file",
		Long: "Asks what it cannot find out. Every question has a flag and an environment variable, shown in brackets;\n" +
			"with every answer given nothing is asked.",
		Example: "  astro-ci --sandbox setup\n" +
			"  astro-ci setup --no-input --yes --credential deployment-token --workspace 'Data Platform' \\\n" +
			"    --deployment etl-prod --role DEPLOYMENT_ADMIN --platform github --repo acme/etl",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runSetup(cmd.Context()) },
	}
	a.setup.register(set.Flags(), steps.SetUp(steps.Deps{}), platformIDs())
	a.explains(root)
	set.SetUsageFunc(func(c *cobra.Command) error { return a.usage(c, setupGroups) })
	group := func(id, title string, commands ...*cobra.Command) {
		root.AddGroup(&cobra.Group{ID: id, Title: title})
		for _, c := range commands {
			c.GroupID = id
			root.AddCommand(c)
		}
	}
	group("make", "Set up", set, a.applyCommand(), a.removeCommand())
	group("keep", "Keep it right", a.rotateCommands()...)
	group("look", "Look", a.statusCommand(), a.verifyCommand(), a.doctorCommand(), a.runCommand(), a.tokenCommand())
	group("login", "The log-in to Astro", a.loginCommands()...)
	group("files", "Pipeline files", a.renderCommand(), a.checkCommand())
	group("more", "More", a.sandboxCommand(), a.schemaCommand(), a.completionCommand(), a.versionCommand(), a.helpCommand())
	root.AddCommand(a.topics()...)
	root.AddCommand(a.manCommand())
	root.CompletionOptions.DisableDefaultCmd = true
	return root
}

// wrongUse is what a command cannot be called with.
func wrongUse(cmd *cobra.Command, what string) error {
	return usageError{hint.New(what, "See what there is: "+cmd.CommandPath()+" --help", "")}
}

// takes says what the flags of a type take.
var takes = map[string]string{"bool": "Give true or false.", "int": "Give a whole number.", "duration": "Give a time like 90m or 6h."}

// span is a flag for a time that passes: none is below zero.
type span struct{ *time.Duration }

// Set takes a time like 90m.
func (s span) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err == nil && d < 0 {
		err = errors.New("it is below zero")
	}
	if err == nil {
		*s.Duration = d
	}
	return err
}

// Type is the name of what it takes.
func (span) Type() string { return "duration" }

// wrongFlag is a flag that is not there, or has a value that it does not take.
func wrongFlag(cmd *cobra.Command, err error) error {
	bad, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return wrongUse(cmd, err.Error())
	}
	f := bad.GetFlag()
	kind := f.Value.Type()
	next := takes[kind]
	if strings.Contains(kind, "|") {
		next = "Give one of: " + strings.ReplaceAll(kind, "|", ", ") + "."
	}
	return usageError{hint.New(fmt.Sprintf("--%s does not take %q", f.Name, display.Clean(bad.GetValue())), cmp.Or(next, "See what there is: "+cmd.CommandPath()+" --help"), "")}
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		what := fmt.Sprintf("%q is not a command of %s", display.Clean(args[0]), cmd.CommandPath())
		cmd.SuggestionsMinimumDistance = 2
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			return usageError{hint.New(what, "Did you mean: "+cmd.CommandPath()+" "+inText(near), "")}
		}
		return wrongUse(cmd, what)
	}
	return nil
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := io.WriteString(a.out, version.Line(release()))
			return err
		},
	}
}

// release is the version of this program: its number, or what Go knows of a build without one.
func release() string {
	if info, ok := debug.ReadBuildInfo(); ok && version.Number == "dev" && info.Main.Version != "" {
		return info.Main.Version
	}
	return version.Number
}

// The front ends.
type frontEnd int

const (
	flagsOnly frontEnd = iota
	lineMode
	wizard
)

// frontEnd picks how to ask: the wizard on a real terminal, numbered questions where a person wants
// them or the terminal can do no more, nothing where nobody can answer.
func (a *app) frontEnd() frontEnd {
	switch dumb := a.env.get("TERM") == "" || a.env.get("TERM") == "dumb"; {
	case a.noInput || a.json != "" || a.dryRun && !a.tty:
		return flagsOnly
	case a.plain || a.env.get("ACCESSIBLE") != "":
		return lineMode
	case !a.tty || a.env.get("CI") != "":
		return flagsOnly
	case dumb:
		return lineMode
	}
	return wizard
}

// width is how long a line of a table may be, in cells: as long as the terminal's, within reason.
func (a *app) width() int {
	const usual, most = 80, 110
	if w := a.cells(); w > 0 {
		return min(w, most)
	}
	return usual
}

// cells is how many cells a line of the terminal has; 0 where the output is none.
func (a *app) cells() int {
	if f, ok := a.rawOut.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil {
			return max(0, w)
		}
	}
	return 0
}

func (a *app) fullScreen() bool { return a.frontEnd() == wizard }
