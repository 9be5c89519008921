package cli

import (
	"github.com/spf13/cobra"

	"github.com/astro-ci/astro-ci/assets"
)

// topics are pages of help that belong to no command: astro-ci help astro-ci.yaml.
func topics() (out []*cobra.Command) {
	for _, t := range assets.Help() {
		out = append(out, &cobra.Command{Use: t.Name, Short: t.Title, Long: t.Text})
	}
	return out
}
