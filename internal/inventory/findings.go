package inventory

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/rotation"
)

// Key names a kind of finding; it stays the same from version to version.
type Key string

// The findings, the gravest first.
const (
	Damaged     Key = "damaged"       // the journal of a setup cannot be read
	Gone        Key = "gone"          // the token of a setup is no longer there
	Unseen      Key = "unseen"        // the token of a setup is gone, or the log-in does not see it
	Expired     Key = "expired"       // the token's life is over
	Unfinished  Key = "unfinished"    // an operation on a setup has begun and not ended
	Soon        Key = "soon"          // the token ends soon
	CreatorGone Key = "creator-gone"  // the user who made the token is no longer there
	Duplicate   Key = "duplicate"     // another token makes this one superfluous
	NeverEnds   Key = "never-expires" // the token has no end
	NeverUsed   Key = "never-used"    // and it was made some time ago
	Unused      Key = "unused"        // not used for some time
	Due         Key = "due"           // two thirds of the life of a setup's token are over
	Replaced    Key = "replaced"      // the token of a setup was replaced from another computer
	NotAsked    Key = "unknown"       // Astro was not asked
)

// Keys are the findings, the gravest first.
func Keys() []Key {
	return []Key{Damaged, Gone, Unseen, Expired, Unfinished, Soon, CreatorGone, Duplicate, NeverEnds, NeverUsed, Unused, Due, Replaced, NotAsked}
}

// Finding is one thing that somebody should know of an item.
type Finding struct {
	Key Key
	Say string // in words, without a full stop
	// Next is the command that helps; "" when there is none.
	Next string
	// Person says that somebody has to do something.
	Person bool
}

const (
	soon      = 14 * 24 * time.Hour // as the first step of the pipelines warns
	settled   = 7 * 24 * time.Hour  // after which a token should have been used
	elsewhere = 24 * time.Hour      // that a rotation on another computer may take
	remember  = 30 * 24 * time.Hour // that the end of a token of others is news
	needed    = 7 * 24 * time.Hour  // before its end in which a use says that something still needed it
)

// gravity orders lists of findings: those that need a person first, then by the gravest.
func gravity(all []Finding) int {
	keys := Keys()
	if len(all) == 0 {
		return 2 * len(keys)
	}
	n := slices.Index(keys, all[0].Key)
	if !all[0].Person {
		n += len(keys)
	}
	return n
}

func sorted(all []Finding) []Finding {
	slices.SortStableFunc(all, func(x, y Finding) int { return gravity([]Finding{x}) - gravity([]Finding{y}) })
	return all
}

// setup is the item of a setup about which there is something to say that is not of one token.
func (b *builder) setup(s Setup) (Item, bool) {
	i := Item{Whose: Ours, Setup: s.Name}
	b.attach(&i, s)
	add := func(f Finding) (Item, bool) {
		i.Findings = append(i.Findings, f)
		return i, true
	}
	switch {
	case s.Damaged != nil:
		why := hint.Of(s.Damaged)
		return add(Finding{Key: Damaged, Say: strings.Trim(why.Error()+". "+why.Next, " ."), Person: true})
	case s.Unfinished != "":
		return add(Finding{Key: Unfinished, Say: s.Unfinished, Next: "astro-ci resume " + s.Name, Person: s.Until.IsZero()})
	case !b.Asked:
		return add(Finding{Key: NotAsked, Say: "Astro was not asked about its token " + s.Token})
	case s.Token == "" || b.listed[s.Token]:
		return i, false
	case b.marks[s.Name].ID != "":
		return add(Finding{Key: Replaced, Say: "its token " + s.Token + " was replaced from elsewhere: " + b.marks[s.Name].ID + " has its mark"})
	case b.sees(s.Plan.Organization.ID, s.Plan.Workspace.ID):
		return add(Finding{Key: Gone, Say: "its token " + s.Token + " is no longer on Astro", Next: rotate(s.Name), Person: true})
	}
	return add(Finding{Key: Unseen, Say: "its token " + s.Token + " is gone, or your log-in does not see it", Person: true})
}

func rotate(name string) string { return "astro-ci rotate " + name }

