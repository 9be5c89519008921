package doctor

import (
	"fmt"
	"net/http"
	"time"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/rotation"
)

// Verdict is what was found of a token or of a target.
type Verdict string

// The verdicts.
const (
	Holds   Verdict = "holds"   // as astro-ci made or wrote it
	Missing Verdict = "missing" // it is not there
	Ended   Verdict = "ended"   // of a token: its life is over
	Changed Verdict = "changed" // of a target: somebody else wrote it
	Unclear Verdict = "unclear" // it cannot be told
)

// Person reports whether somebody has to do something.
func (v Verdict) Person() bool { return v == Missing || v == Ended || v == Changed }

// Checked is one thing that was asked for.
type Checked struct {
	Subject string // id of the token, or the target
	Verdict Verdict
	Reason  string
	Next    string // what to do; may be empty
	Err     error  // why it could not be asked; nil when it was
}

// Verified is what Astro says of the token of a setup, and each store of the last write.
type Verified struct {
	Setup   string
	Token   Checked
	Targets []Checked
	Err     error // why the setup is not known; then there is nothing else
}

// Person reports whether something needs somebody.
func (v Verified) Person() bool {
	for _, c := range append([]Checked{v.Token}, v.Targets...) {
		if c.Verdict.Person() {
			return true
		}
	}
	return false
}

// Failures are why something could not be asked.
func (v Verified) Failures() (out []error) {
	if v.Err != nil {
		out = append(out, v.Err)
	}
	for _, c := range append([]Checked{v.Token}, v.Targets...) {
		if c.Err != nil {
			out = append(out, c.Err)
		}
	}
	return out
}

// Token judges what Astro answered about the token with this id; "" stands for a setup that has none.
func Token(name, id string, t astro.Token, err error, now time.Time) Checked {
	c := Checked{Subject: id, Verdict: Holds}
	switch {
	case id == "":
		c.Verdict, c.Reason, c.Next = Missing, "there is none on Astro", "astro-ci apply "+name
	case httpx.Status(err) == http.StatusNotFound:
		c.Verdict, c.Reason, c.Next = Missing, "it is no longer on Astro", "astro-ci rotate "+name
	case err != nil:
		c.failed(err)
	case t.Expired(now):
		c.Verdict, c.Reason, c.Next = Ended, "it expired on "+display.Day(t.EndAt), "astro-ci rotate "+name
	default:
		words, _ := rotation.Due(t, now)
		used := "used by no run yet"
		if !t.Used().IsZero() {
			used = "last used on " + display.Day(t.Used())
		}
		c.Reason = fmt.Sprintf("it is on Astro, role %s; %s; %s", t.On().Role, words, used)
	}
	return c
}

// Target judges what a store answered about a target. wrote compares the store's mark with the last write.
func Target(name, target string, st providers.State, err error, wrote func(version string) rotation.Check) Checked {
	c := Checked{Subject: target, Verdict: Unclear}
	switch {
	case err != nil:
		c.failed(err)
		return c
	case !st.Exists:
		c.Verdict, c.Reason, c.Next = Missing, "the secret is missing", "astro-ci rotate "+name
		return c
	}
	switch wrote(st.Version) {
	case rotation.Same:
		c.Verdict, c.Reason = Holds, "it holds what astro-ci wrote last"
	case rotation.Differs:
		c.Verdict, c.Reason, c.Next = Changed, "it was written by somebody else since", "astro-ci rotate "+name
	default:
		c.Reason = "it is there; nothing shows by whom it was written last"
	}
	return c
}

// RunsLogin judges what a store answered about the log-in by which scheduled runs write secrets. next is how
// they get another one.
func RunsLogin(target, next string, st providers.State, err error) Checked {
	c := Checked{Subject: target, Verdict: Holds, Reason: "a log-in for the scheduled runs is there; only a person can renew it"}
	switch {
	case err != nil:
		c.failed(err)
	case !st.Exists:
		c.Verdict, c.Reason, c.Next = Missing, "the log-in of the scheduled runs is missing, so they fail", next
	}
	return c
}

// Read adds what the value of a target says of itself: the id of the token that it is of, "" when it has not
// the form of one. want is the token that it should hold, "" when that is not known.
func (c Checked) Read(name, id, want string, err error) Checked {
	switch {
	case err != nil:
		c.Reason += "; its value could not be read: " + hint.Of(err).Error()
	case want == "":
		c.Reason += "; which token it should hold is not known"
	case id == want:
		c.Verdict, c.Reason, c.Next = Holds, c.Reason+"; its value is of the token "+want, ""
	case id == "":
		c.Verdict, c.Reason, c.Next = Changed, "its value does not have the form of a token", "astro-ci rotate "+name
	default:
		c.Verdict, c.Reason, c.Next = Changed, "its value is of another token than "+want, "astro-ci rotate "+name
	}
	return c
}

func (c *Checked) failed(err error) {
	h := hint.Of(err)
	c.Verdict, c.Err, c.Reason, c.Next = Unclear, err, "it could not be asked: "+h.Error(), h.Next
}

// Row is what was found, as a row. What could not be asked because of a refusal is unknown here: the rights
// say so.
func (c Checked) Row(g Group, subject string) Row {
	r := Row{Group: g, Subject: subject, State: Unknown, Reason: c.Reason, Next: c.Next}
	switch {
	case c.Verdict == Holds:
		r.State = OK
	case c.Verdict.Person():
		r.State = Stale
	}
	return r
}
