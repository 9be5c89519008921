package cli

import (
	"encoding/json"
	"io"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/providers"
)

// commands is an output on which the commands that are printed work on the same world.
type commands struct {
	io.Writer
	a       *app
	results bool // what programs read stands there
}

func (c commands) Write(p []byte) (int, error) {
	flags := c.a.flags()
	if c.results && c.a.json != "" { // inside of strings that are encoded already
		for i, f := range flags {
			raw, _ := json.Marshal(f) // a text can always be encoded
			flags[i] = string(raw[1 : len(raw)-1])
		}
	}
	_, err := io.WriteString(c.Writer, withFlags(string(p), flags))
	return len(p), err
}

// Verbatim is the output itself.
func (c commands) Verbatim() io.Writer { return c.Writer }

// asTyped makes the commands in a text those that work on the same world as this one: in the sandbox, or with
// another folder of state, they say so.
func (a *app) asTyped(text string) string { return withFlags(text, a.flags()) }

// again is a command of astro-ci as it has to be typed to work on the same world.
func (a *app) again(command string) string { return a.asTyped("astro-ci " + command) }

// flags are those of this call that say on which world it works; the first one is of the sandbox.
func (a *app) flags() []string {
	out := []string{""}
	if a.sandbox {
		out[0] = "--sandbox "
	}
	for _, f := range []struct{ name, value string }{{"state-dir", a.stateDir}, {"ca-file", a.caFile}} {
		if at, err := filepath.Abs(f.value); f.value != "" && err == nil { // it may be typed elsewhere
			out = append(out, "--"+f.name+" "+word(at)+" ")
		}
	}
	return out
}

// Commands that have a sandbox to work in, and those that have none.
var (
	inSandbox = pattern.New(`\bastro-ci (setup|run|rotate|resume|status|verify|doctor|targets|apply|remove|token|whoami)([\s.,:;)"]|$)`)
	outside   = pattern.New(`\bastro-ci (login|logout|sandbox)([\s.,:;)"]|$)`)
)

func withFlags(text string, flags []string) string {
	if all := strings.Join(flags, ""); all != "" {
		literal := func(s string) string { return "astro-ci " + strings.ReplaceAll(s, "$", "$$") + "$1$2" }
		text = inSandbox.ReplaceAllString(text, literal(all))
		text = outside.ReplaceAllString(text, literal(strings.Join(flags[1:], "")))
	}
	return text
}

// word is a text as one word of a command line on this system.
func word(s string) string {
	if runtime.GOOS != "windows" {
		return providers.ShellWord(s)
	}
	if strings.ContainsAny(s, " &()^;,=%!'`+") { // neither shell of Windows takes these as they are
		return `"` + s + `"`
	}
	return s
}
