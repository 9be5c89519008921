package doctor

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/apply"
	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/inventory"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Program is a program of this computer.
type Program struct {
	Name   string
	Found  bool
	Said   string // what it says of its version
	Needed string // what needs it; "" when nothing does
	Get    string // how it is got
}

var versionNumber = pattern.New(`\d+\.\d+(\.\d+)*`)

// Version is the first number in what it says, or "".
func (p Program) Version() string { return versionNumber.FindString(p.Said) }

// Tool judges a program of which any version will do.
func Tool(p Program) Row {
	r := Row{Group: Tools, Subject: p.Name, State: OK, Reason: p.Version()}
	switch {
	case !p.Found && p.Needed != "":
		r.State, r.Reason, r.Next = Stale, "it is not there; "+p.Needed, p.Get
	case !p.Found:
		r.Reason = "it is not there, and nothing here needs it"
	case r.Reason == "":
		r.State, r.Reason = Unknown, "it does not say its version"
	}
	return r
}

// AstroCLI judges the Astro CLI of this computer by the newest version that astro-ci knows. The pipelines
// do not depend on it.
func AstroCLI(p Program, newest string) Row {
	r := Row{Group: Tools, Subject: p.Name, State: OK, Reason: p.Version()}
	v := p.Version()
	switch {
	case !p.Found:
		r.Reason = "it is not there; the pipelines install their own"
	case v == "":
		r.State, r.Reason = Unknown, "it does not say its version"
	case pipeline.Newer(newest, v) && !pipeline.Newer(v, ""):
		r.State, r.Reason, r.Next = Stale, v+" is not of the 1.x line, which the pipelines use", "Install "+newest+" to deploy the same projects by hand."
	case pipeline.Newer(newest, v):
		r.State, r.Reason, r.Next = Stale, v+"; the newest that astro-ci knows is "+newest, "Upgrade it, as its page of releases says: https://github.com/astronomer/astro-cli/releases"
	}
	return r
}

// AstroLogin judges the log-in to Astro. err is why it was not found or not accepted.
func AstroLogin(who astro.Who, err error, now time.Time) Row {
	r := Row{Group: LogIns, Subject: "Astro", State: OK}
	if err != nil {
		r = Failed(LogIns, "Astro", err)
		if errors.Is(err, astro.ErrNoLogin) {
			r.State = Stale
		}
		return r
	}
	name := who.User.String()
	if name == "" {
		name = "API token " + who.TokenID
	}
	r.Reason = name + ", from " + who.Source
	switch {
	case who.EndsAt.IsZero():
	case now.Before(who.EndsAt):
		r.Reason += ", until " + display.Minute(who.EndsAt)
	default:
		r.State, r.Reason, r.Next = Stale, r.Reason+", ended on "+display.Day(who.EndsAt), "astro-ci login"
		return r
	}
	if len(who.Organizations) == 0 {
		r.State, r.Reason, r.Next = Stale, r.Reason+"; it sees no Organization", "Ask an Organization Owner to add you, or log in as somebody else: astro-ci login"
	}
	return r
}

// Login is the log-in to a platform or a secrets backend.
type Login struct {
	Name, Source string
	Missing      error     // why none was found
	Tried        []error   // what came of using it, nil for what went well
	Who          string    // as the service says; may be empty
	Ends         time.Time // zero when it has no end, or the service does not tell
}

// Row judges the log-in.
func (l Login) Row() Row {
	r := Row{Group: LogIns, Subject: l.Name, State: OK, Reason: l.Source}
	if l.Missing != nil {
		r = Failed(LogIns, l.Name, l.Missing)
		if errors.Is(l.Missing, providers.ErrNoLogin) {
			r.State = Stale
		}
		return r
	}
	if l.Who != "" {
		r.Reason = l.Who + ", from " + l.Source
	}
	if !l.Ends.IsZero() {
		r.Reason += ", until " + display.Day(l.Ends)
	}
	for _, err := range l.Tried {
		if httpx.Status(err) == http.StatusUnauthorized {
			h := hint.Of(err)
			r.State, r.Reason, r.Next = Stale, l.Source+": "+h.Error(), h.Next
			return r
		}
	}
	if !slices.ContainsFunc(l.Tried, func(err error) bool { return err == nil || !Unreached(err) }) {
		r.State, r.Reason = Unknown, r.Reason+"; it was not tried"
	}
	return r
}

// Right judges what came of asking whether something may be done; note is what the answer said.
func Right(subject, note string, err error) Row {
	if err != nil {
		return Failed(Rights, subject, err)
	}
	if note == "" {
		note = "it can be written"
	}
	return Row{Group: Rights, Subject: subject, State: OK, Reason: note}
}

// Policy judges a rule of a platform.
func Policy(platform string, q providers.Policy) Row {
	r := Row{Group: Policies, Subject: platform + ": " + q.Rule + ", " + q.On.String(), State: OK, Reason: q.Say.String(), Next: q.Next}
	switch {
	case !q.Known:
		r.State = Unknown
	case !q.Fits:
		r.State = Stale
	}
	return r
}

