package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/display"
)

// Who prints whose log-in it is.
func Who(w io.Writer, who astro.Who) {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	name := who.User.String()
	if name == "" {
		name = "API token " + who.TokenID
	}
	say(t, "Log-in:\t%s, from %s", name, who.Source)
	say(t, "API:\t%s", who.API)
	if !who.EndsAt.IsZero() {
		say(t, "Until:\t%s", display.Minute(who.EndsAt))
	}
	for _, o := range who.Organizations {
		say(t, "Organization:\t%s, %s", o.Name, o.ID)
	}
	for _, r := range who.Roles {
		say(t, "Role:\t%s on %s %s", r.Role, strings.ToLower(r.EntityType), r.EntityID)
	}
	_ = t.Flush()
}

// WhoJSON prints the same as one object.
func WhoJSON(w io.Writer, who astro.Who) error {
	type named struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}
	out := struct {
		Source        string            `json:"source"`
		API           string            `json:"api"`
		User          string            `json:"user"`
		TokenID       string            `json:"tokenId"`
		ExpiresAt     *time.Time        `json:"expiresAt"`
		Organizations []named           `json:"organizations"`
		Roles         []astro.TokenRole `json:"roles"`
	}{who.Source, who.API, who.User.String(), who.TokenID, timeOf(who.EndsAt), []named{}, append([]astro.TokenRole{}, who.Roles...)}
	for _, o := range who.Organizations {
		out.Organizations = append(out.Organizations, named{o.ID, o.Name.String()})
	}
	return encode(w, out)
}

// Tokens prints a table of tokens, the one that ends first at the top.
func Tokens(w io.Writer, all []astro.Token, now time.Time) {
	if len(all) == 0 {
		say(w, "There is no token here that your log-in can see.")
		return
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	say(t, "TOKEN\tSCOPE\tROLE\tENDS\tLAST USED\tNAME")
	for _, x := range slices.SortedFunc(slices.Values(all), byEnd) {
		say(t, "%s\t%s\t%s\t%s\t%s\t%s", x.ID, strings.ToLower(x.Scope), x.On().Role, ends(x, now), used(x, now), x.Name)
	}
	_ = t.Flush()
}

// byEnd puts the token that ends first at the top, and those that never end last.
func byEnd(a, b astro.Token) int {
	if a.EndAt.IsZero() == b.EndAt.IsZero() {
		return a.EndAt.Compare(b.EndAt)
	}
	if a.EndAt.IsZero() {
		return 1
	}
	return -1
}

// Token prints all that is known of one token.
func Token(w io.Writer, x astro.Token, now time.Time) {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, row := range [][2]string{
		{"Token", x.ID},
		{"Name", x.Name.String()},
		{"Description", x.Description.String()},
		{"Scope", strings.ToLower(x.Scope)},
		{"Kind", strings.ToLower(x.Kind)},
		{"Ends", ends(x, now)},
		{"Last used", used(x, now)},
		{"Made", display.Day(x.CreatedAt) + by(x)},
		{"Short form", x.ShortToken.String()},
	} {
		if row[1] != "" {
			say(t, "%s:\t%s", row[0], row[1])
		}
	}
	for _, r := range x.Roles {
		say(t, "Role:\t%s on %s %s", r.Role, strings.ToLower(r.EntityType), r.EntityID)
	}
	_ = t.Flush()
}

func by(t astro.Token) string {
	if name := t.CreatedBy.String(); name != "" {
		return " by " + name
	}
	return ""
}

func ends(t astro.Token, now time.Time) string {
	if t.EndAt.IsZero() {
		return "never"
	}
	day := display.Day(t.EndAt)
	if t.Expired(now) {
		return day + ", over"
	}
	return fmt.Sprintf("%s, in %s", day, days(t.EndAt.Sub(now)))
}

func used(t astro.Token, now time.Time) string {
	at := t.Used()
	if at.IsZero() {
		return "never"
	}
	if now.Sub(at) < 24*time.Hour {
		return display.Day(at) + ", within a day"
	}
	return fmt.Sprintf("%s, %s ago", display.Day(at), days(now.Sub(at)))
}

func days(d time.Duration) string {
	n := max(0, int(d.Hours()/24))
	if n == 1 {
		return "1 day"
	}
	return fmt.Sprintf("%d days", n)
}

// tokenObject is a token in JSON; never its value.
type tokenObject struct {
	ID            string            `json:"id"`
	Name          string            `json:"name"`
	Description   string            `json:"description"`
	Scope         string            `json:"scope"`
	Kind          string            `json:"kind"`
	ShortToken    string            `json:"shortToken"`
	Roles         []astro.TokenRole `json:"roles"`
	CreatedAt     *time.Time        `json:"createdAt"`
	CreatedBy     string            `json:"createdBy"`
	ExpiresAt     *time.Time        `json:"expiresAt"` // null: never
	Expired       bool              `json:"expired"`
	LastUsedAt    *time.Time        `json:"lastUsedAt"` // null: never
	LastRotatedAt *time.Time        `json:"lastRotatedAt"`
}

func objectOf(t astro.Token, now time.Time) tokenObject {
	return tokenObject{
		t.ID, t.Name.String(), t.Description.String(), t.Scope, t.Kind, t.ShortToken.String(), append([]astro.TokenRole{}, t.Roles...),
		timeOf(t.CreatedAt), t.CreatedBy.String(), timeOf(t.EndAt), t.Expired(now), timeOf(t.LastUsedAt), timeOf(t.LastRotatedAt),
	}
}

func timeOf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// TokenJSON prints one token as one object.
func TokenJSON(w io.Writer, t astro.Token, now time.Time) error { return encode(w, objectOf(t, now)) }

// TokensJSON prints one object that lists the tokens.
func TokensJSON(w io.Writer, all []astro.Token, now time.Time) error {
	out := struct {
		Tokens []tokenObject `json:"tokens"`
	}{[]tokenObject{}}
	for _, t := range slices.SortedFunc(slices.Values(all), byEnd) {
		out.Tokens = append(out.Tokens, objectOf(t, now))
	}
	return encode(w, out)
}
