package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/gitrepo"
	"github.com/astro-ci/astro-ci/internal/setupfile"
	"github.com/astro-ci/astro-ci/internal/steps"
)

func (a *app) completionCommand() *cobra.Command {
	shells := map[string]func(*cobra.Command) error{
		"bash":       func(root *cobra.Command) error { return root.GenBashCompletionV2(a.out, true) },
		"zsh":        func(root *cobra.Command) error { return root.GenZshCompletion(a.out) },
		"fish":       func(root *cobra.Command) error { return root.GenFishCompletion(a.out, true) },
		"powershell": func(root *cobra.Command) error { return root.GenPowerShellCompletionWithDesc(a.out) },
	}
	return &cobra.Command{
		Use: "completion bash|zsh|fish|powershell", Short: "Print the script by which a shell completes commands, flags and names",
		Long: "Prints the script by which a shell completes commands, flags and their values. Names of Workspaces and\n" +
			"Deployments are those that an earlier command has listed: completing them sends no request.",
		Example: "  source <(astro-ci completion bash)                          # in ~/.bashrc, with bash-completion\n" +
			"  astro-ci completion zsh > \"${fpath[1]}/_astro-ci\"            # once\n" +
			"  astro-ci completion fish > ~/.config/fish/completions/astro-ci.fish\n" +
			"  astro-ci completion powershell | Out-String | Invoke-Expression",
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || shells[args[0]] == nil {
				return wrongUse(cmd, "the shell is not known")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return shells[args[0]](cmd.Root()) },
	}
}

// finish completes what is typed. It may look at files, and at nothing else; what cannot be read completes
// to nothing.
type finish func(cmd *cobra.Command, args []string) []string

// completes says for every command below cmd how its arguments and flags are completed.
func (a *app) completes(cmd *cobra.Command, flags map[string]finish) {
	for _, c := range cmd.Commands() {
		a.completes(c, flags)
	}
	arguments := strings.Fields(cmd.Use)[1:]
	switch {
	case cmd.ValidArgs != nil || cmd.ValidArgsFunction != nil || slices.Contains(arguments, "[FILE…]"):
	case len(arguments) > 0 && strings.Contains(arguments[0], "SETUP"):
		many := strings.HasSuffix(arguments[0], "...]")
		cmd.ValidArgsFunction = completed(func(cmd *cobra.Command, args []string) []string {
			if len(args) > 0 && !many {
				return nil
			}
			return slices.DeleteFunc(a.setupNames(cmd, args), func(name string) bool { return slices.Contains(args, name) })
		})
	default:
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		switch f.Name {
		case "ca-file", "file", "ics", "pipeline-file", "policy": // files, as shells complete by themselves
			return
		case "state-dir", "project-folder":
			_ = cmd.MarkFlagDirname(f.Name)
			return
		}
		do := flags[f.Name]
		if do == nil {
			do = func(*cobra.Command, []string) []string { return nil }
		}
		_ = cmd.RegisterFlagCompletionFunc(f.Name, completed(do)) // it has none yet
	})
}

func completed(do finish) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		var out []string
		for _, x := range do(cmd, args) {
			if strings.HasPrefix(strings.ToLower(x), strings.ToLower(typed)) {
				out = append(out, x)
			}
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

// finishes are the ways to complete the values of flags.
func (a *app) finishes() map[string]finish {
	words := func(all ...string) finish { return func(*cobra.Command, []string) []string { return all } }
	out := map[string]finish{
		"like": a.setupNames, "name": a.setupNames, "confirm": a.setupNames,
		"on-failure": words("keep", "undo"), "json": words("object", "events"),
	}
	for _, s := range steps.SetUp(steps.Deps{}) {
		if len(s.Words) > 0 {
			out[s.Flag] = words(s.Words...)
		}
	}
	out["platform"] = words(platformIDs()...)
	for flag, kind := range map[string]string{"organization": astro.Organizations, "workspace": astro.Workspaces, "deployment": astro.Deployments} {
		out[flag] = func(cmd *cobra.Command, _ []string) []string { return a.known(cmd, kind) }
	}
	return out
}

// known are the names of a kind that Astro has listed before, inside of what the flags name. Where two have
// one name they are told apart by their ids.
func (a *app) known(cmd *cobra.Command, kind string) (out []string) {
	base, err := astro.Address(astro.Host{Getenv: a.env.get, Home: a.env.home(), ReadFile: os.ReadFile})
	if err != nil && !a.sandbox {
		return nil
	}
	var n names
	n.read(a.namesFile(base))
	inside := func(x astro.Named) bool {
		flag, parents := "organization", n.all[astro.Organizations]
		if kind == astro.Deployments {
			flag, parents = "workspace", n.all[astro.Workspaces]
		}
		f := cmd.Flag(flag)
		return kind == astro.Organizations || f == nil || f.Value.String() == "" || slices.ContainsFunc(parents, func(p astro.Named) bool {
			return p.ID == x.In && (p.ID == f.Value.String() || strings.EqualFold(p.Name, f.Value.String()))
		})
	}
	count := map[string]int{}
	for _, x := range n.all[kind] {
		if inside(x) {
			count[x.Name]++
		}
	}
	for _, x := range n.all[kind] {
		switch {
		case !inside(x):
		case count[x.Name] > 1:
			out = append(out, x.ID+"\t"+x.Name)
		default:
			out = append(out, x.Name)
		}
	}
	return out
}

// setupNames are the setups that this computer has journals of, and those in astro-ci.yaml.
func (a *app) setupNames(*cobra.Command, []string) (out []string) {
	known, _ := a.journals() // none is fine
	for _, k := range known {
		if k.err == nil && (k.state.Active() || k.state.Last != "") {
			out = append(out, k.name)
		}
	}
	cwd, err := os.Getwd()
	if err != nil {
		return out
	}
	if repo, err := gitrepo.Find(cwd); err == nil {
		cwd = repo.Root
	} else if dir, err := a.sandboxDir(); a.sandbox && err == nil {
		cwd = filepath.Join(dir, "project")
	}
	if raw, err := os.ReadFile(filepath.Join(cwd, setupfile.Name)); err == nil {
		f, _ := setupfile.Parse(raw, steps.SetUp(steps.Deps{})) // what can be read of it
		out = append(out, f.Names()...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
