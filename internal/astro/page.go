package astro

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"

	"github.com/astro-ci/astro-ci/internal/httpx"
)

const (
	firstPage = 200  // soon there, so that a picker is usable at once
	pageSize  = 1000 // the API's maximum
	rereads   = 3
)

// Page is a part of a list, and the way to the rest of it.
type Page[T any] struct {
	Items []T
	// Anew says that the list changed while it was read: Items start it again, and what came before
	// has to be forgotten.
	Anew bool
	// Next reads the following part; nil: the list is complete.
	Next func(context.Context) (Page[T], error)
}

// All reads the rest of the list and returns all of it. Half a list is never returned.
func (p Page[T]) All(ctx context.Context) ([]T, error) {
	all := p.Items
	for p.Next != nil {
		var err error
		if p, err = p.Next(ctx); err != nil {
			return nil, err
		}
		if p.Anew {
			all = nil
		}
		all = append(all, p.Items...)
	}
	return all, nil
}

// lister reads one list, page by page.
type lister[T any] struct {
	client    *Client
	path, key string
	query     url.Values
	total     int // as the first page said it
	tries     int // how often the list was begun
}

// first reads the first page of a list.
func first[T any](ctx context.Context, c *Client, path, key string, query url.Values) (Page[T], error) {
	l := &lister[T]{client: c, path: path, key: key, query: query}
	p, err := l.read(ctx, 0)
	return p, explain(err, "list the "+key)
}

// read reads the page at an offset. A list whose total changes between two pages, or whose parts do
// not add up to it, is begun again, and in the end refused.
func (l *lister[T]) read(ctx context.Context, offset int) (Page[T], error) {
	size := pageSize
	if offset == 0 {
		size = firstPage
		l.tries++
	}
	q := url.Values{"limit": {strconv.Itoa(size)}, "offset": {strconv.Itoa(offset)}}
	maps.Copy(q, l.query)
	var page map[string]json.RawMessage
	if _, err := l.client.http.Do(ctx, httpx.Call{Method: http.MethodGet, Path: l.path, Query: q, Out: &page}); err != nil {
		return Page[T]{}, err
	}
	var items []T
	total := -1
	if json.Unmarshal(page[l.key], &items) != nil || json.Unmarshal(page["totalCount"], &total) != nil || total < 0 {
		return Page[T]{}, fmt.Errorf("astro: GET %s: the answer lacks %q or totalCount", l.path, l.key)
	}
	if offset == 0 {
		l.total = total
	}
	read := offset + len(items)
	switch {
	case total != l.total, read > total, read < total && len(items) == 0:
		if l.tries >= rereads {
			return Page[T]{}, changing(l.key)
		}
		p, err := l.read(ctx, 0)
		p.Anew = true
		return p, err
	case read == total:
		return Page[T]{Items: items}, nil
	}
	return Page[T]{Items: items, Next: func(ctx context.Context) (Page[T], error) {
		p, err := l.read(ctx, read)
		return p, explain(err, "list the "+l.key)
	}}, nil
}
