package cli_test

import (
	"net/http"
	"os"
	"os/signal"
	"testing"
	"testing/synctest"
	"time"
)

// chain is how many requests a set-up sends one after the other.
const chain = 9

// Requests that do not depend on each other are sent side by side: where each takes a second, a set-up takes
// as many as its longest chain has.
func TestCriticalPath(t *testing.T) {
	signal.Notify(make(chan os.Signal, 1), os.Interrupt) // what listens to signals is begun outside of the bubble
	t.Chdir(sample(t))
	synctest.Test(t, func(t *testing.T) {
		m := newMany(t, ".", 1)
		defer m.end()
		base := m.weather.Base
		m.weather.Base = trip(func(r *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			return base.RoundTrip(r)
		})
		out, code, sent, took := m.run(false, "setup", "--no-input", "--yes", "--credential", "deployment-token", "--workspace", "Team 0", "--deployment", "dep-0",
			"--role", "DEPLOYMENT_ADMIN", "--platform", "github", "--repo", "acme/etl-0", "--name", "other", "--json")
		if code != 0 {
			t.Fatalf("exit %d: %s", code, out)
		}
		all := 0
		for _, n := range sent.seen {
			all += n
		}
		if took > chain*time.Second || all <= chain {
			t.Errorf("%d requests took %s", all, took)
		}
	})
}
