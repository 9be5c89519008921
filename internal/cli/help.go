package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/astro-ci/astro-ci/assets"
	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/all"
	"github.com/astro-ci/astro-ci/internal/ui"
)

// topics are pages of help that belong to no command: astro-ci help astro-ci.yaml.
func (a *app) topics() (out []*cobra.Command) {
	for _, t := range append(assets.Help(), placeTopic(), loginTopic()) {
		out = append(out, &cobra.Command{Use: t.Name, Short: t.Title, Long: t.Text})
	}
	slices.SortFunc(out, func(x, y *cobra.Command) int { return strings.Compare(x.Use, y.Use) })
	return out
}

// helpCommand explains a command or a topic; one that is not there is wrong use, as everywhere.
func (a *app) helpCommand() *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND | TOPIC]", Short: "Explain a command or a topic",
		ValidArgsFunction: func(c *cobra.Command, args []string, typed string) (out []string, _ cobra.ShellCompDirective) {
			in, _, err := c.Root().Find(args)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			for _, x := range in.Commands() {
				if !x.Hidden && strings.HasPrefix(x.Name(), typed) {
					out = append(out, x.Name())
				}
			}
			return out, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			about, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 { // a topic of several words
				about, rest, err = c.Root().Find([]string{strings.Join(args, "-")})
			}
			if err != nil || len(rest) > 0 {
				what := fmt.Sprintf("%q is no command and no topic", display.Clean(strings.Join(args, " ")))
				if near := explained(c.Root(), strings.Join(args, "-")); len(near) > 0 {
					return usageError{hint.New(what, "Did you mean: astro-ci help "+inText(near), "")}
				}
				return wrongUse(c.Root(), what)
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}

// explained are the commands and topics that are called nearly as what was typed.
func explained(root *cobra.Command, typed string) []string {
	root.SuggestionsMinimumDistance = 2
	out := root.SuggestionsFor(typed)
	for _, c := range root.Commands() {
		name := c.Name()
		if strings.HasPrefix(name, typed) && c.IsAdditionalHelpTopicCommand() && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// flagGroup are flags that stand together in the help of a command.
type flagGroup struct {
	title string
	names []string
}

// explains gives a command, and those below it, help that is folded to the width of the terminal, with commands
// in groups.
func (a *app) explains(root *cobra.Command) {
	root.SetHelpFunc(func(c *cobra.Command, _ []string) {
		w := c.OutOrStdout()
		_, _ = fmt.Fprintln(w, reflow(a.asTyped(cmp.Or(c.Long, c.Short+".")), a.helpWidth()))
		if c.Runnable() || c.HasAvailableSubCommands() {
			_, _ = fmt.Fprintf(w, "\n%s", c.UsageString())
		}
	})
	root.SetUsageFunc(func(c *cobra.Command) error { return a.usage(c, nil) })
}

// helpWidth is how long a line of help may be.
func (a *app) helpWidth() int {
	const usual, least, most = 80, 40, 110
	if w := a.cells(); w > 0 {
		return max(least, min(w, most))
	}
	return usual
}

// usage says how a command is used; groups are those of its flags, and what they leave out comes after them.
func (a *app) usage(c *cobra.Command, groups []flagGroup) error {
	w, width := c.OutOrStderr(), a.helpWidth()
	part := func(title string, rows []row) {
		if len(rows) > 0 {
			_, _ = fmt.Fprintf(w, "\n%s:\n%s", title, columns(rows, width))
		}
	}
	_, _ = fmt.Fprintf(w, "Usage:\n  %s\n", c.UseLine())
	if c.HasAvailableSubCommands() {
		_, _ = fmt.Fprintf(w, "  %s [command]\n", c.CommandPath())
	}
	if c.Example != "" {
		_, _ = fmt.Fprintf(w, "\nExamples:\n%s\n", c.Example)
	}
	for _, g := range c.Groups() {
		part(g.Title, commandList(c, func(x *cobra.Command) bool { return x.IsAvailableCommand() && x.GroupID == g.ID }))
	}
	if len(c.Groups()) == 0 {
		part("Commands", commandList(c, (*cobra.Command).IsAvailableCommand))
	}
	part("Topics, with "+c.CommandPath()+" help", commandList(c, (*cobra.Command).IsAdditionalHelpTopicCommand))
	own := c.LocalNonPersistentFlags()
	var left, always []row
	own.VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && f.Name != "help" && !slices.ContainsFunc(groups, func(g flagGroup) bool { return slices.Contains(g.names, f.Name) }) {
			left = append(left, flagRow(f))
		}
	})
	for _, g := range groups {
		var rows []row
		for _, name := range g.names {
			rows = append(rows, flagRow(own.Lookup(name)))
		}
		part(g.title, rows)
	}
	part("Flags", left)
	c.Root().PersistentFlags().VisitAll(func(f *pflag.Flag) { always = append(always, flagRow(f)) })
	part("Flags of every command", append(always, flagRow(c.Flags().Lookup("help"))))
	return nil
}

// commandList has the commands that are shown.
func commandList(c *cobra.Command, shown func(*cobra.Command) bool) (out []row) {
	for _, x := range c.Commands() {
		if shown(x) {
			out = append(out, row{x.Name(), x.Short})
		}
	}
	return out
}

// flagRow is a flag with what it takes and what it is without being given.
func flagRow(f *pflag.Flag) row {
	name := "    --" + f.Name
	if f.Shorthand != "" {
		name = "-" + f.Shorthand + ", --" + f.Name
	}
	takes, text := flagText(f)
	if f.NoOptDefVal != "" && f.Value.Type() != "bool" {
		name += "[=" + takes + "]"
	} else if takes != "" {
		name += " " + takes
	}
	return row{name, text}
}

// flagText is what a flag takes, and what it means, with what it is unless it is given.
func flagText(f *pflag.Flag) (takes, text string) {
	takes, text = pflag.UnquoteUsage(f)
	if !slices.Contains([]string{"", "false", "[]", "0", "0s"}, f.DefValue) {
		text += " (usually " + f.DefValue + ")"
	}
	return takes, text
}

// row is a name with what it means.
type row struct{ name, text string }

// columns puts names to the left of what they mean, folded to the width.
func columns(rows []row, width int) string {
	var out strings.Builder
	indent := 0
	for _, r := range rows {
		indent = max(indent, len(r.name)+4)
	}
	indent = min(indent, width/2)
	for _, r := range rows {
		name := "  " + r.name
		if len(name)+2 > indent {
			_, _ = fmt.Fprintln(&out, name)
			name = ""
		}
		for _, line := range ui.Fold(r.text, width-indent) {
			_, _ = fmt.Fprintf(&out, "%-*s%s\n", indent, name, line)
			name = ""
		}
	}
	return out.String()
}

// reflow folds paragraphs and lists to a width; what is indented otherwise stays as it is.
func reflow(text string, width int) string {
	var out, paragraph, list []string
	end := func() {
		if len(paragraph) > 0 {
			out = append(out, ui.Fold(strings.Join(paragraph, " "), width)...)
		}
		out = append(out, foldList(list, width)...)
		paragraph, list = nil, nil
	}
	for line := range strings.Lines(strings.Trim(text, "\n")) {
		line = strings.TrimRight(line, "\n")
		switch {
		case line == "":
			end()
			out = append(out, "")
		case strings.HasPrefix(line, " "):
			if len(paragraph) > 0 {
				end()
			}
			list = append(list, line)
		default:
			if len(list) > 0 {
				end()
			}
			paragraph = append(paragraph, line)
		}
	}
	end()
	return strings.Join(out, "\n")
}

// foldList folds the second column of lines that do not fit; where there is none they stay as they are.
func foldList(lines []string, width int) []string {
	if !slices.ContainsFunc(lines, func(l string) bool { return ansi.StringWidth(l) > width }) {
		return lines
	}
	var rows []row
	for _, l := range lines {
		m := twoColumns.FindStringSubmatch(l)
		if m == nil {
			return lines
		}
		rows = append(rows, row{m[1], m[2]})
	}
	return strings.Split(strings.TrimRight(columns(rows, width), "\n"), "\n")
}

// twoColumns is a line with a name and, behind two spaces or more, what it means.
var twoColumns = pattern.New(`^ +(\S.*?) {2,}(\S.*)$`)

// allStores are all platforms and backends, as far as their descriptions go.
func allStores() (out []providers.Info) {
	for _, p := range all.Platforms() {
		out = append(out, p.Info)
	}
	for _, b := range all.Backends() {
		out = append(out, b.Info)
	}
	return out
}

// placeTopic tells where a secret can be kept, and how that is written.
func placeTopic() assets.Topic {
	return storeTopic("stores", "Where a secret can be kept, and how that is written",
		"--target says where the pipeline reads the secret, --also where copies are kept. Both take STORE:ADDRESS, where STORE is one of these.",
		func(x providers.Info) string { return x.Address })
}

// loginTopic tells where each log-in is looked for.
func loginTopic() assets.Topic {
	return storeTopic("log-ins", "Which log-in to each platform and backend is used",
		"astro-ci uses the log-ins that are there already: of the tools of each service, or from variables. It keeps none but the one of astro-ci login.",
		func(x providers.Info) string { return x.Login })
}

func storeTopic(name, title, begin string, says func(providers.Info) string) assets.Topic {
	out := []string{begin}
	for _, x := range allStores() {
		if text := says(x); text != "" {
			out = append(out, x.ID+" ("+x.Name+"): "+strings.NewReplacer("`", "", "**", "").Replace(text))
		}
	}
	return assets.Topic{Name: name, Title: title, Text: strings.Join(out, "\n\n") + "\n"}
}

// platformIDs are the platforms as they are called on the command line.
func platformIDs() (out []string) {
	for _, p := range all.Platforms() {
		out = append(out, p.ID)
	}
	return out
}

// storeIDs are the platforms and backends as they are called on the command line.
func storeIDs() (out []string) {
	for _, x := range allStores() {
		out = append(out, x.ID)
	}
	return out
}
