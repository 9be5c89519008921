package providers

import "github.com/astro-ci/astro-ci/internal/setup"

// Guide is a store that knows how a person writes a secret without astro-ci. It needs no log-in, and does
// no I/O.
type Guide interface {
	Manual(p setup.Plan, t setup.Target) setup.Manual
}

// Asking are lines of sh that ask for a value without showing it, and hand it to a command by its standard
// input.
func Asking(command string) string {
	return `(
  trap 'stty echo' EXIT; trap 'exit 130' INT
  stty -echo; printf 'The token: ' >&2; IFS= read -r value; echo >&2
  printf '%s' "$value" | ` + command + `
)`
}
