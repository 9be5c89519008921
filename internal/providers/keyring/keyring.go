// Package keyring keeps secrets in the keyring of the operating system, for the person's own tools.
package keyring

import (
	"context"
	"fmt"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/keyring"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// ID is the id of the store.
const ID = "keyring"

const docs = "https://github.com/zalando/go-keyring#readme"

var info = providers.Info{
	// The least of what the systems take: Windows 2,560 bytes, macOS about 3,000.
	ID: ID, Name: "Keyring of this computer", Docs: docs, MaxValue: 2500,
	Proof: providers.ReadBack, ProofNote: "it is read again at once",
	Rights:  "None beside your own session.",
	Login:   "The keyring of your session: Keychain on macOS, the Credential Manager on Windows, the Secret Service elsewhere. It may ask you to unlock it.",
	Address: "`keyring:SERVICE` (astro-etl); the secret is the entry with its name.",
	Limits:  "Only this computer and your user have it. A machine without a session, a container for example, has no keyring.",
}

// Store is the keyring of the person who runs astro-ci.
type Store struct{}

// Info describes the store.
func (Store) Info() providers.Info { return info }

// Place is an entry that carries the repository's name.
func (Store) Place(r setup.Repository) providers.Place {
	at := "astro/" + providers.PlainPath(r)
	return providers.Place{Store: ID, Address: at, Name: display.Clean("Keyring of this computer, " + at), Note: display.Clean("for your own tools")}
}

var service = pattern.New(`^[A-Za-z0-9_][A-Za-z0-9_./@-]{0,199}$`)

func ring(t setup.Target) (keyring.Ring, error) {
	if err := providers.CheckSecretName(ID, "name of the secret", t.Secret, docs); err != nil {
		return keyring.Ring{}, err
	}
	if !service.MatchString(t.Address) || t.Address == "astro-ci" {
		return keyring.Ring{}, hint.New(fmt.Sprintf("%s: %q cannot be the name of a service", ID, display.Clean(t.Address)), "Write it like astro-etl, with letters, digits and _./@- only; astro-ci is taken.", docs)
	}
	return keyring.Ring{Service: t.Address}, nil
}

func explain(err error, doing string) error {
	return hint.Wrap(err, ID+": "+doing, "Unlock the keyring of your session. Where there is none, choose another store.", docs)
}

// CheckTarget refuses, without a request, a target that cannot be one.
func (Store) CheckTarget(t setup.Target) error {
	_, err := ring(t)
	return err
}

// Check asks the keyring whether it answers.
func (Store) Check(ctx context.Context, t setup.Target) (providers.Access, error) {
	r, err := ring(t)
	if err != nil {
		return providers.Access{}, err
	}
	if ctx.Err() != nil {
		return providers.Access{}, fmt.Errorf("%s: %w", ID, ctx.Err())
	}
	_, err = r.Get(t.Secret)
	return providers.Access{}, explain(err, "look whether it answers")
}

// Put writes the entry and reads it again.
func (Store) Put(ctx context.Context, t setup.Target, v *secret.Value, _ providers.Meta) (providers.Receipt, error) {
	r, err := ring(t)
	if err != nil {
		return providers.Receipt{}, err
	}
	if err := providers.CheckValue(v, info.MaxValue); err != nil {
		return providers.Receipt{}, fmt.Errorf("%s: %s: %w", ID, t, err)
	}
	if ctx.Err() != nil {
		return providers.Receipt{}, fmt.Errorf("%s: %w", ID, ctx.Err())
	}
	before, err := r.Get(t.Secret)
	if err != nil {
		return providers.Receipt{}, explain(err, "read "+t.Secret)
	}
	if err := r.Set(t.Secret, v); err != nil {
		return providers.Receipt{}, explain(err, "write "+t.Secret)
	}
	out := providers.Receipt{Created: before == nil, Proof: providers.Written}
	if now, err := r.Get(t.Secret); err == nil && now.Equal(v) {
		out.Proof = providers.ReadBack
	}
	return out, nil
}

// Stat says whether the entry is there; a keyring does not say since when.
func (Store) Stat(_ context.Context, t setup.Target) (providers.State, error) {
	r, err := ring(t)
	if err != nil {
		return providers.State{}, err
	}
	v, err := r.Get(t.Secret)
	return providers.State{Exists: v != nil}, explain(err, "read "+t.Secret)
}

// Remove deletes the entry.
func (Store) Remove(_ context.Context, t setup.Target) error {
	r, err := ring(t)
	if err != nil {
		return err
	}
	return explain(r.Delete(t.Secret), "delete "+t.Secret)
}
