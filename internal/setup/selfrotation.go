package setup

import (
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/secret"
)

// Cadence is how often a scheduled pipeline looks whether the token of a setup is due.
type Cadence string

// The cadences.
const (
	Daily  Cadence = "daily"
	Weekly Cadence = "weekly"
	// Reminder looks every week and opens an issue; it cannot make a token.
	Reminder Cadence = "reminder"
)

// Rotates reports whether tokens are replaced.
func (c Cadence) Rotates() bool { return c == Daily || c == Weekly }

// days lie between two runs.
func (c Cadence) days() int {
	if c == Daily {
		return 1
	}
	return 7
}

// The secrets of a scheduled rotation: its log-in to Astro, and the one to the platform.
const (
	RotationSecret = "ASTRO_CI_ROTATION_TOKEN"
	LoginSecret    = "ASTRO_CI_PLATFORM_TOKEN"
)

// SelfRotation says how the token of a setup is renewed without a person; the zero one: not at all.
type SelfRotation struct {
	Every Cadence `json:"every,omitempty"`
	// Credential is what the scheduled runs log in to Astro with, and NewRole lists the permissions of
	// its role when that has to be made first.
	Credential Credential `json:"credential,omitzero"`
	NewRole    []string   `json:"newRole,omitempty"`
	Program    CLI        `json:"program,omitzero"` // astro-ci itself, as the runs install it
	// Login is the log-in to the platform by which the runs write secrets; it is never written down.
	Login *secret.Value `json:"-"`
}

// IsZero reports whether nobody but a person renews the token.
func (s SelfRotation) IsZero() bool { return s.Every == "" }

// ShortestLife is how many days a token has to live at least: it is due after two thirds of its life,
// and two runs have to fit into the rest.
func (c Cadence) ShortestLife() int { return 3 * 2 * c.days() }

// fault says why the plan's token cannot be renewed in this way.
func (s SelfRotation) fault(p Plan) error {
	no := func(format string, args ...any) error { return &Fault{"self-rotate", fmt.Sprintf(format, args...)} }
	switch {
	case s.Every != "" && s.Every != Reminder && !s.Every.Rotates():
		return no("%q is not known", string(s.Every))
	case s.IsZero():
		return nil
	case p.Pipeline.Own || p.Credential.Kind == DeploymentKey || p.Job.Scheduled():
		return no("it is for an API token with a pipeline that astro-ci writes")
	}
	for i, t := range p.Targets {
		if t.Store != p.Platform && (i == 0 || s.Every.Rotates()) {
			return no("a scheduled run reaches secrets of %s alone, and %s is elsewhere", p.Platform, t)
		}
	}
	if !s.Every.Rotates() {
		return nil
	}
	for _, c := range []Credential{p.Credential, s.Credential} {
		if least := s.Every.ShortestLife(); c.ExpiresInDays < least {
			return no("a token of %d days ends before a %s run can be sure to renew it; give it %d days or more", c.ExpiresInDays, s.Every, least)
		}
	}
	return nil
}

// Renewal is the setup whose scheduled pipeline renews the token of p: it has a name, a secret and a
// pipeline file of its own, and is set up, rotated and taken back like any other. The file's path is
// still to be set.
func (p Plan) Renewal() Plan {
	s := p.SelfRotation
	r := p.Clone()
	r.Name = RenewalName(p.Name)
	r.SelfRotation, r.Retire, r.Key, r.NewEnvironment, r.NewRole = SelfRotation{}, Legacy{}, Key{}, false, nil
	r.Pipeline = Pipeline{Branch: p.Pipeline.Branch, Folder: p.Pipeline.Folder, CLI: p.Pipeline.CLI, Renews: p.Name, Cron: p.cron()}
	r.Job = RemindOfEnd
	if s.Every.Rotates() {
		at := p.Target()
		at.Secret, at.Variable = RotationSecret+suffix(at.Secret), TokenVariable
		r.Job, r.Targets, r.Credential, r.NewRole, r.Pipeline.CLI = RotateTokens, []Target{at}, s.Credential, s.NewRole, s.Program
	}
	return r
}

// RenewalName is the name of the setup that renews the token of another. Of a long name a sum stands in place of
// the end, so that no two are the same.
func RenewalName(name string) string {
	const ending = "-rotation"
	if most := MaxName - len(ending); len(name) > most {
		h := fnv.New32a()
		_, _ = h.Write([]byte(name))
		name = fmt.Sprintf("%s-%08x", name[:most-9], h.Sum32())
	}
	return name + ending
}

// suffix tells the secrets of several setups at one place apart, as their own names do.
func suffix(name string) string {
	if rest, ok := strings.CutPrefix(name, TokenVariable); ok {
		return rest
	}
	return "_" + name
}

// LoginTarget is where a setup that rotates keeps its log-in to the platform.
func (s Setup) LoginTarget() Target {
	t := s.Target()
	t.Secret = LoginSecret + strings.TrimPrefix(t.Secret, RotationSecret)
	t.Variable = ""
	return t
}

// cron is when the runs begin, as five fields of cron, in UTC. It follows from the setup's name, so that
// setups are spread, and it is never the full hour, at which all the world's schedules begin.
func (p Plan) cron() string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(p.Name))
	n := h.Sum32()
	minute, hour, day := 1+n%59, n/59%24, "*"
	if p.SelfRotation.Every != Daily {
		day = fmt.Sprint(n / 59 / 24 % 7)
	}
	return fmt.Sprintf("%d %d * * %s", minute, hour, day)
}

// Scheduled says in words when the runs of a cron expression of ours begin: "every Saturday at 20:19 UTC".
func Scheduled(cron string) string {
	var minute, hour, weekday int
	if n, _ := fmt.Sscanf(cron, "%d %d * * %d", &minute, &hour, &weekday); n == 3 && weekday >= 0 && weekday <= 6 {
		return fmt.Sprintf("every %s at %02d:%02d UTC", time.Weekday(weekday), hour, minute)
	}
	if n, _ := fmt.Sscanf(cron, "%d %d * * *", &minute, &hour); n == 2 && strings.HasSuffix(cron, " * * *") {
		return fmt.Sprintf("every day at %02d:%02d UTC", hour, minute)
	}
	return cron + " in UTC"
}
