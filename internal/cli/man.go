package cli

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/astro-ci/astro-ci/internal/hint"
)

func (a *app) manCommand() *cobra.Command {
	return &cobra.Command{
		Use: "man DIR", Short: "Write the manual pages into a folder", Hidden: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return wrongUse(cmd, cmd.CommandPath()+" takes one folder")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			err := os.MkdirAll(args[0], 0o755) //nolint:gosec // pages are for everybody
			if err == nil {
				err = writePages(cmd.Root(), args[0])
			}
			return hint.Wrap(err, "write the manual pages", "Name a folder that you can write to.", "")
		},
	}
}

// writePages writes the page of a command and those below it.
func writePages(cmd *cobra.Command, dir string) error {
	if cmd.Hidden {
		return nil
	}
	var page bytes.Buffer
	writePage(&page, cmd)
	name, section := pageOf(cmd)
	if err := os.WriteFile(filepath.Join(dir, name+"."+section), page.Bytes(), 0o644); err != nil { //nolint:gosec // the same
		return err
	}
	for _, c := range cmd.Commands() {
		if err := writePages(c, dir); err != nil {
			return err
		}
	}
	return nil
}

// pageOf is the name of a page and the section of the manual: 1 for commands, 7 for other topics.
func pageOf(cmd *cobra.Command) (name, section string) {
	section = "7"
	if cmd.Runnable() {
		section = "1"
	}
	return strings.ReplaceAll(cmd.CommandPath(), " ", "-"), section
}

// writePage writes one page in the macros of man(7).
func writePage(w io.Writer, cmd *cobra.Command) {
	name, section := pageOf(cmd)
	put := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }
	put(`.TH "%s" %s "" "astro-ci %s" "astro-ci"`, strings.ToUpper(name), section, roff(strings.TrimPrefix(release(), "v")))
	put(".SH NAME\n%s \\- %s", roff(name), roff(cmd.Short))
	if section == "1" {
		put(".SH SYNOPSIS\n.B %s", roff(cmd.UseLine()))
	}
	put(".SH DESCRIPTION\n%s", asItIs(cmp.Or(cmd.Long, cmd.Short+".")))
	if cmd.Example != "" {
		put(".SH EXAMPLES\n%s", asItIs(cmd.Example))
	}
	for _, f := range []struct {
		title string
		flags *pflag.FlagSet
	}{{"OPTIONS", cmd.NonInheritedFlags()}, {"OPTIONS OF EVERY COMMAND", cmd.InheritedFlags()}} {
		if section == "1" && f.flags.HasAvailableFlags() {
			put(".SH %s", f.title)
			f.flags.VisitAll(func(x *pflag.Flag) { put("%s", option(x)) })
		}
	}
	var also []string
	if cmd.HasParent() {
		also = append(also, reference(cmd.Parent()))
	}
	for _, c := range cmd.Commands() {
		if !c.Hidden {
			also = append(also, reference(c))
		}
	}
	if len(also) > 0 {
		put(".SH SEE ALSO\n%s", strings.Join(also, ",\n"))
	}
}

func option(f *pflag.Flag) string {
	if f.Hidden {
		return ".\\\" " + f.Name
	}
	kind, usage := flagText(f)
	head := `\fB` + roff("--"+f.Name) + `\fR`
	if f.Shorthand != "" {
		head = `\fB` + roff("-"+f.Shorthand) + `\fR, ` + head
	}
	if kind != "" {
		head += ` \fI` + roff(kind) + `\fR`
	}
	return ".TP\n" + head + "\n" + roff(usage)
}

func reference(cmd *cobra.Command) string {
	name, section := pageOf(cmd)
	return `\fB` + roff(name) + `\fR(` + section + ")"
}

// asItIs is text whose lines stay as they are.
func asItIs(text string) string { return ".nf\n" + roff(strings.TrimRight(text, "\n")) + "\n.fi" }

// roff is text of which nothing is taken for a command.
func roff(text string) string {
	lines := strings.Split(strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`, `"`, `\(dq`).Replace(text), "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}
