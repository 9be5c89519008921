// Package keyring keeps secrets in the keyring of the operating system: Keychain on macOS, the
// Credential Manager on Windows, the Secret Service elsewhere.
package keyring

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/zalando/go-keyring"

	"github.com/astro-ci/astro-ci/internal/secret"
)

// own is the name under which everything of astro-ci stands.
const own = "astro-ci"

// patience is how long a person may take to unlock the keyring.
const patience = 30 * time.Second

// Ring is the part of the person's keyring that belongs to one program.
type Ring struct{ Service string } // "" stands for astro-ci

func (r Ring) service() string { return cmp.Or(r.Service, own) }

// Get reads the value under a name, nil when there is none.
func (r Ring) Get(name string) (*secret.Value, error) {
	found := make(chan *secret.Value, 1)
	err := soon(func() error {
		s, err := keyring.Get(r.service(), name)
		switch {
		case errors.Is(err, keyring.ErrNotFound):
			err = nil
			found <- nil
		case err == nil:
			found <- secret.New([]byte(s))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return <-found, nil
}

// Set puts a value under a name, in the place of another one.
func (r Ring) Set(name string, v *secret.Value) error {
	return soon(func() error {
		return v.Use(func(b []byte) error { return keyring.Set(r.service(), name, string(b)) })
	})
}

// Delete takes what is under a name away; what is not there is no error.
func (r Ring) Delete(name string) error {
	err := soon(func() error { return keyring.Delete(r.service(), name) })
	if errors.Is(err, keyring.ErrNotFound) {
		return nil
	}
	return err
}

// soon runs f, but not for ever: a keyring may wait for a person to unlock it.
func soon(f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("keyring: %w", err)
		}
		return nil
	case <-time.After(patience):
		return fmt.Errorf("keyring: no answer within %s", patience)
	}
}
