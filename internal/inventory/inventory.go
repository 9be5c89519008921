// Package inventory says what there is: every API token of an Organization, ours and those of others,
// what depends on each, and what somebody should look at. It is pure data and rules; what it knows is
// given to it, and what nobody could tell is unknown, never fine.
//
// # Rules
//
// An Item has its findings in an order of gravity. A finding needs a person when something is broken,
// will break soon, or may be in the wrong hands; the others are advice. A scheduler acts on the first
// kind, so it stays small: a token that nothing seems to use may end without anybody being called.
//
//   - A token that has ended is expired and nothing else: whatever else could be said of it, nobody
//     needs it any more.
//   - A token is soon at its end in the last third of its life, at most 14 days ahead; that is when
//     pipelines begin to warn. Due, at two thirds of its life, is said of setups only, as astro-ci can
//     replace their tokens.
//   - The tokens of a setup that is not finished are left alone: there are two of them for good reason.
//     What it needs is said of the setup.
//   - Never used is said of a token that was made a week ago, or earlier.
//   - The creator is gone when Astro names a user who is none of the Organization's. The token still
//     works, and its maker may know its value. Tokens made by other tokens are not judged.
//   - A token is a duplicate when it lives and another one makes it superfluous. Either both carry the
//     mark of one setup, and this one is not what the setup uses. (Where no journal here knows that, the
//     newest one is taken to be in use. Nothing is said for a day after the newest one was made: a
//     rotation may be at work elsewhere.) Or it was never used, a week after it was made, while
//     another token of the same kind, which does not end soon, has the same roles on the same things; of
//     several that were never used, the newest is spared. Then never used is not said as well. Two tokens
//     with the same role that are both used are two pipelines, as it should be, and no duplicates.
package inventory

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/rotation"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// DefaultUnused is after how long without a use a token is unused.
const DefaultUnused = 90 * 24 * time.Hour

// Setup is a setup that this computer has a journal of.
type Setup struct {
	Name string
	Plan setup.Plan
	// Token is the id of the token in use.
	Token string
	// Tokens are the ids that an unfinished operation knows, those before it included.
	Tokens []string
	// Unfinished says why an operation does not go on; "" when there is none. Until is when it can go on by
	// itself; zero when it can now, so that it was broken off.
	Unfinished string
	Until      time.Time
	// Damaged is why the journal cannot be read; then nothing but the name is known.
	Damaged error
}

// Input is all that is known.
type Input struct {
	Now          time.Time
	Unused       time.Duration // after which a token is unused; 0 stands for DefaultUnused
	Organization setup.Ref
	// Asked says that Astro was asked; without it Tokens means nothing.
	Asked  bool
	Tokens []astro.Token
	// Whole says that the tokens are those of the Organization, as far as Roles lets the log-in see them,
	// and not only those of setups.
	Whole  bool
	Setups []Setup
	Roles  []astro.TokenRole // of the log-in
	// Members, Workspaces and Deployments are nil where they could not be listed.
	Members     []astro.Member
	Workspaces  []astro.Workspace
	Deployments []astro.Deployment
}

// Whose says to whom a token belongs.
type Whose string

// The owners.
const (
	Ours   Whose = "setup"  // a setup of this computer
	Marked Whose = "marked" // made by astro-ci, for a setup that this computer has no journal of
	Others Whose = "other"
)

// Item is a token, or a setup about which there is something to say that is not of one token.
type Item struct {
	Whose    Whose
	Setup    string       // its name; "" of a token of others
	Token    *astro.Token // nil: the setup itself
	On       string       // what the token is for, by name as far as it is known
	Targets  []string
	Pipeline string // file of the setup; "" where the repository's own pipeline uses the token
	DueAt    time.Time
	Findings []Finding // the gravest first
}

// State is the key of the gravest finding, or "fine".
func (i Item) State() string {
	if len(i.Findings) == 0 {
		return "fine"
	}
	return string(i.Findings[0].Key)
}

// Person reports whether the item needs somebody.
func (i Item) Person() bool {
	return slices.ContainsFunc(i.Findings, func(f Finding) bool { return f.Person })
}

