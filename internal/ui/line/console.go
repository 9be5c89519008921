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

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
)

// errLeave says that the person asked to leave.
var errLeave = errors.New("left by the person")

// errEnded says that nobody is there to answer.
var errEnded = hint.New("the input ended before all questions were answered",
	"Answer on a terminal, or give every answer as a flag.", "")

// console prints lines and reads answers.
type console struct {
	out    io.Writer
	failed error // the first write that failed: nobody sees the questions any more
	lines  chan string
	err    error // why lines was closed; nil: the end of the input
}

// newConsole starts to read. The reading ends with the input or with the first line after stop; a
// read that is under way cannot be cut short.
func newConsole(o Options) (c *console, stop func()) {
	c = &console{out: o.Out, lines: make(chan string)}
	over := make(chan struct{})
	go func() {
		defer close(c.lines)
		in := bufio.NewScanner(o.In)
		for in.Scan() {
			select {
			case c.lines <- in.Text():
			case <-over:
				return
			}
		}
		c.err = in.Err()
	}()
	return c, func() { close(over) }
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

func (c *console) say(format string, args ...any) { _, _ = fmt.Fprintf(c, format+"\n", args...) }

// ask waits for one line, without the white space around it. The word q is errLeave.
func (c *console) ask(ctx context.Context) (string, error) {
	for {
		_, _ = fmt.Fprint(c, "> ")
		if c.failed != nil {
			return "", c.failed
		}
		var text string
		var open bool
		select {
		case text, open = <-c.lines:
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
			return "", errEnded
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

// literal is what was meant as text: "=b" is the text b, not the command.
func literal(text string) string { return strings.TrimPrefix(text, "=") }
