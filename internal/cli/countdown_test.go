package cli_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/sandbox"
	"github.com/astro-ci/astro-ci/internal/sandbox/fault"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

// A pause that a service asks for is told: once in a log, and by a line that counts down on a terminal and is
// gone afterwards.
func TestPausesAreTold(t *testing.T) {
	t.Parallel()
	p, s := online(t)
	if _, stderr, code := p.run(byFlags...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	pause := func(s *sandbox.Sandbox) {
		s.Astro().Faults.Add(fault.Fault{Method: http.MethodGet, Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"3"}}, Body: `{"message":"m","requestId":"r","statusCode":429}`, Times: 1})
	}
	const says = "Waiting for astro, going on in "
	preview := []string{"rotate", "etl-prod", "--dry-run"}
	pause(s)
	if _, stderr, code := p.run(preview...); code != 0 || strings.Count(stderr, says) != 1 || !strings.Contains(stderr, says+"3s\n") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	pause(s)
	screen := testkit.StartScreen(t, p.command(preview...), 100, 20)
	screen.WaitFor(says + "3s")
	screen.WaitFor(says + "1s")
	screen.WaitFor("Nothing was touched")
	if code := screen.Wait(); code != 0 || strings.Contains(screen.Text(), says) {
		t.Errorf("exit %d: %s", code, screen.Text())
	}
}
