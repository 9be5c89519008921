package astro

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"sync"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
)

const (
	overlap  = 50 // items that a page has in common with the next one
	abreast  = 4  // pages that are read at the same time
	pageStep = pageSize - overlap
)

// part is one page of a list that is read whole.
type part[T any] struct {
	items []T
	total int // of the list, when this page was read
}

// whole reads a long list, several pages at the same time. The list has to be sorted by when things were
// made, oldest first: then it changes by what is appended and by what is taken out. What is taken out
// moves the rest, and a page that is read afterwards would begin too late. So every page overlaps with
// the next one: while neighbours share an item, nothing that was there all the time can be missing
// between them. If they do not, the list is read anew, and in the end refused.
func whole[T any](ctx context.Context, c *Client, path, key string, query url.Values, id func(T) string) ([]T, error) {
	for range rereads {
		parts, err := readParts[T](ctx, c, path, key, query)
		if err != nil {
			return nil, explain(err, "list the "+key)
		}
		if all, ok := joinParts(parts, id); ok {
			return all, nil
		}
	}
	return nil, changing(key)
}

func changing(key string) error {
	return hint.New("astro: the list of "+key+" changes faster than it can be read", "Try again in a minute.", "")
}

// readParts reads pages until one reaches the end of the list.
func readParts[T any](ctx context.Context, c *Client, path, key string, query url.Values) ([]part[T], error) {
	one, err := readPart[T](ctx, c, path, key, query, 0)
	if err != nil {
		return nil, err
	}
	parts := []part[T]{one}
	for !ends(parts) {
		begin := len(parts)
		pages := max(begin+1, (parts[begin-1].total-overlap+pageStep-1)/pageStep)
		parts = append(parts, make([]part[T], pages-begin)...)
		if err := eachAbreast(ctx, pages-begin, func(ctx context.Context, i int) (err error) {
			parts[begin+i], err = readPart[T](ctx, c, path, key, query, (begin+i)*pageStep)
			return err
		}); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

// ends reports whether the last page reaches the end of the list.
func ends[T any](parts []part[T]) bool {
	last := parts[len(parts)-1]
	return (len(parts)-1)*pageStep+len(last.items) >= last.total || len(last.items) == 0
}

// eachAbreast calls do for 0 to n-1, a few at the same time; the first error ends it.
func eachAbreast(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	free := make(chan struct{}, abreast)
	for i := range n {
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			if ctx.Err() != nil {
				return
			}
			if err := do(ctx, i); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

func readPart[T any](ctx context.Context, c *Client, path, key string, query url.Values, offset int) (p part[T], err error) {
	q := url.Values{"limit": {strconv.Itoa(pageSize)}, "offset": {strconv.Itoa(offset)}}
	maps.Copy(q, query)
	var page map[string]json.RawMessage
	if _, err := c.http.Do(ctx, httpx.Call{Method: http.MethodGet, Path: path, Query: q, Out: &page}); err != nil {
		return p, err
	}
	p.total = -1
	if json.Unmarshal(page[key], &p.items) != nil || json.Unmarshal(page["totalCount"], &p.total) != nil || p.total < 0 {
		return p, fmt.Errorf("astro: GET %s: the answer lacks %q or totalCount", path, key)
	}
	return p, nil
}

// joinParts puts the pages together, every item once; ok is false when something may be missing between
// two of them.
func joinParts[T any](parts []part[T], id func(T) string) (all []T, ok bool) {
	seen := map[string]int{} // the last page that had the item, from 1
	for i, p := range parts {
		// After a page that reached the end of the list, nothing can be missing.
		shared := i == 0 || ends(parts[:i])
		for _, x := range p.items {
			shared = shared || seen[id(x)] == i
			if seen[id(x)] == 0 {
				all = append(all, x)
			}
		}
		if !shared {
			return nil, false
		}
		for _, x := range p.items {
			seen[id(x)] = i + 1
		}
	}
	return all, true
}
