package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/sandbox"
	"github.com/astro-ci/astro-ci/internal/setup"

	"github.com/astro-ci/astro-ci/internal/providers"
)

func (a *app) sandboxCommand() *cobra.Command {
	var listen string
	serve := &cobra.Command{
		Use:   "sandbox",
		Short: "Serve the embedded Astro and GitHub on loopback",
		Long: "Serves the embedded servers until it is stopped, and prints the variables that point astro-ci, the astro\n" +
			"CLI and gh at them: paste them into another terminal. Everything the servers hold is made up; what you\n" +
			"create stays until: astro-ci sandbox reset",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.serveSandbox(cmd.Context(), listen) },
	}
	serve.Flags().StringVar(&listen, "listen", "127.0.0.1:0", "loopback address to listen on")
	serve.AddCommand(&cobra.Command{
		Use: "reset", Short: "Forget everything that the sandbox holds", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			dir, err := a.sandboxDir()
			if err != nil {
				return err
			}
			if err := sandbox.Reset(dir); err != nil {
				return err
			}
			a.sandbox = true
			_ = os.Remove(a.namesFile(nil)) // there may be none
			_, err = fmt.Fprintln(a.err, "The sandbox is empty. Files that it wrote into repositories stay; git status shows them.")
			return err
		},
	})
	return serve
}

func (a *app) sandboxDir() (string, error) {
	state, err := a.env.stateDir(a.stateDir)
	return filepath.Join(state, "sandbox"), err
}

// startSandbox starts the embedded servers for this run; repos exist beside those they have, every one has these
// branches, and the pipeline files count as pushed.
func (a *app) startSandbox(repos []setup.Repository, branches []string, pushed []sandbox.File) (*sandbox.Sandbox, error) {
	dir, err := a.sandboxDir()
	if err != nil {
		return nil, err
	}
	return sandbox.Start(sandbox.Options{Dir: dir, Releases: pipeline.Pins().CLI, Repos: repos, Branches: branches, Pushed: pushed, Samples: true})
}

func (a *app) serveSandbox(ctx context.Context, listen string) (err error) {
	dir, err := a.sandboxDir()
	if err != nil {
		return err
	}
	s, err := sandbox.Start(sandbox.Options{Dir: dir, Addr: listen, Releases: pipeline.Pins().CLI, Samples: true})
	if err != nil {
		return err
	}
	defer func() {
		if e := s.Close(); err == nil {
			err = e
		}
	}()
	vars, err := s.Environment()
	if err != nil {
		return err
	}
	for _, v := range vars {
		value := v.Value
		if v.Secret != nil {
			// A log-in to servers that live as long as this process; printing it is what the command is for.
			_ = v.Secret.Use(func(b []byte) error { value = string(b); return nil })
		}
		if _, err := fmt.Fprintf(a.out, "export %s=%s\n", v.Name, providers.ShellWord(value)); err != nil {
			return err
		}
	}
	_, _ = fmt.Fprintln(a.err, "The sandbox is running. Paste the lines above into another terminal. Ctrl-C ends it.")
	<-ctx.Done()
	return nil
}
