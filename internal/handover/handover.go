// Package handover writes down a set-up for somebody else: what has to be done, who may do it, the page
// and the command for each part. It is pure, and nothing that it writes holds a secret.
package handover

import (
	"bytes"
	"fmt"
	"path"
	"strings"

	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Name is the file that says what to do.
const Name = "README.md"

// Title begins that file.
const Title = "# Hand-over of the setup "

// Subject is what is handed over.
type Subject struct {
	Plan     setup.Plan
	Platform providers.Info
	Runs     string       // the page of the pipeline's runs; "" where it is not known
	Astro    setup.Manual // how the token is made
	Places   []Place      // where its value is kept
	Setups   File         // the file by which astro-ci does all of it
	Pipeline File         // its path is "" when the repository has a pipeline of its own
	Grant    File         // what lets runs read the secret; its path is "" when nothing has to
	// Renewal is what scheduled runs need that renew the token; nil for none.
	Renewal *providers.Scheduled
	Unseen  []string // what could not be looked up or may not be done, a sentence each
}

// Place is a target with its store, and how a value gets there by hand; the zero Manual where nobody knows.
type Place struct {
	Target setup.Target
	Store  providers.Info
	Manual setup.Manual
}

// File is a file of the pack. Its path is that in the repository, slash-separated.
type File struct {
	Path    string
	Content []byte
	Say     string // what a person does with it
}

// Files are all files of the pack, the page first.
func (s Subject) Files() []File {
	out := []File{{Path: Name, Content: s.page()}}
	for _, f := range []File{s.Setups, s.Pipeline, s.Grant} {
		if f.Path != "" {
			out = append(out, f)
		}
	}
	return out
}

// Text is the whole pack as one text.
func (s Subject) Text() []byte {
	files := s.Files()
	var b bytes.Buffer
	b.Write(files[0].Content)
	b.WriteString("\n## The files\n\nSave each under its name, all in one folder.\n")
	for _, f := range files[1:] {
		fence := "```"
		for bytes.Contains(f.Content, []byte(fence)) {
			fence += "`"
		}
		_, _ = fmt.Fprintf(&b, "\n### `%s`\n\n%s\n%s\n%s\n", f.Path, fence, bytes.TrimRight(f.Content, "\n"), fence)
	}
	return b.Bytes()
}

// page is the text that a person follows.
func (s Subject) page() []byte {
	w := &writer{}
	p := s.Plan
	w.say("%s%s\n", Title, p.Name)
	w.say("A pipeline of %s on %s is to use Astro. What that takes is written down here for those who have the rights. Nothing of it was made yet. No file of this pack holds a secret: it can be sent and kept like any text.\n", p.Repository, s.Platform.Name)
	w.say("| | |\n| --- | --- |")
	w.say("| Organization | %s |", ref(p.Organization))
	if !p.Workspace.IsZero() {
		w.say("| Workspace | %s |", ref(p.Workspace))
	}
	if !p.Deployment.IsZero() {
		w.say("| Deployment | %s |", ref(p.Deployment))
	}
	w.say("| token | %s, role `%s`, %d days |", p.Credential.Kind, p.Credential.Role, p.Credential.ExpiresInDays)
	for _, t := range p.Targets {
		w.say("| kept as | `%s` |", t)
	}
	if s.Pipeline.Path != "" {
		w.say("| pipeline | `%s`, for the branch `%s` |", s.Pipeline.Path, p.Pipeline.Branch)
	}
	parts := s.parts()
	w.say("\n## Who has to do what\n")
	for i, x := range parts {
		w.say("%d. **%s**, to %s: %s.", i+1, x.where, x.why, strings.TrimSuffix(x.who, "."))
	}
	w.say("\nOne person with all of these rights needs the commands of the next part alone. Else each does their part by hand, in this order.")
	s.command(w, parts)
	w.say("\n## By hand\n\nWhere a command needs a file of this pack it finds it by `PACK`, as above.")
	for i, x := range parts {
		w.say("\n### %d. %s\n", i+1, x.title)
		w.say("Who: %s.\n", strings.TrimSuffix(x.who, "."))
		x.body(w)
	}
	w.say("\nA token that was made by hand is not one of astro-ci's: `astro-ci rotate` does not renew it. Note when it ends.")
	if len(s.Unseen) > 0 {
		w.say("\n## What could not be seen\n\nWhoever wrote this down could not look at everything. What follows stands as it was given; check it first.\n")
		for _, u := range s.Unseen {
			w.say("- %s", u)
		}
	}
	return w.Bytes()
}

// command is the way by astro-ci itself.
func (s Subject) command(w *writer, parts []part) {
	w.say("\n## With all rights: astro-ci\n")
	w.say("It needs a log-in to Astro (`astro-ci login`), and these:\n")
	for _, info := range s.stores() {
		w.say("- %s: %s", info.Name, info.Login)
	}
	w.say("\nIn a checkout of %s, with `PACK` saying where this file is:\n", s.Plan.Repository.Path)
	w.sh("PACK=$HOME/Downloads/" + providers.ShellWord("astro-ci-"+s.Plan.Name) + "\n" +
		"astro-ci apply -f \"$PACK/" + s.Setups.Path + "\" --dry-run\n" +
		"astro-ci apply -f \"$PACK/" + s.Setups.Path + "\"")
	w.say("\nThe first one shows what would be done and touches nothing. The second checks every right before it makes anything, makes the token, stores it without showing it, proves it, and writes the pipeline file, which is committed and pushed as any other.")
	if s.Renewal != nil {
		w.say("\nA schedule renews the token. It needs a log-in to %s of its own, which `apply` is given by the variable `%s` or by `--platform-token-stdin`. %s It is made at <%s>. By hand there is no schedule.", s.Platform.Name, setup.LoginSecret, s.Renewal.Right, s.Renewal.Link)
	}
	for i, x := range parts {
		if x.apart {
			w.say("\nPart %d below is left to a person all the same.", i+1)
		}
	}
}

func (s Subject) stores() (out []providers.Info) {
	seen := map[string]bool{}
	add := func(i providers.Info) {
		if !seen[i.ID] && i.Login != "" {
			seen[i.ID] = true
			out = append(out, i)
		}
	}
	add(s.Platform)
	for _, x := range s.Places {
		add(x.Store)
	}
	return out
}

// part is what one person does.
type part struct {
	where, who, why, title string
	apart                  bool // astro-ci does not do it
	body                   func(*writer)
}

func (s Subject) parts() (out []part) {
	out = append(out, part{
		where: "Astro", who: s.Astro.Who, why: "make the token", title: "Make the token, on Astro", body: func(w *writer) {
			w.manual(s.Astro)
			w.say("\nThe value goes from here to the next part. Best one person does both in one sitting; else send it by a way that is made for secrets, never by mail or chat.")
		},
	})
	for _, x := range s.Places {
		m := x.Manual
		if m.Who == "" {
			m = setup.Manual{Who: x.Store.Rights, Link: x.Store.Docs, Click: "Store the token as " + x.Target.Secret + " at " + x.Target.Address + "."}
		}
		out = append(out, part{
			where: x.Store.Name, who: m.Who, why: "store it as `" + x.Target.Secret + "`",
			title: "Store the secret " + x.Target.Secret + ", in " + x.Store.Name, body: func(w *writer) { w.manual(m) },
		})
	}
	if g := s.Grant; g.Path != "" {
		out = append(out, part{
			where: "The rights of runs", who: "Somebody who administers " + s.Plan.Target().Store, why: "let the runs of this pipeline read the secret",
			title: "Let runs read the secret", apart: true, body: func(w *writer) {
				w.say("%s.", strings.TrimSuffix(g.Say, "."))
				if path.Ext(g.Path) == ".sh" {
					w.say("")
					w.sh("cat \"$PACK/" + g.Path + "\"\nsh \"$PACK/" + g.Path + "\"")
				}
			},
		})
	}
	return append(out, s.repository())
}

// repository is what happens in the repository.
func (s Subject) repository() part {
	branch, f := s.Plan.Pipeline.Branch, s.Pipeline
	out := part{
		where: "The repository " + s.Plan.Repository.Path, who: "Write access; a protected branch " + branch + " takes a request that somebody merges",
		why: "bring the pipeline file into it", title: "Bring the pipeline file into the repository",
	}
	if f.Path == "" {
		out.who, out.why, out.title = "Write access", "use the secret in its own pipeline", "Use the secret in the pipeline"
		out.body = func(w *writer) {
			w.say("Hand the secret `%s` to the step that runs the Astro CLI, as the variable `%s`.", s.Plan.Target().Secret, setup.TokenVariable)
		}
		return out
	}
	word := providers.ShellWord(f.Path)
	out.body = func(w *writer) {
		w.say("In a checkout of %s, on the branch `%s` or one that is to be merged into it:\n", s.Plan.Repository.Path, branch)
		folder := ""
		if d := path.Dir(f.Path); d != "." {
			folder = "mkdir -p " + providers.ShellWord(d) + "\n"
		}
		w.sh(folder + "cp -i \"$PACK\"/" + word + " " + word + "\ngit add " + word + "\ngit commit -m 'Use Astro from " + s.Platform.Name + "'\ngit push")
		if s.Platform.OneFile || s.Platform.Shared {
			w.say("\nWhere there is a `%s` already, add to it what is new instead of copying over it; `astro-ci apply` does that by itself.", f.Path)
		}
		if s.Runs != "" {
			w.say("\nThen watch the first run: <%s>", s.Runs)
		}
	}
	return out
}

// ref is a name with its id.
func ref(r setup.Ref) string {
	if r.String() == r.ID {
		return "`" + r.ID + "`"
	}
	return strings.ReplaceAll(r.String(), "|", `\|`) + " (`" + r.ID + "`)"
}

// writer collects Markdown.
type writer struct{ bytes.Buffer }

func (w *writer) say(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }

func (w *writer) sh(lines string) { w.say("```sh\n%s\n```", lines) }

func (w *writer) manual(m setup.Manual) {
	switch {
	case m.Link != "":
		w.say("Page: <%s>. %s", m.Link, m.Click)
	default:
		w.say("%s", m.Click)
	}
	if m.Command != "" {
		w.say("\nOr:\n")
		w.sh(m.Command)
	}
	if m.Note != "" {
		w.say("\n%s", m.Note)
	}
}
