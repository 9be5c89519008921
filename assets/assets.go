// Package assets holds the files that are built into the program: the table of pinned releases and
// the shell of the generated pipelines.
//
// The shell is written into pipeline files as it stands. Nothing is ever filled in: whatever
// differs from setup to setup reaches it through environment variables.
package assets

import (
	"embed"
	"fmt"
	"strings"
)

//go:embed pins.json
var pins []byte

//go:embed shell/*.sh shell/portable/*.sh
var shell embed.FS

//go:embed help/*.md
var help embed.FS

// Topic is a page of help.
type Topic struct{ Name, Title, Text string }

// Help are the pages in assets/help, by name.
func Help() (out []Topic) {
	files, err := help.ReadDir("help")
	for _, f := range files {
		var raw []byte
		if raw, err = help.ReadFile("help/" + f.Name()); err != nil {
			break
		}
		title, text, _ := strings.Cut(string(raw), "\n")
		out = append(out, Topic{strings.TrimSuffix(f.Name(), ".md"), strings.TrimPrefix(title, "# "), strings.Trim(text, "\n") + "\n"})
	}
	if err != nil {
		panic("assets: " + err.Error()) // they are built in
	}
	return out
}

// Pins is the table of pinned releases, JSON; internal/pipeline reads it.
func Pins() []byte { return append([]byte(nil), pins...) }

// Shell returns the script shell/<name>.sh without the comment at its top; name may start with a
// folder: portable/deploy. It is a constant of the calling code; one that does not exist panics.
func Shell(name string) string {
	raw, err := shell.ReadFile("shell/" + name + ".sh")
	if err != nil {
		panic(fmt.Sprintf("assets: no script %q", name))
	}
	_, body, ok := strings.Cut(string(raw), "\n\n")
	if !ok || !strings.HasPrefix(string(raw), "# ") {
		panic(fmt.Sprintf("assets: script %q has no comment at its top", name))
	}
	return body
}
