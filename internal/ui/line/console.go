package line

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/terminal"
	"github.com/astro-ci/astro-ci/internal/ui"
	"github.com/astro-ci/astro-ci/internal/ui/report"
)

// errLeave says that the person asked to leave.
var errLeave = errors.New("left by the person")

// ErrEnded says that nobody is there to answer.
var ErrEnded = hint.New("the input ended before all questions were answered",
	"Answer on a terminal, or give every answer as a flag.", "")

// console prints lines and reads answers.
type console struct {
	out    io.Writer
	width  int   // in cells; 0: as wide as it takes
	failed error // the first write that failed: nobody sees the questions any more

	reading bool          // a line was asked for and has not come yet
	wanted  chan struct{} // asks for one line
	lines   chan string
	err     error // why lines was closed; nil: the end of the input
	tty     int   // the file descriptor of the input, when it is a terminal; else -1
}

// Typed asks until the name is typed that what follows needs; false says that the person left.
func Typed(ctx context.Context, ask, name string, o Options) (bool, error) {
	c, stop := newConsole(o)
	defer stop()
	c.say("%s, or q to leave.", ask)
	err := c.typed(ctx, name)
	if errors.Is(err, errLeave) {
		return false, nil
	}
	return err == nil, err
}

// newConsole starts to read: one line each time one is wanted. A read that is under way cannot be
// cut short.
func newConsole(o Options) (c *console, stop func()) {
	c = &console{out: o.Out, width: o.Width, wanted: make(chan struct{}, 1), lines: make(chan string, 1), tty: -1}
	if f, ok := o.In.(interface{ Fd() uintptr }); ok && term.IsTerminal(int(f.Fd())) {
		c.tty = int(f.Fd())
	}
	go func() {
		defer close(c.lines)
		in := bufio.NewScanner(single{o.In})
		for range c.wanted {
			if !in.Scan() {
				c.err = in.Err()
				return
			}
			c.lines <- in.Text()
		}
	}()
	return c, func() { close(c.wanted) }
}

// single reads one byte at a time: what nobody has asked for yet stays there for whoever asks next.
type single struct{ io.Reader }

func (s single) Read(p []byte) (int, error) { return s.Reader.Read(p[:min(1, len(p))]) }

// hidden keeps what is typed off the terminal while f asks. It starts before the question is shown,
// because some type ahead.
func (c *console) hidden(f func() error) error {
	if c.tty < 0 {
		return f()
	}
	restore, err := terminal.Hide(c.tty)
	if err != nil {
		return hint.Wrap(err, "keep the secret off the terminal", "Give it by its variable instead.", "")
	}
	defer restore()
	return f()
}

// Write prints text; what would act on the terminal is replaced.
func (c *console) Write(p []byte) (int, error) {
	text := strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case display.Acts(r):
			return unicode.ReplacementChar
		}
		return r
	}, strings.ReplaceAll(string(p), "\t", "    "))
	if _, err := io.WriteString(c.out, text); err != nil {
		if c.failed == nil {
			c.failed = hint.Wrap(err, "print the questions", "Look at where the output goes.", "")
		}
		return 0, err
	}
	return len(p), nil
}

// say prints a sentence. What begins with a space is meant to be copied, and is not folded.
func (c *console) say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if c.width > 0 && !strings.HasPrefix(text, " ") {
		text = strings.Join(ui.Fold(text, c.width), "\n")
	}
	_, _ = fmt.Fprintln(c, text)
}

// quote prints what stands in a file, as it stands there.
func (c *console) quote(text string) {
	defer func(out io.Writer) { c.out = out }(c.out)
	c.out = ui.Verbatim(c.out)
	_, _ = fmt.Fprintln(c, text)
}

// ask waits for one line, without the white space around it. The word q is errLeave.
func (c *console) ask(ctx context.Context) (string, error) {
	for {
		_, _ = fmt.Fprint(c, "> ")
		if c.failed != nil {
			return "", c.failed
		}
		var text string
		var open bool
		if !c.reading {
			c.reading = true
			c.wanted <- struct{}{}
		}
		select {
		case text, open = <-c.lines:
			c.reading = false
		case <-ctx.Done():
		}
		switch {
		case ctx.Err() != nil:
			c.say("")
			return "", ctx.Err()
		case !open && c.err != nil:
			c.say("")
			return "", hint.Wrap(c.err, "read the answer", "Answer on a terminal, or give every answer as a flag.", "")
		case !open:
			c.say("")
			return "", ErrEnded
		}
		text = strings.TrimSpace(text)
		switch {
		case text == "q":
			return "", errLeave
		case !utf8.ValidString(text) || strings.ContainsFunc(text, display.Acts):
			c.say("That holds a key that is no text. Please type it again.")
		default:
			return text, nil
		}
	}
}

// typed asks until the name was typed that what follows needs.
func (c *console) typed(ctx context.Context, name string) error {
	for {
		text, err := c.ask(ctx)
		if err != nil || literal(text) == name {
			return err
		}
		c.say("Nothing was done: that needs the name %s.", name)
	}
}

// retry shows why something could not be loaded and asks what to do: to try it again, or to go back, which
// back does as far as it can; where it is nil there is nothing to go back to.
func (c *console) retry(ctx context.Context, failed error, back func() bool) (again bool, err error) {
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	report.Error(c, failed)
	options := "Type r to try again, or q to leave."
	if back != nil {
		options = "Type r to try again, b to go back, or q to leave."
	}
	c.say("%s", options)
	for {
		text, err := c.ask(ctx)
		switch {
		case err != nil:
			return false, err
		case text == "r":
			return true, nil
		case text == "b" && back != nil:
			if back() {
				return false, nil
			}
		default:
			c.say("%s", options)
		}
	}
}

// converse has one conversation that changes nothing before it is confirmed; that the person left is no error.
func converse(o Options, title string, sandbox bool, lead func(*console) error) error {
	c, stop := newConsole(o)
	defer stop()
	c.greet(title, sandbox, "Type an answer and press Enter. q leaves. Nothing is done before you confirm.")
	if err := lead(c); !errors.Is(err, errLeave) {
		return err
	}
	return nil
}

// greet says what begins, and the rules of the conversation.
func (c *console) greet(title string, sandbox bool, rules string) {
	c.say("%s", title)
	if sandbox {
		c.say("This is the sandbox: no account is touched.")
	}
	c.say("%s", rules)
}

// facts says facts, a line each; one without a name belongs to the one before.
func (c *console) facts(all []ui.Fact) {
	for _, f := range all {
		switch {
		case f.Value.IsZero():
		case f.Name == "":
			c.say("  %s", f.Value)
		default:
			c.say("%s: %s", f.Name, f.Value)
		}
	}
}

// literal is what was meant as text: "=b" is the text b, not the command.
func literal(text string) string { return strings.TrimPrefix(text, "=") }
