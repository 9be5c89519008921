package providers

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// early is how long before its end a token is no longer used: a request takes its time, and clocks differ.
const early = 2 * time.Minute

// Renewed returns a function that keeps the token that fetch got, until shortly before it ends.
func Renewed(fetch func(context.Context) (v *secret.Value, ends time.Time, err error)) func(context.Context) (*secret.Value, error) {
	var mu sync.Mutex
	var kept *secret.Value
	var until time.Time
	return func(ctx context.Context) (*secret.Value, error) {
		mu.Lock()
		defer mu.Unlock()
		if kept != nil && time.Now().Before(until) {
			return kept, nil
		}
		v, ends, err := fetch(ctx)
		if err != nil {
			return nil, err
		}
		kept, until = v, ends.Add(-early)
		return v, nil
	}
}

// tokenKey is the key of the token of a request.
type tokenKey struct{}

// WithToken asks for the token of the requests of the returned context. That it comes before them keeps
// its failure apart from theirs: nothing was sent yet. A nil function stands for no log-in.
func WithToken(ctx context.Context, token func(context.Context) (*secret.Value, error)) (context.Context, error) {
	if token == nil {
		return ctx, nil
	}
	v, err := token(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, fmt.Errorf("get a token: %w", ctx.Err())
	case err != nil:
		// The text only: the status of an answer to the log-in is none about a secret.
		h := hint.Of(err)
		return nil, hint.New(err.Error(), h.Next, h.Link)
	}
	return context.WithValue(ctx, tokenKey{}, v), nil
}

// TokenAuth is an httpx.Auth: it puts the token of the context on the request.
func TokenAuth(r *http.Request) error {
	if v, ok := r.Context().Value(tokenKey{}).(*secret.Value); ok {
		return httpx.Bearer(v)(r)
	}
	return nil
}
