package providers

import (
	"context"
	"net/url"

	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// Options make a provider.
type Options struct {
	Server *url.URL // the address of the service, without the path of its API
	Host   string   // by which people know the service; "" stands for the server's
	Login  Login
	Wire   httpx.Options // the provider sets Service and Auth
}

// As are the same options with another log-in.
func (o Options) As(user string, value *secret.Value) Options {
	o.Login = Login{User: user, Value: value}
	return o
}

// Host is what the search for a log-in may look at; the command line provides it.
type Host struct {
	Getenv   func(string) string
	Home     string // the person's home folder, or ""
	User     string // the person's name on this machine, or ""
	ReadFile func(path string) ([]byte, error)
	// Keyring reads an entry of another program; nil when there is none.
	Keyring func(service, user string) *secret.Value
	// Run runs the CLI of a provider and returns what it prints; nil when there is none.
	Run func(ctx context.Context, name string, args ...string) ([]byte, error)
}

// Login is a log-in that was found.
type Login struct {
	User   string // for services that want one beside the value
	Value  *secret.Value
	Token  func(context.Context) (*secret.Value, error) // in place of Value, for one that ends and is had anew
	Source string                                       // where it was found, in words
}

// Text decodes a text of a configuration file straight into a secret.
type Text struct{ V *secret.Value }

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *Text) UnmarshalText(b []byte) error {
	t.V = secret.New(b)
	return nil
}
