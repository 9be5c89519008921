package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/inventory"
	"github.com/astro-ci/astro-ci/internal/ui/report"
)

// statusFlags are the flags of status.
type statusFlags struct {
	census
	all  bool
	days int
	ics  string
}

func (a *app) statusCommand() *cobra.Command {
	var f statusFlags
	cmd := &cobra.Command{
		Use: "status", Short: "Show every API token: what is due, what is wrong, and what depends on it", Args: noArgs,
		Long: "Shows the setups of this computer first, then every other API token of the Organization about which there is\n" +
			"something to say: one that never expires, has ended or ends soon, was never used or not for long, is a copy\n" +
			"of another one, or was made by somebody who has left. Nothing is changed.\n\n" +
			"Exit code 6 says that something needs a person: it is broken, will be soon, or may be in the wrong hands.\n" +
			"Without a log-in it shows what this computer has begun, and ends with exit code 4: Astro was not asked.",
		Example: "  astro-ci status\n" +
			"  astro-ci status --setups --json\n" +
			"  astro-ci status --ics tokens.ics",
		RunE: func(c *cobra.Command, _ []string) error { return a.status(c.Context(), f) },
	}
	fl := cmd.Flags()
	fl.BoolVar(&f.all, "all", false, "show every token, also those about which there is nothing to say")
	fl.BoolVar(&f.setupsOnly, "setups", false, "only the setups of this computer, by few requests")
	fl.StringVar(&f.organization, "organization", "", "Organization, by name or id [ASTRO_CI_ORGANIZATION]")
	fl.IntVar(&f.days, "unused-days", int(inventory.DefaultUnused/(24*time.Hour)), "days without a use after which a token is unused")
	fl.StringVar(&f.ics, "ics", "", "write a calendar of the days on which tokens are due and end to this file; - for stdout")
	return cmd
}

// status shows what there is. What can be said without Astro is said even when Astro cannot be asked.
func (a *app) status(ctx context.Context, f statusFlags) error {
	switch {
	case f.days < 1:
		return usageError{hint.New("--unused-days is less than 1", "Give a number of days, like 90.", "")}
	case f.ics == "-" && a.json != "":
		return usageError{hint.New("--json and --ics - both want stdout", "Give --ics a file.", "")}
	}
	f.unused = time.Duration(f.days) * 24 * time.Hour
	v, err := a.unasked(f.census)
	if err != nil {
		return err
	}
	failed := a.session(ctx, func(l astro.Login, c *astro.Client) error {
		asked, err := (&world{app: a, login: l, astro: c}).inventory(ctx, f.census)
		if err == nil {
			v = asked
		}
		return err
	})
	var usage usageError
	if ctx.Err() != nil || errors.As(failed, &usage) {
		return failed
	}
	if f.ics != "" && failed == nil {
		if err := a.calendar(f.ics, v); err != nil {
			return err
		}
	}
	switch {
	case f.ics == "-":
		if failed != nil {
			return failed // an empty calendar would say that nothing is due
		}
	case a.json != "":
		if err := report.InventoryJSON(a.out, v, failed); err != nil {
			return err
		}
	default:
		report.Inventory(a.out, v, report.Look{UTF8: a.env.utf8(), Plain: a.plain || a.env.get("ACCESSIBLE") != "", All: f.all, Width: a.width()})
	}
	switch {
	case failed != nil:
		report.Error(a.err, failed)
		return errors.Join(errShown, failed)
	case v.Person():
		return errors.Join(errShown, errPerson)
	}
	return nil
}

// calendar writes the calendar to a file, whole or not at all, or to stdout.
func (a *app) calendar(path string, v inventory.Inventory) error {
	if path == "-" {
		return report.Calendar(a.out, v)
	}
	err := func() error {
		to, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
		if err != nil {
			return err
		}
		if err := errors.Join(report.Calendar(to, v), to.Close()); err != nil {
			return errors.Join(err, os.Remove(path+".new"))
		}
		return os.Rename(path+".new", path)
	}()
	if err != nil {
		return hint.Wrap(err, "write the calendar "+path, "Name a file in a folder that you can write to.", "")
	}
	_, _ = fmt.Fprintf(a.err, "The calendar is in %s.\n", path)
	return nil
}
