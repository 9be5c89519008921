package astro

import "context"

// The kinds of what has a name on Astro.
const (
	Organizations = "organizations"
	Workspaces    = "workspaces"
	Deployments   = "deployments"
)

// Named is an Organization, a Workspace or a Deployment, as far as its name goes. In is the id of the
// Organization or Workspace that it is in, "" for an Organization.
type Named struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	In   string `json:"in,omitempty"`
}

// Tell has f learn of every part of a list that is read: its kind, the id of what it is a list of ("" for
// no such thing), whether it is the first part.
func (c *Client) Tell(f func(kind, in string, first bool, part []Named)) { c.tell = f }

// told passes a page on, and every further one, after it was told of.
func told[T any](c *Client, kind, in string, page Page[T], err error, named func(T) Named) (Page[T], error) {
	if err != nil || c.tell == nil {
		return page, err
	}
	return tellAll(c, kind, in, true, page, named), nil
}

func tellAll[T any](c *Client, kind, in string, first bool, page Page[T], named func(T) Named) Page[T] {
	var part []Named
	for _, x := range page.Items {
		part = append(part, named(x))
	}
	c.tell(kind, in, first, part)
	next := page.Next
	if next == nil {
		return page
	}
	page.Next = func(ctx context.Context) (Page[T], error) {
		p, err := next(ctx)
		if err != nil {
			return p, err
		}
		return tellAll(c, kind, in, p.Anew, p, named), nil
	}
	return page
}