// Inventory is what there is.
type Inventory struct {
	At           time.Time
	Organization setup.Ref
	Asked, Whole bool
	Items        []Item // each token once; the gravest first
	// Bare are Workspaces for which there is no credential of an automation: no token of the Workspace and
	// none of a Deployment in it. A token of the Organization does not count, as it is for nothing in
	// particular.
	Bare []setup.Ref
	// Unknown says in sentences what could not be found out.
	Unknown []string
}

// Person reports whether something needs somebody.
func (v Inventory) Person() bool { return slices.ContainsFunc(v.Items, Item.Person) }

// New makes the inventory.
func New(in Input) Inventory {
	in.Unused = cmp.Or(in.Unused, DefaultUnused)
	b := &builder{
		Input: in, inUse: map[string]Setup{}, byName: map[string]Setup{}, names: map[string]string{}, listed: map[string]bool{},
		best: map[string]astro.Token{}, marks: map[string]astro.Token{}, ended: map[string]astro.Token{},
	}
	b.index()
	v := Inventory{At: in.Now, Organization: in.Organization, Asked: in.Asked, Whole: in.Whole, Unknown: b.unknown()}
	for _, t := range b.Tokens {
		v.Items = append(v.Items, b.token(t))
	}
	for _, s := range b.Setups {
		if i, ok := b.setup(s); ok {
			v.Items = append(v.Items, i)
		}
	}
	slices.SortStableFunc(v.Items, compare)
	v.Bare = b.bare()
	return v
}

// builder is the input and what is looked up in it often.
type builder struct {
	Input
	inUse  map[string]Setup  // by id of a token
	byName map[string]Setup  // setups by name
	names  map[string]string // what an id is called
	listed map[string]bool   // the ids that there are
	// best is, of the tokens that can do the same and do not end soon, the newest one that is used, else the
	// newest.
	best  map[string]astro.Token
	marks map[string]astro.Token // the newest token that lives and carries the mark of a setup, by its name
	ended map[string]astro.Token // the same, of those that do not live
	gone  func(id string) bool
}

func (b *builder) index() {
	b.Tokens = slices.DeleteFunc(slices.Clone(b.Tokens), func(t astro.Token) bool {
		again := b.listed[t.ID]
		b.listed[t.ID] = true
		return again
	})
	for _, s := range b.Setups {
		b.byName[s.Name] = s
		for _, id := range append(slices.Clone(s.Tokens), s.Token) {
			if id != "" {
				b.inUse[id] = s
			}
		}
		for _, r := range []setup.Ref{s.Plan.Organization, s.Plan.Workspace, s.Plan.Deployment} {
			b.names[r.ID] = r.String()
		}
	}
	b.names[b.Organization.ID] = b.Organization.String()
	for _, w := range b.Workspaces {
		b.names[w.ID] = w.Name.String()
	}
	for _, d := range b.Deployments {
		b.names[d.ID] = d.Name.String()
	}
	for _, t := range b.Tokens {
		of := b.marks
		if t.Expired(b.Now) {
			of = b.ended
		}
		if name := setup.ParseMark(t.Description.String()).Setup; newer(t, of[name]) {
			of[name] = t
		}
		what := purpose(t)
		if x := b.best[what]; what != "" && !t.Expired(b.Now) && !b.ending(t) && (x.ID == "" || b.unused(x) && !b.unused(t) || b.unused(x) == b.unused(t) && newer(t, x)) {
			b.best[what] = t
		}
	}
	present := map[string]bool{}
	for _, m := range b.Members {
		present[m.ID] = !m.Gone()
	}
	b.gone = func(id string) bool { return b.Members != nil && !present[id] }
}

// purpose is what a token can do, as text; "" when Astro does not say.
func purpose(t astro.Token) string {
	if len(t.Roles) == 0 {
		return ""
	}
	var roles []string
	for _, r := range t.Roles {
		roles = append(roles, r.EntityType+" "+r.EntityID+" "+r.Role)
	}
	slices.Sort(roles)
	return t.Kind + " " + t.Scope + "\n" + strings.Join(roles, "\n")
}

