package line_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/ui/line"
)

// journey answers every question, goes back, searches, mistypes, reopens, and confirms.
var journey = []string{
	"?", "7", "", // job: help, no such number, the default
	"b", "2", // back: changed
	"", "m", "m", "nothing like it", "eam 1", "", "prod", "", // workspace: no default, pages, searches
	"b", "", "1", // back: the answer so far is the default; role: the first
	"b", "WORKSPACE_AUTHOR", // by name
	"a..b", "release", // branch: refused, then good
	"d", "", "y", "9", "?", // review: the file, no, not the whole word, no such answer
	"6", "etl-prod", // change the setup name
	"yes",
}

func TestJourney(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{workspaces: 24, wait: 400 * time.Millisecond}
		term := newTerminal(journey...)
		out, err := term.run(t.Context(), t, w)
		if err != nil || !out.Confirmed || out.Err != nil || !slices.Equal(w.did, []string{"token", "secret", "file"}) {
			t.Errorf("outcome %+v, %v, did %v", out, err, w.did)
		}
		p := out.Review.Result.Plan
		if p.Job != "users" || p.Workspace.Name.String() != "Production" || p.Credential.Role != "WORKSPACE_AUTHOR" || p.Pipeline.Branch != "release" || p.Name != "etl-prod" {
			t.Errorf("plan is %+v", p)
		}
		golden(t, "journey", term.transcript.String())
	})
}

// atEachPrompt calls check once for every prompt of the journey, with a terminal whose script ends
// there.
func atEachPrompt(t *testing.T, check func(t *testing.T, w *world, term *terminal)) {
	t.Helper()
	for n := range journey {
		check(t, &world{workspaces: 24}, newTerminal(journey[:n]...))
	}
}

func TestEndOfInput(t *testing.T) {
	t.Parallel()
	atEachPrompt(t, func(t *testing.T, w *world, term *terminal) {
		n := len(term.script)
		out, err := term.run(t.Context(), t, w)
		if err == nil || err.Error() != "the input ended before all questions were answered" || hint.Of(err).Next == "" || out.Confirmed || out.Err != nil {
			t.Errorf("after %d answers: %+v, %v", n, out, err)
		}
	})
}

func TestCancelled(t *testing.T) {
	t.Parallel()
	atEachPrompt(t, func(t *testing.T, w *world, term *terminal) {
		n := len(term.script)
		ctx, cancel := context.WithCancel(t.Context())
		term.end = cancel // and the input stays open
		out, err := term.run(ctx, t, w)
		if !errors.Is(err, context.Canceled) || out.Confirmed {
			t.Errorf("after %d answers: %+v, %v", n, out, err)
		}
	})
}

func TestLeave(t *testing.T) {
	t.Parallel()
	atEachPrompt(t, func(t *testing.T, w *world, term *terminal) {
		n := len(term.script)
		term.script = append(slices.Clone(term.script), "q")
		if out, err := term.run(t.Context(), t, w); err != nil || out.Confirmed {
			t.Errorf("after %d answers: %+v, %v", n, out, err)
		}
	})
}

// A person who types ahead, or a pipe, gives all lines at once; the last needs no line break.
func TestTypedAhead(t *testing.T) {
	t.Parallel()
	w := &world{}
	in := strings.NewReader("\r\n\n \nyes")
	out, err := line.Run(t.Context(), w.session(), line.Options{In: in, Out: io.Discard})
	if err != nil || !out.Confirmed || len(w.did) != 3 {
		t.Errorf("did %v, %+v, %v", w.did, out, err)
	}
}

func TestOnlyYesConfirms(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{"", "no", "n", "y", "ye", "yes please", "=yes", "ja", "true", "r", "0", "99"} {
		w := &world{}
		term := newTerminal("", "", "", answer)
		out, err := term.run(t.Context(), t, w)
		if err == nil || out.Confirmed || !strings.Contains(term.printed.String(), "Nothing was done: that needs the word yes.") {
			t.Errorf("%q: %+v, %v\n%s", answer, out, err, term.transcript.String())
		}
	}
}

func TestLoadErrors(t *testing.T) {
	t.Parallel()
	boom := hint.Wrap(errors.New("dial tcp: refused\x1b[2J\u202e"), "list the roles", "Look at the network.", "https://status.astronomer.io")
	times := func(n int) func() error {
		return func() error {
			if n--; n >= 0 {
				return boom
			}
			return nil
		}
	}
	w := &world{find: times(2), loadRole: times(3), check: times(2)}
	term := newTerminal("x", "r", "b", "r", // find: not understood, again, there is no back here, again
		"", "",
		"y", "r", "b", // the roles: not understood, again, back to the job (the only Workspace answers itself)
		"2", "r", "", // the job again, and the roles once more
		"", "r", "yes", "b", // branch, then the review: again; yes means nothing without one; back to the branch
		"trunk", "yes")
	out, err := term.run(t.Context(), t, w)
	if err != nil || !out.Confirmed || len(w.did) != 3 {
		t.Errorf("%+v, %v", out, err)
	}
	golden(t, "load-errors", term.transcript.String())
}

