package setup

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"time"
)

// Mark is what the description of a token on Astro says: whose it is and, once every target was seen to
// hold it, since when. It is all that is left of an operation when its journal is gone.
type Mark struct {
	Setup     string
	Operation string    // which made the token
	Held      time.Time // since when every target is known to hold it, in seconds; zero: not known
	Seals     []string  // of what the targets' stores showed then, one for each target
}

const (
	markSetup = "astro-ci setup="
	markOp    = " op="
	markHeld  = " held="
	markIn    = " in="
)

// String is the description. With 31 targets it has 420 characters; Astro takes 500.
func (m Mark) String() string {
	s := markSetup + m.Setup + markOp + m.Operation
	if !m.Held.IsZero() {
		s += markHeld + m.Held.UTC().Format(time.RFC3339) + markIn + strings.Join(m.Seals, ",")
	}
	return s
}

// ParseMark reads a description; the zero Mark when it is none of astro-ci.
func ParseMark(text string) (m Mark) {
	rest, ours := strings.CutPrefix(text, markSetup)
	name, op, ok := strings.Cut(rest, markOp)
	if !ours || !ok || !setupName.MatchString(name) {
		return m
	}
	op, held, ok := strings.Cut(op, markHeld)
	m.Setup, m.Operation = name, op
	since, seals, whole := strings.Cut(held, markIn)
	if at, err := time.Parse(time.RFC3339, since); ok && whole && err == nil {
		m.Held, m.Seals = at.UTC(), strings.Split(seals, ",")
	}
	return m
}

// Seal stands in a mark for a target and for its store's own mark of a write ("" where it has none): four
// characters that another target does not have, and four that another write does not have.
func Seal(t Target, version string) string {
	four := func(s string) string {
		sum := sha256.Sum256([]byte(s))
		return base64.RawURLEncoding.EncodeToString(sum[:3])
	}
	return four(t.String()) + four(version)
}

// SameTarget reports whether two seals are of one target.
func SameTarget(x, y string) bool { return len(x) == 8 && len(y) == 8 && x[:4] == y[:4] }

// Marker is the description that a token of the setup is made with, so that astro-ci finds its own tokens
// again, and only those.
func (s Setup) Marker(operation string) string {
	return Mark{Setup: s.Name, Operation: operation}.String()
}