// token is the item of a token.
func (b *builder) token(t astro.Token) Item {
	i := Item{Whose: Others, Token: &t, On: b.on(t)}
	name := setup.ParseMark(t.Description.String()).Setup
	s, ours := b.inUse[t.ID]
	// Made as it was broken off, a token may not be known to the journal; a namesake elsewhere has another name.
	if x := b.byName[name]; !ours && x.Unfinished != "" && t.Name.String() == x.Plan.TokenName() {
		s, ours = x, true
	}
	switch {
	case ours:
		i.Whose, i.Setup = Ours, s.Name
		b.attach(&i, s)
	case name != "":
		i.Whose, i.Setup = Marked, name
		b.attach(&i, b.byName[name])
		if platform, address, ok := strings.Cut(t.Name.String(), " "); ok && len(i.Targets) == 0 {
			if !strings.Contains(address, ":") { // it is not in another store
				address = platform + ":" + address
			}
			i.Targets = []string{address}
		}
	}
	if i.Whose != Others {
		i.DueAt = rotation.DueAt(t)
	}
	i.Findings = b.findings(i)
	return i
}

// attach adds what depends on the tokens of a setup.
func (b *builder) attach(i *Item, s Setup) {
	for _, t := range s.Plan.Targets {
		i.Targets = append(i.Targets, t.String())
	}
	i.Pipeline = s.Plan.Pipeline.File
}

// on says what a token is for.
func (b *builder) on(t astro.Token) string {
	id := t.On().EntityID
	return strings.TrimSpace(scope(t) + " " + cmp.Or(b.names[id], id))
}

// scope is what kind of thing a token is for, as people write it.
func scope(t astro.Token) string {
	if t.Scope == "" {
		return ""
	}
	return t.Scope[:1] + strings.ToLower(t.Scope[1:])
}

// compare puts the gravest item first.
func compare(x, y Item) int {
	end := func(i Item) time.Time {
		if i.Token == nil {
			return time.Time{}
		}
		return i.Token.EndAt
	}
	id := func(i Item) string {
		if i.Token == nil {
			return ""
		}
		return i.Token.ID
	}
	return cmp.Or(
		cmp.Compare(gravity(x.Findings), gravity(y.Findings)),
		cmp.Compare(slices.Index([]Whose{Ours, Marked, Others}, x.Whose), slices.Index([]Whose{Ours, Marked, Others}, y.Whose)),
		strings.Compare(x.Setup, y.Setup),
		boolean(end(x).IsZero(), end(y).IsZero()), // what never ends comes last
		end(x).Compare(end(y)),
		strings.Compare(id(x), id(y)),
	)
}

func boolean(x, y bool) int {
	switch {
	case x == y:
		return 0
	case x:
		return 1
	}
	return -1
}

// sees reports whether the log-in sees every token of an Organization, or of a Workspace in it.
func (b *builder) sees(org, workspace string) bool {
	return slices.ContainsFunc(b.Roles, func(r astro.TokenRole) bool {
		return r.Role == "ORGANIZATION_OWNER" && r.EntityID == org || workspace != "" && r.Role == "WORKSPACE_OWNER" && r.EntityID == workspace
	})
}

// bare are the Workspaces that the log-in sees whole and in which no token lives.
func (b *builder) bare() (out []setup.Ref) {
	if !b.Whole || b.Workspaces == nil || b.Deployments == nil {
		return nil
	}
	in := map[string]string{}
	for _, d := range b.Deployments {
		in[d.ID] = d.WorkspaceID
	}
	served := map[string]bool{}
	for _, t := range b.Tokens {
		if id := t.On().EntityID; !t.Expired(b.Now) {
			switch t.Scope {
			case "WORKSPACE":
				served[id] = true
			case "DEPLOYMENT":
				served[in[id]] = true
			}
		}
	}
	for _, w := range b.Workspaces {
		if !served[w.ID] && b.sees(b.Organization.ID, w.ID) {
			out = append(out, setup.Ref{ID: w.ID, Name: w.Name})
		}
	}
	return out
}

// unknown says what could not be found out.
func (b *builder) unknown() (out []string) {
	if !b.Asked {
		return []string{"Astro was not asked: nothing is known of tokens, only of what this computer has begun."}
	}
	if !b.Whole {
		return nil
	}
	if !b.sees(b.Organization.ID, "") {
		out = append(out, "Your log-in does not own the Organization: there may be tokens that it does not see.")
	}
	if b.Members == nil {
		out = append(out, "Your log-in may not list the users: whether the creator of a token has left is not known.")
	}
	if b.Workspaces == nil || b.Deployments == nil {
		out = append(out, "Your log-in may not list Workspaces and Deployments: which of them have no token is not known.")
	}
	return out
}
