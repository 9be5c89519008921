package providers

import (
	"cmp"
	"strings"
)

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
	Issuer   string // the https address of who vouches for them
	Audience string // whom their identities are for, where the platform alone decides that; else ""
	// Subject is as the issuer writes it; * stands for any text in it, ? for any character.
	Subject string
	// Claims are what else the identities say, to the last character, for backends that look at more than
	// the subject: first whose the runs are, then which. Nil where the subject says it all.
	Claims []Claim
	Who    string // in words
}

// Claim is a name in an identity, and its value.
type Claim struct{ Name, Value string }

// Open reports whether the subject stands for more than one.
func (i Identity) Open() bool { return strings.ContainsAny(i.Subject, "*?") }

// For is whom the identities have to be for, when a backend would like them to be for itself.
func (i Identity) For(backend string) string { return cmp.Or(i.Audience, backend) }
