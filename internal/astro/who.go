package astro

import (
	"context"
	"net/http"
	"time"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/httpx"
)

// Who is a log-in and what it reaches.
type Who struct {
	Source        string
	API           string
	User          display.Text // "" for an API token
	TokenID       string       // "" for a person
	EndsAt        time.Time    // zero when it is not known
	Roles         []TokenRole  // of the person or the token, as far as Astro tells
	Organizations []Organization
}

// WhoAmI asks Astro whose log-in l is and which Organizations it reaches.
func (c *Client) WhoAmI(ctx context.Context, l Login) (Who, error) {
	who := Who{Source: l.Source, API: l.Base.String(), User: l.User, TokenID: l.Claims.TokenID, EndsAt: l.EndsAt}
	orgs, err := c.Organizations(ctx)
	if err == nil {
		who.Organizations, err = orgs.All(ctx)
	}
	if err != nil {
		return who, err
	}
	me, err := c.Self(ctx)
	switch s := httpx.Status(err); {
	case err == nil:
		who.User = me.Username
		for _, r := range me.Roles {
			who.Roles = append(who.Roles, TokenRole{EntityType: r.Scope.Type, EntityID: r.Scope.EntityID, Role: r.Role})
		}
		return who, nil
	case s != http.StatusForbidden && s != http.StatusNotFound:
		return who, err
	}
	// An API token: its own record, where it may read it.
	for _, o := range who.Organizations {
		if who.TokenID == "" {
			break
		}
		t, err := c.Token(ctx, o.ID, who.TokenID)
		switch {
		case err == nil:
			who.Roles, who.EndsAt = t.Roles, t.EndAt
		case !httpx.Refused(err):
			return who, err
		}
	}
	return who, nil
}
