package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/rotation"
)

func (a *app) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show the setups of this computer: what is due, and what is not finished", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.status(c.Context()) },
	}
}

// status shows the setups of this computer.
func (a *app) status(ctx context.Context) (err error) {
	all, err := a.journals()
	if err != nil {
		return err
	}
	var out []outcome
	if len(all) > 0 {
		w, err := a.discover(ctx)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, w.close()) }()
		for _, k := range all {
			o := outcome{Setup: k.name}
			c := candidate{name: k.name, state: k.state, plan: k.state.Plan}
			switch {
			case k.err != nil:
				o.State, o.Error = "damaged", hint.Of(k.err).Error()
			case k.state.Active():
				o.State, o.Resume = "not finished", "astro-ci resume "+k.name
				halt := rotation.Preview(k.state, time.Now())
				if o.Why = "it goes on at once"; halt.Kind == rotation.Wait {
					o.Why, o.Until = waiting(halt), &halt.Until
				}
			case k.state.Last == "":
				continue
			default:
				if err := w.look(ctx, &c); err != nil {
					return err
				}
				words, due := why(c.token(), time.Now())
				o.State, o.Token, o.Why = map[bool]string{true: "due", false: "fine"}[due], c.token().ID, words
				if end := c.token().EndAt; !end.IsZero() {
					o.ExpiresAt = &end
				}
			}
			out = append(out, o)
		}
	}
	if a.json != "" {
		e := json.NewEncoder(a.out)
		e.SetEscapeHTML(false)
		return e.Encode(slices.Concat([]outcome{}, out))
	}
	if len(out) == 0 {
		_, err = fmt.Fprintln(a.out, "This computer knows no setup.")
		return err
	}
	t := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "SETUP\tSTATE\tTOKEN\t")
	for _, o := range out {
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", o.Setup, o.State, o.Token, cmp.Or(o.Why, o.Error))
	}
	return t.Flush()
}
