package providers

import "strings"

// From is how a run reads a secret from a secrets backend, by an identity that its platform gives it.
type From struct {
	// Audience is whom the identity is for; the backend refuses one that is for somebody else.
	Audience string
	// Scripts are parts of the portable script (assets/shell/portable), which turn ID_TOKEN into
	// ASTRO_API_TOKEN.
	Scripts []string
	// Constants are what the scripts read beside ID_TOKEN.
	Constants []Constant
}

// Constant is a name and a value in the environment of a script; neither is a secret.
type Constant struct{ Name, Value string }

// Identity is what a backend is told about the runs that may read a secret.
type Identity struct {
	Issuer  string // the https address of who vouches for them
	Subject string // as the issuer writes it; one that ends in * stands for all that begin so
	Who     string // in words
}

// Open reports whether the subject stands for more than one.
func (i Identity) Open() bool { return strings.HasSuffix(i.Subject, "*") }
