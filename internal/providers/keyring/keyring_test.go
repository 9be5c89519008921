package keyring_test

import (
	"errors"
	"testing"

	ring "github.com/astro-ci/astro-ci/internal/keyring"
	"github.com/astro-ci/astro-ci/internal/providers/keyring"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

// The suite runs on a real secret service.
func TestStore(t *testing.T) {
	if !testkit.InSession(t) {
		return
	}
	const name = "ASTRO_API_TOKEN"
	target := func(address, name string) setup.Target {
		return setup.Target{Store: keyring.ID, Address: address, Secret: name}
	}
	providertest.Run(t, providertest.Subject{
		Local: true,
		New: func(*testing.T) *providertest.World {
			return &providertest.World{Store: keyring.Store{}, Log: providertest.NewLog(), Open: func(x setup.Target) (*secret.Value, error) {
				v, err := ring.Ring{Service: x.Address}.Get(x.Secret)
				if v == nil && err == nil {
					err = errors.New("no such secret")
				}
				return v, err
			}}
		},
		Targets: []setup.Target{target("astro/acme/etl", name), target("a", name)},
		Hostile: []setup.Target{target("a", "1A"), target("a", ""), target("", name), target("a b", name), target("astro-ci", name), target("a\nb", name), target("../a", name)},
	})
}

// Without a session there is no keyring, and that is said.
func TestNoSession(t *testing.T) {
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")
	_, err := keyring.Store{}.Check(t.Context(), setup.Target{Store: keyring.ID, Address: "a", Secret: "A"})
	if err == nil {
		t.Error("it answers")
	}
}
