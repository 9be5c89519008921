package github

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/setup"
)

var (
	// keyEntry is one entry of a mapping that feeds half of a Deployment API key.
	keyEntry = pattern.New(`^(\s*)ASTRONOMER_KEY_(ID|SECRET)\s*:\s*\S`)
	keyWord  = pattern.New(`ASTRONOMER_KEY_(ID|SECRET)`)
)

// Modernize turns the two entries of a mapping that feed a Deployment API key into the one that
// feeds an API token. Every other line stays as it is. A file that uses the key in another way is
// refused: a person has to look at it.
func (p *Provider) Modernize(content []byte, token setup.Target) ([]byte, error) {
	var out [][]byte
	var left []string
	fed := 0
	for i, line := range bytes.Split(content, []byte("\n")) {
		text := strings.TrimRight(string(line), "\r")
		switch m := keyEntry.FindStringSubmatch(text); {
		case m != nil && m[2] == "ID":
			fed++
			out = append(out, []byte(m[1]+setup.TokenVariable+": "+reference(token)+string(line[len(text):])))
		case m != nil:
			fed--
		case keyWord.MatchString(text) && !strings.HasPrefix(strings.TrimSpace(text), "#"):
			left = append(left, fmt.Sprint(i+1))
			out = append(out, line)
		default:
			out = append(out, line)
		}
	}
	const next = "Replace ASTRONOMER_KEY_ID and ASTRONOMER_KEY_SECRET there by ASTRO_API_TOKEN by hand, or leave the key as it is with --legacy-key keep."
	switch {
	case len(left) > 0:
		return nil, hint.New("the Deployment API key is used in a way that is not understood, on line "+strings.Join(left, ", "), next, docsSecrets)
	case fed != 0:
		return nil, hint.New("the two halves of the Deployment API key do not stand together", next, docsSecrets)
	}
	return bytes.Join(out, []byte("\n")), nil
}