// What failed before the first question decides the exit code, so the end of the input does not
// hide it.
func TestFindFailsWithNobodyThere(t *testing.T) {
	t.Parallel()
	boom := hint.New("not logged in to Astro", "Run astro login.", "")
	out, err := newTerminal().run(t.Context(), t, &world{find: func() error { return boom }})
	if !errors.Is(err, boom) || out.Confirmed {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestGivenAnswersThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	w := &world{given: map[string]string{"job": "users", "branch": "a..b", "role": "nope"}, refuse: "users"}
	// The job is refused again, then the other one; the role; branch: back to the role, then the text b.
	term := newTerminal("2", "1", "", "b", "", "=b", "yes")
	out, err := term.run(t.Context(), t, w)
	if err != nil || !out.Confirmed || out.Review.Result.Plan.Pipeline.Branch != "b" {
		t.Errorf("%+v, %v", out, err)
	}
	golden(t, "given", term.transcript.String())
}

func TestKeysThatAreNoText(t *testing.T) {
	t.Parallel()
	for _, typed := range []string{"\x1b[A", "\x00", "\xff", "a\u202eb"} {
		term := newTerminal(typed, "2", "q")
		if out, err := term.run(t.Context(), t, &world{}); err != nil || out.Confirmed || !strings.Contains(term.printed.String(), "no text") {
			t.Errorf("%q: %+v, %v", typed, out, err)
		}
	}
}

type broken struct{ prompts int }

func (b *broken) Write(p []byte) (int, error) {
	if strings.HasSuffix(string(p), "> ") {
		if b.prompts--; b.prompts < 0 {
			return 0, errors.New("broken pipe")
		}
	}
	return len(p), nil
}

// Nobody confirms what nobody can see.
func TestOutputThatIsGone(t *testing.T) {
	t.Parallel()
	w := &world{}
	out, err := line.Run(t.Context(), w.session(), line.Options{In: strings.NewReader("\n\n\nyes\n"), Out: &broken{prompts: 3}})
	if err == nil || !strings.Contains(err.Error(), "broken pipe") || out.Confirmed || len(w.did) > 0 {
		t.Errorf("%+v, %v, did %v", out, err, w.did)
	}
}

func TestInputThatFails(t *testing.T) {
	t.Parallel()
	r := io.MultiReader(strings.NewReader("\n"), io.LimitReader(endless{}, 1<<20))
	out, err := line.Run(t.Context(), (&world{}).session(), line.Options{In: r, Out: io.Discard})
	if err == nil || hint.Of(err).Doing != "read the answer" || out.Confirmed {
		t.Errorf("%+v, %v", out, err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// Whatever is typed, only yes makes something happen, and nothing odd is printed.
func FuzzAnswers(f *testing.F) {
	f.Add(strings.Join(journey, "\n"))
	f.Add("b\n?\n=b\nm\n\n\n\n\n\n1\n2\n3")
	f.Add("\x1b[A\n9999999999999999999999\n-1\n=\n==")
	f.Fuzz(func(t *testing.T, typed string) {
		var script []string
		for l := range strings.SplitSeq(typed, "\n") {
			if !strings.EqualFold(strings.TrimSpace(l), "yes") {
				script = append(script, l)
			}
		}
		w := &world{workspaces: 24}
		out, err := newTerminal(script...).run(t.Context(), t, w)
		if out.Confirmed || err == nil && !slices.ContainsFunc(script, func(l string) bool { return strings.TrimSpace(l) == "q" }) {
			t.Fatalf("%+v, %v", out, err)
		}
	})
}

// A sentence is folded between words at the edge of the terminal; what is to be copied is not.
func TestFolding(t *testing.T) {
	t.Parallel()
	w := &world{}
	var out strings.Builder
	if _, err := line.Run(t.Context(), w.session(), line.Options{In: strings.NewReader("\n\n\nyes\n"), Out: &out, Width: 30}); err != nil {
		t.Fatal(err)
	}
	asked, result, _ := strings.Cut(out.String(), "\nDone.")
	for l := range strings.Lines(asked) {
		if l = strings.TrimSuffix(l, "\n"); utf8.RuneCountInString(l) > 30 && strings.Contains(l, " ") {
			t.Errorf("%q is longer than the terminal", l)
		}
	}
	for _, want := range []string{"or b to go back. Enter\nalone means no.\n", "Production, tok1, expires\n2027-02-21\n"} {
		if !strings.Contains(asked, want) {
			t.Errorf("no %q in\n%s", want, asked)
		}
	}
	if !strings.Contains(result, "git add .github/workflows/astro-etl.yml\n") {
		t.Errorf("what is to be copied is folded:\n%s", result)
	}
}
