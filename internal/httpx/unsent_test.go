package httpx_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/httpx"
)

// Where nothing is sent, a request fails at once with the reason, and is not tried again.
func TestUnsent(t *testing.T) {
	t.Parallel()
	reason := errors.New("no log-in")
	origin := &url.URL{Scheme: "https", Host: "ci.example"}
	client := &http.Client{Transport: httpx.NewTransport(httpx.Options{
		Service: "ci", Origin: origin, Auth: httpx.NoAuth, Base: httpx.Unsent(reason), Jitter: func() float64 { return 0 },
		Waiting: func(context.Context, string, time.Duration) { t.Error("it waited for another try") },
	})}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, origin.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err == nil {
		_ = resp.Body.Close()
	}
	if !errors.Is(err, reason) {
		t.Error(err)
	}
}