// findings are what there is to say of a token.
func (b *builder) findings(i Item) (out []Finding) {
	t := *i.Token
	if i.Whose == Ours && b.byName[i.Setup].Unfinished != "" {
		return nil
	}
	add := func(k Key, person bool, next, format string, args ...any) {
		out = append(out, Finding{Key: k, Say: fmt.Sprintf(format, args...), Next: next, Person: person})
	}
	current, replace := i.Whose != Others && b.uses(i.Setup) == t.ID, ""
	if current {
		replace = rotate(i.Setup)
	}
	if t.Expired(b.Now) {
		news := b.Now.Sub(t.EndAt) < remember
		missed := current && i.Whose == Ours || news && (current || t.EndAt.Sub(t.Used()) < needed)
		add(Expired, missed, replace, "it expired on %s", display.Day(t.EndAt))
		return out
	}
	idle := b.Now.Sub(later(t.Used(), t.CreatedAt)) >= b.Unused
	switch {
	case t.EndAt.IsZero():
		add(NeverEnds, false, replace, "it never expires")
	case b.ending(t):
		add(Soon, current || !t.Used().IsZero() && !idle, replace, "it ends on %s, %s", display.Day(t.EndAt), in(t.EndAt.Sub(b.Now)))
	case current && !b.Now.Before(rotation.DueAt(t)):
		add(Due, false, replace, "two thirds of its life are over; it ends on %s", display.Day(t.EndAt))
	}
	if by := t.CreatedBy; by.Type == "USER" && b.gone(by.ID) {
		add(CreatorGone, true, replace, "%s, who made it, is no longer in the Organization", by)
	}
	say := b.duplicate(i)
	if say != "" {
		next := "astro-ci token show " + t.ID
		if t.Used().IsZero() || idle {
			next = "astro-ci token revoke " + t.ID
		}
		add(Duplicate, false, next, "%s", say)
	}
	switch {
	case b.unused(t) && (say == "" || i.Whose == Marked):
		words := "it was never used"
		if !t.LastUsedAt.IsZero() {
			words = "no run has used it"
		}
		add(NeverUsed, false, "", "%s, and it was made on %s", words, display.Day(t.CreatedAt))
	case !t.Used().IsZero() && idle:
		add(Unused, false, "", "it was last used on %s, %s", display.Day(t.Used()), ago(b.Now.Sub(t.Used())))
	}
	return sorted(out)
}

// uses is the token that a setup uses, as far as can be told: the one of its journal, or where there is none
// the newest with its mark. "" when that is not known.
func (b *builder) uses(name string) string {
	if s := b.byName[name]; b.listed[s.Token] {
		return s.Token
	}
	return cmp.Or(b.marks[name].ID, b.ended[name].ID)
}

// duplicate says why a token that lives is superfluous; "" when it is not.
func (b *builder) duplicate(i Item) string {
	t := *i.Token
	switch s, uses := b.byName[i.Setup], b.uses(i.Setup); {
	case i.Whose == Ours:
		return ""
	case i.Whose == Others:
	case s.Damaged != nil || s.Unfinished != "" || uses == t.ID || b.Now.Sub(b.marks[i.Setup].CreatedAt) < elsewhere:
		return ""
	default:
		return "it has the mark of the setup " + i.Setup + ", which uses " + uses
	}
	if !b.unused(t) {
		return ""
	}
	switch x := b.best[purpose(t)]; {
	case x.ID == "" || x.ID == t.ID:
		return ""
	case b.unused(x):
		return "it was never used, and " + x.ID + ", which is newer, has the same role on the same thing"
	default:
		return "it was never used, and " + x.ID + " has the same role on the same thing"
	}
}

// ending reports whether the end of a token is near.
func (b *builder) ending(t astro.Token) bool {
	return !t.EndAt.IsZero() && !b.Now.Before(later(t.EndAt.Add(-soon), rotation.DueAt(t)))
}

// unused reports whether a token was not used in the time in which it should have been.
func (b *builder) unused(t astro.Token) bool {
	return t.Used().IsZero() && b.Now.Sub(t.CreatedAt) >= min(settled, b.Unused)
}

// newer reports whether x was made after y; the id decides when both were made at once.
func newer(x, y astro.Token) bool {
	c := x.CreatedAt.Compare(y.CreatedAt)
	return y.ID == "" || c > 0 || c == 0 && x.ID > y.ID
}

func later(x, y time.Time) time.Time {
	if x.After(y) {
		return x
	}
	return y
}

func in(d time.Duration) string {
	switch n := int(d.Hours() / 24); n {
	case 0:
		return "within a day"
	case 1:
		return "in 1 day"
	default:
		return fmt.Sprintf("in %d days", n)
	}
}

func ago(d time.Duration) string { return fmt.Sprintf("%d days ago", int(d.Hours()/24)) }
