// Package keyring keeps secrets in the keyring of the operating system: Keychain on macOS, the
// Credential Manager on Windows, the Secret Service elsewhere.
package keyring

import (
	"errors"
	"fmt"
	"time"

	"github.com/zalando/go-keyring"

	"github.com/astro-ci/astro-ci/internal/secret"
)

// service is the name under which everything of astro-ci stands.
const service = "astro-ci"

// patience is how long a person may take to unlock the keyring.
const patience = 30 * time.Second

// Ring is the person's keyring.
type Ring struct{}

// Get reads the value under a name, nil when there is none.
func (Ring) Get(name string) (*secret.Value, error) {
	found := make(chan *secret.Value, 1)
	err := soon(func() error {
		s, err := keyring.Get(service, name)
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
func (Ring) Set(name string, v *secret.Value) error {
	return soon(func() error {
		return v.Use(func(b []byte) error { return keyring.Set(service, name, string(b)) })
	})
}

// Delete takes what is under a name away; what is not there is no error.
func (Ring) Delete(name string) error {
	err := soon(func() error { return keyring.Delete(service, name) })
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
