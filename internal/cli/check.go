package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/gitrepo"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pipeline"
)

// errFindings says that check found something; what, was printed.
var errFindings = errors.New("faults were found")

func (a *app) checkCommand() *cobra.Command {
	return &cobra.Command{
		Use: "check [FILE…]", Short: "Find faults in pipeline files",
		Long: "Looks for the known faults of pipelines that deploy to Astro: unpinned installs, secrets in clear, legacy\n" +
			"keys, deploys that report success without deploying, and more. It needs no log-in. Without a file it\n" +
			"looks at all pipeline files of the repository. It ends with 1 when something was found.",
		RunE: func(_ *cobra.Command, args []string) error { return a.check(args) },
	}
}

func (a *app) check(paths []string) error {
	files, err := checkedFiles(paths)
	if err != nil {
		return err
	}
	found := []pipeline.Finding{}
	for _, f := range files {
		found = append(found, pipeline.Check(f)...)
	}
	if a.json != "" {
		e := json.NewEncoder(a.out)
		e.SetEscapeHTML(false)
		if err := e.Encode(map[string]any{"files": len(files), "findings": found}); err != nil {
			return err
		}
	} else {
		for _, f := range found {
			_, _ = fmt.Fprintf(a.out, "%s:%d: %s\n  why: %s\n  fix: %s\n", display.Clean(f.File), f.Line, f.Rule, f.Why, f.Fix)
		}
		switch {
		case len(files) == 0:
			_, _ = fmt.Fprintln(a.err, "There is no pipeline file here.")
		case len(found) == 0:
			_, _ = fmt.Fprintf(a.err, "Nothing was found; pipeline files looked at: %d.\n", len(files))
		}
	}
	if len(found) > 0 {
		return errors.Join(errShown, errFindings)
	}
	return nil
}

// checkedFiles reads the files that were named, or all pipeline files of the repository.
func checkedFiles(paths []string) (out []pipeline.Found, err error) {
	for _, p := range paths {
		raw, err := os.ReadFile(p)
		if err != nil {
			return nil, usageError{hint.Wrap(err, "read "+display.Clean(p).String(), "Give the path of a pipeline file.", "")}
		}
		out = append(out, pipeline.Found{Path: p, Content: raw})
	}
	if len(paths) > 0 {
		return out, nil
	}
	root, err := os.Getwd()
	if err != nil {
		return nil, hint.Wrap(err, "find the present folder", "Change into a folder that exists.", "")
	}
	repo, err := gitrepo.Find(root)
	switch {
	case err == nil:
		root = repo.Root
	case !errors.Is(err, gitrepo.ErrNone):
		return nil, err
	}
	return pipeline.NewFiles(root).Find(pipeline.Globs())
}
