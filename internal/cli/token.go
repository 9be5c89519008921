package cli

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/ui/report"
)

// place narrows a command down to an Organization, a Workspace or a Deployment, by name or id.
type place struct{ organization, workspace, deployment string }

func (a *app) tokenCommand() *cobra.Command {
	var at place
	cmd := &cobra.Command{
		Use: "token", Short: "List, show and revoke API tokens of Astro", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	f := cmd.PersistentFlags()
	f.StringVar(&at.organization, "organization", "", "Organization, by name or id [ASTRO_CI_ORGANIZATION]")
	f.StringVar(&at.workspace, "workspace", "", "only tokens that have a role in this Workspace")
	f.StringVar(&at.deployment, "deployment", "", "only tokens that have a role in this Deployment; needs --workspace")
	cmd.AddCommand(
		&cobra.Command{
			Use: "list", Short: "List tokens with their end, last use, role and scope", Args: noArgs,
			RunE: func(c *cobra.Command, _ []string) error {
				return a.tokens(c.Context(), at, func(client *astro.Client, org string, in scope) error {
					all, err := client.Tokens(c.Context(), org, in.workspace, in.deployment)
					if err != nil {
						return err
					}
					if a.json != "" {
						return report.TokensJSON(a.out, all, time.Now())
					}
					report.Tokens(a.out, all, time.Now())
					return nil
				})
			},
		},
		&cobra.Command{
			Use: "show TOKEN", Short: "Show one token; its value is never shown", Args: oneToken,
			RunE: func(c *cobra.Command, args []string) error {
				return a.tokens(c.Context(), at, func(client *astro.Client, org string, _ scope) error {
					t, err := token(c.Context(), client, org, args[0])
					if err != nil {
						return err
					}
					if a.json != "" {
						return report.TokenJSON(a.out, t, time.Now())
					}
					report.Token(a.out, t, time.Now())
					return nil
				})
			},
		},
		&cobra.Command{
			Use: "revoke TOKEN", Short: "Delete a token for good", Args: oneToken,
			Long: "Deletes a token for good. Whatever still uses it stops working at once.",
			RunE: func(c *cobra.Command, args []string) error {
				return a.tokens(c.Context(), at, func(client *astro.Client, org string, _ scope) error {
					return a.revoke(c.Context(), client, org, args[0])
				})
			},
		},
	)
	return cmd
}

func oneToken(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usageError{hint.New(cmd.CommandPath()+" takes the id of one token", "See the ids with: astro-ci token list", "")}
	}
	return nil
}

// scope is a place by ids; empty where nothing was asked for.
type scope struct{ workspace, deployment string }

// tokens runs do for the Organization and the place that were asked for.
func (a *app) tokens(ctx context.Context, at place, do func(c *astro.Client, org string, in scope) error) error {
	return a.session(ctx, func(_ astro.Login, c *astro.Client) error {
		if at.organization == "" {
			at.organization = a.env.get("ASTRO_CI_ORGANIZATION")
		}
		page, err := c.Organizations(ctx)
		org, err := pick(ctx, "organization", at.organization, page, err, func(o astro.Organization) (string, display.Text) { return o.ID, o.Name })
		if err != nil {
			return err
		}
		var in scope
		if at.deployment != "" && at.workspace == "" {
			return usageError{hint.New("--deployment needs --workspace", "Say in which Workspace it is, with --workspace.", "")}
		}
		if at.workspace != "" {
			page, err := c.Workspaces(ctx, org)
			if in.workspace, err = pick(ctx, "workspace", at.workspace, page, err, func(w astro.Workspace) (string, display.Text) { return w.ID, w.Name }); err != nil {
				return err
			}
		}
		if at.deployment != "" {
			page, err := c.Deployments(ctx, org, in.workspace)
			if in.deployment, err = pick(ctx, "deployment", at.deployment, page, err, func(d astro.Deployment) (string, display.Text) { return d.ID, d.Name }); err != nil {
				return err
			}
		}
		return do(c, org, in)
	})
}

// pick finds the item that a flag names by name or id; without a name there must be one item only.
func pick[T any](ctx context.Context, flag, wanted string, page astro.Page[T], err error, of func(T) (id string, name display.Text)) (string, error) {
	if err != nil {
		return "", err
	}
	all, err := page.All(ctx)
	if err != nil {
		return "", err
	}
	var found, names []string
	for _, x := range all {
		id, name := of(x)
		if wanted == "" || id == wanted || strings.EqualFold(name.String(), wanted) {
			found = append(found, id)
		}
		names = append(names, name.String()+" ("+id+")")
	}
	if len(found) == 1 {
		return found[0], nil
	}
	if len(names) > 8 {
		names = append(names[:8], fmt.Sprintf("and %d more", len(all)-8))
	}
	what := fmt.Sprintf("--%s %q fits %d of what your log-in sees", flag, display.Clean(wanted), len(found))
	if wanted == "" {
		what = "--" + flag + " is needed: your log-in sees several"
	}
	return "", usageError{hint.New(what, "Give one of: "+strings.Join(names, ", ")+".", "")}
}

// token reads the token of an id that somebody has given.
func token(ctx context.Context, c *astro.Client, org, id string) (astro.Token, error) {
	t, err := c.Token(ctx, org, id)
	if httpx.Status(err) == http.StatusNotFound {
		err = usageError{hint.New(fmt.Sprintf("your log-in sees no token %q in the Organization", display.Clean(id)), "See the ids with: astro-ci token list", "")}
	}
	return t, err
}

// revoke deletes a token after the person has seen which one it is.
func (a *app) revoke(ctx context.Context, c *astro.Client, org, id string) error {
	t, err := token(ctx, c, org, id)
	if err != nil {
		return err
	}
	if a.dryRun {
		report.Token(a.out, t, time.Now())
		_, err := fmt.Fprintln(a.out, "\nIt would be deleted. Nothing was touched.")
		return err
	}
	if !a.yes {
		if !a.tty || a.noInput {
			return unconfirmed("revoking a token")
		}
		report.Token(a.err, t, time.Now())
		_, _ = fmt.Fprint(a.err, "\nWhatever uses it stops working at once. Type yes to delete it: ")
		answer, err := a.line(ctx)
		if err != nil || strings.TrimSpace(answer) != "yes" {
			_, _ = fmt.Fprintln(a.err, "Nothing was deleted.")
			return engine.ErrCancelled
		}
	}
	if err := c.DeleteToken(ctx, org, id); err != nil {
		return err
	}
	if a.json != "" {
		return report.TokenJSON(a.out, t, time.Now())
	}
	_, err = fmt.Fprintf(a.out, "Token %s is deleted.\n", t.ID)
	return err
}

// line reads one line from stdin; Ctrl-C ends the waiting.
func (a *app) line(ctx context.Context) (string, error) {
	type answer struct {
		text string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		text, err := bufio.NewReader(a.in).ReadString('\n')
		got <- answer{text, err}
	}()
	select {
	case x := <-got:
		return x.text, x.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
