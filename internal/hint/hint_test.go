package hint_test

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/astro-ci/astro-ci/internal/hint"
)

// One thing more to do is said where people read what to do, and what failed stays as it was said.
func TestAnd(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err  error
		says string
	}{
		"a hint":          {hint.New("read it", "Log in.", "https://example.com"), "Log in. Or ask."},
		"around a cause":  {hint.Wrap(fs.ErrPermission, "read it", "Log in.", ""), "Log in. Or ask."},
		"around a hint":   {hint.Wrap(fmt.Errorf("look: %w", hint.Wrap(fs.ErrPermission, "read it", "Log in.", "")), "begin", "Nothing.", ""), "Log in. Or ask."},
		"joined":          {errors.Join(hint.Wrap(fs.ErrPermission, "read it", "Log in.", "")), "Log in. Or ask."},
		"no hint":         {fs.ErrPermission, "Or ask."},
		"nothing to do":   {hint.New("read it", "", ""), "Or ask."},
		"a cause in text": {fmt.Errorf("begin: %w", hint.Wrap(fs.ErrPermission, "read it", "Log in.", "")), "Log in. Or ask."},
	} {
		got := hint.And(tc.err, "Or ask.")
		if got.Error() != tc.err.Error() || hint.Innermost(got).Next != tc.says || hint.Of(got).Next != tc.says {
			t.Errorf("%s: %q says %q", name, got, hint.Of(got).Next)
		}
		if errors.Is(got, fs.ErrPermission) != errors.Is(tc.err, fs.ErrPermission) && name != "no hint" {
			t.Errorf("%s: the cause is lost", name)
		}
	}
}

// An advice for somebody else takes the place of the one that was there; the cause stays.
func TestInstead(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err  error
		text string
	}{
		"a hint":         {hint.New("read it", "Log in.", "https://example.com"), "try: read it"},
		"around a cause": {hint.Wrap(fs.ErrPermission, "read it", "Log in.", ""), "try: read it: permission denied"},
		"around a hint":  {hint.Wrap(fmt.Errorf("look: %w", hint.Wrap(fs.ErrPermission, "read it", "Log in.", "")), "begin", "Nothing.", ""), "try: begin: look: read it: permission denied"},
		"no hint":        {fs.ErrPermission, "try: permission denied"},
	} {
		got := hint.Instead(tc.err, "try", "Ask.", "https://example.com/ask")
		if h := hint.Innermost(got); got.Error() != tc.text || h.Next != "Ask." || h.Link != "https://example.com/ask" || errors.Is(got, fs.ErrPermission) != errors.Is(tc.err, fs.ErrPermission) {
			t.Errorf("%s: %q, %+v", name, got, h)
		}
	}
}