// IPList judges the IP access list of an Organization. From where a pipeline asks is not known here.
func IPList(o astro.Organization) Row {
	r := Row{Group: Policies, Subject: "Astro: IP access list, " + o.Name.String(), State: OK, Reason: "there is none"}
	if o.HasIPAllowList {
		r.State, r.Reason = Unknown, "there is one; whether the pipelines' runners are on it is not known here"
		r.Next = "Compare the addresses of the runners with the list in the settings of the Organization."
	}
	return r
}

// Enforcement judges whether a Deployment takes deploys from API tokens only. A pipeline of astro-ci uses one.
func Enforcement(d astro.Deployment) Row {
	r := Row{Group: Policies, Subject: "Astro: CI/CD enforcement, " + d.Name.String(), State: OK, Reason: "only API tokens may deploy to it"}
	if !d.CICDEnforced {
		r.Reason = "it is not enforced: people may deploy to it beside the pipeline"
	}
	return r
}

// Finding is what the inventory says of a setup or its token, as a row.
func Finding(name string, found []inventory.Finding) Row {
	r := Row{Group: Drift, Subject: name + ": token", State: OK, Reason: "it is on Astro"}
	if len(found) == 0 {
		return r
	}
	f := found[0]
	r.Reason, r.Next = f.Say, f.Next
	switch {
	case f.Person:
		r.State = Stale
	case f.Key == inventory.NotAsked:
		r.State = Unknown
	}
	return r
}

// Entry judges what there is of a setup by what astro-ci.yaml says.
func Entry(name string, d apply.Decision) Row {
	r := Row{Group: Drift, Subject: name + ": astro-ci.yaml", State: OK, Reason: "it is as the file says"}
	switch d.Verdict {
	case apply.Create, apply.Change, apply.Wrong:
		r.State, r.Reason, r.Next = Stale, strings.Join(d.Why, "; "), "astro-ci apply "+name
	case apply.Orphan:
		r.State, r.Reason, r.Next = Stale, "the file does not name it", "Take it back with astro-ci remove "+name+", or add it: astro-ci setup --like "+name
	case apply.Rotate, apply.Finish:
		r.Reason += "; " + strings.Join(d.Why, "; ")
	case apply.Keep:
	}
	return r
}

// File judges a file of the pipeline by what would be rendered now. entry is the setup in astro-ci.yaml
// that it belongs to.
func File(name, entry string, c pipeline.Change, err error) Row {
	if err != nil {
		return Failed(Drift, name+": pipeline", err)
	}
	r := Row{Group: Drift, Subject: name + ": " + c.Path, State: OK, Reason: "it is what astro-ci writes now"}
	switch {
	case !c.Existed:
		r.State, r.Reason, r.Next = Stale, "the file is missing", "astro-ci apply "+entry
	case c.Changed():
		r.State, r.Reason, r.Next = Stale, "its part of astro-ci is not what would be written now", "astro-ci apply "+entry
	}
	return r
}

// Pin judges the Astro CLI that a pipeline installs by the newest version that astro-ci knows.
func Pin(name, version, newest string) Row {
	r := Row{Group: Drift, Subject: name + ": Astro CLI of the pipeline", State: OK, Reason: version}
	if pipeline.Newer(newest, version) {
		r.State, r.Reason = Stale, version+"; the newest that astro-ci knows is "+newest
		r.Next = "Set cli-version of " + name + " to " + newest + " in astro-ci.yaml, then: astro-ci apply " + name
	}
	return r
}

// Strays are the tokens that live and carry the mark of a setup that is not known. here are the begins of the
// names of tokens that were made for this repository; the others are counted.
func Strays(tokens []astro.Token, known, here []string, now time.Time) (out []Row) {
	elsewhere := 0
	for _, t := range tokens {
		name := setup.ParseMark(t.Description.String()).Setup
		if name == "" || t.Expired(now) || slices.Contains(known, name) {
			continue
		}
		if !slices.ContainsFunc(here, func(h string) bool { return t.Name.String() == h || strings.HasPrefix(t.Name.String(), h+"#") }) {
			elsewhere++
			continue
		}
		out = append(out, Row{
			Group: Drift, Subject: "token " + t.ID, State: Stale, Reason: fmt.Sprintf("it is of the setup %s of this repository, of which there is no journal here and no entry in astro-ci.yaml", name),
			Next: "Put the entry back, or delete it when nothing uses it: astro-ci token revoke " + t.ID,
		})
	}
	if elsewhere > 0 {
		out = append(out, Row{Group: Drift, Subject: "other setups", State: Unknown, Reason: fmt.Sprintf("tokens on Astro of setups that are not known here: %d", elsewhere), Next: "astro-ci status lists them."})
	}
	return out
}
