package cli

import (
	"errors"
	"strings"

	"github.com/spf13/pflag"

	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/ui"
)

// globals are the flags that every command knows.
type globals struct {
	sandbox  bool
	json     string // "", "object" or "events"
	yes      bool
	noInput  bool
	dryRun   bool
	plain    bool
	debug    bool
	stateDir string
	caFile   string
}

func (g *globals) register(f *pflag.FlagSet) {
	f.BoolVar(&g.sandbox, "sandbox", false, "work on embedded servers, with no account; files are written here all the same")
	f.Var((*jsonForm)(&g.json), "json", "print JSON: one object, or one event a line with --json=events")
	f.Lookup("json").NoOptDefVal = "object"
	f.BoolVar(&g.yes, "yes", false, "confirm without being asked")
	f.BoolVar(&g.noInput, "no-input", false, "never ask; a missing answer is an error")
	f.BoolVar(&g.dryRun, "dry-run", false, "say what would be done and touch nothing")
	f.BoolVar(&g.plain, "plain", false, "the overview and all questions as plain numbered lines, for screen readers and simple terminals")
	f.BoolVar(&g.debug, "debug", false, "log every request: method, address and status, never headers or bodies")
	f.StringVar(&g.stateDir, "state-dir", "", "folder for astro-ci's own files")
	f.StringVar(&g.caFile, "ca-file", "", "PEM file with certificates to trust beside the system's")
}

// jsonForm is how JSON is printed: as one object, or one event a line.
type jsonForm string

func (j *jsonForm) String() string { return string(*j) }

// Type is the name of the value in the help.
func (*jsonForm) Type() string { return "object|events" }

// Set takes only forms that there are.
func (j *jsonForm) Set(text string) error {
	if text != "object" && text != "events" {
		return errors.New("use object or events")
	}
	*j = jsonForm(text)
	return nil
}

// setupFlags are the flags of the set-up: one for each question, and a few more.
type setupFlags struct {
	answers      map[string]*string // by flag
	cliSHA256    []string
	cliURL       string
	replaceEdits bool
	onFailure    string
	keyStdin     bool
	loginStdin   bool
	ownSHA256    []string
	ownURL       string
	like         string
	handOver     string
	title, then  string // no flags: of the screens, where they are for one of several Workspaces, and what follows
	from         string // no flag: where it was begun on the screen, "overview" or ""
	ended        ui.Outcome
}

// register makes a flag of every question.
func (s *setupFlags) register(f *pflag.FlagSet, steps []flow.Step, platforms []string) {
	s.answers = map[string]*string{}
	for _, st := range steps {
		if s.answers[st.Flag] == nil && st.Kind != flow.Secret {
			s.answers[st.Flag] = f.String(st.Flag, "", flagHelp(st, platforms))
		}
	}
	f.BoolVar(&s.keyStdin, "key-stdin", false, "read a Deployment API key from stdin: its id, then its secret, a line each [ASTRONOMER_KEY_ID, ASTRONOMER_KEY_SECRET]")
	f.BoolVar(&s.loginStdin, "platform-token-stdin", false, "read the log-in by which scheduled runs write secrets from stdin, one line ["+setup.LoginSecret+"]")
	f.StringSliceVar(&s.ownSHA256, "astro-ci-sha256", nil, "SHA-256 of the programs of astro-ci that scheduled runs install, as OS_ARCH=SUM (for a build of your own)")
	f.StringVar(&s.ownURL, "astro-ci-url", "", "folder from which scheduled runs install astro-ci, for a mirror of your own")
	f.StringSliceVar(&s.cliSHA256, "cli-sha256", nil, "SHA-256 of the Astro CLI archives, as OS_ARCH=SUM (for a version astro-ci does not know)")
	f.StringVar(&s.cliURL, "cli-url", "", "folder from which the pipeline installs the Astro CLI, for a mirror of your own")
	f.StringVar(&s.like, "like", "", "repeat this setup for another Workspace: everything else stays unless it is given")
	f.StringVar(&s.handOver, "hand-over", "", "make nothing: write into this folder, or with - to stdout, what somebody who has the rights has to do")
	f.BoolVar(&s.replaceEdits, "replace-edits", false, "replace the managed part of the pipeline file although it was edited by hand")
	f.StringVar(&s.onFailure, "on-failure", "keep", "what to do with a token that could not be stored: keep or undo")
}

// answerHelp says what the flags that answer questions take; of those with a fixed list it follows.
var answerHelp = map[string]string{
	"job": "what the pipeline does", "organization": "Organization, by name or id", "workspace": "Workspace, by name or id",
	"deployment": "Deployment, by name or id", "credential": "what the pipeline logs in to Astro with", "role": "role of the token; the wizard recommends the least one that the job needs",
	"expires-in": "life of the token in days, like 90d (1 to 3650)", "legacy-key": "what becomes of a Deployment API key that the repository uses: replace or keep",
	"platform": "where the pipeline runs", "repo": "repository or project of the platform, like acme/etl",
	"environment": "keep the secret in this environment of the repository; it is made when it is missing",
	"target":      "where the secret is kept, as STORE:ADDRESS, like github:acme/etl (see astro-ci help stores)",
	"secret-name": "name of the secret; the pipeline maps it to " + setup.TokenVariable, "also": "keep copies there, as STORE:ADDRESS or STORE:ADDRESS=NAME, with commas between them",
	"reader":        "as whom runs read the secret from a secrets backend: a role of Vault or AWS, for example",
	"reader-server": "address at which runs reach the backend, where it is another one than here", "reader-namespace": "namespace of the backend, for Vault",
	"reader-runs": "the ids by which CircleCI and Bitbucket know the runs, where they cannot be asked for",
	"deploy":      "what a push sends", "branch": "pushes to this branch start the pipeline", "project-folder": "folder of the Astro project in the repository; . for its root",
	"pipeline-file": "file to write, or none to leave the pipeline to you", "deliver": "write the file here, or ask for its merge",
	"cli-version": "version of the Astro CLI that the pipeline installs", "name": "name of the setup; it marks the token and the pipeline file",
	"self-rotate":      "a schedule renews the token, or a reminder opens an issue instead (see docs/self-rotate.md)",
	"rotation-role":    "role of the scheduled runs on Astro; left out, the least one that can do it",
	"astro-ci-version": "version of astro-ci that scheduled runs install",
}

// setupGroups are the flags of the set-up in the order in which they are shown.
var setupGroups = []flagGroup{
	{"What the pipeline may do", []string{"job", "organization", "workspace", "deployment", "credential", "role", "expires-in", "key-stdin", "legacy-key"}},
	{"Where the secret is kept", []string{"platform", "repo", "environment", "target", "secret-name", "also"}},
	{"How runs read it from a secrets backend", []string{"reader", "reader-server", "reader-namespace", "reader-runs"}},
	{"The pipeline file", []string{"deploy", "branch", "project-folder", "pipeline-file", "deliver", "replace-edits", "cli-version", "cli-url", "cli-sha256"}},
	{"Who renews the token", []string{"self-rotate", "rotation-role", "platform-token-stdin", "astro-ci-version", "astro-ci-url", "astro-ci-sha256"}},
	{"The set-up itself", []string{"name", "like", "hand-over", "on-failure"}},
}

// flagHelp is the help of the flag that answers a question.
func flagHelp(s flow.Step, platforms []string) string {
	out, words := answerHelp[s.Flag], s.Words
	if s.ID == "platform" {
		words = platforms
	}
	if len(words) > 0 {
		out += ": " + inText(words)
	}
	return out + " [" + s.Env + "]"
}

// inText is a list as it is said: a, b or c.
func inText(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// given collects the answers from flags and, where a flag is silent, from the environment.
func (s *setupFlags) given(env environment, steps []flow.Step) map[string]string {
	out := map[string]string{}
	for _, st := range steps {
		if st.Kind == flow.Secret {
			continue
		}
		if v := *s.answers[st.Flag]; v != "" {
			out[st.ID] = v
		} else if v := env.get(st.Env); v != "" {
			out[st.ID] = v
		}
	}
	// The number of days is asked in two steps; a given number answers the first.
	delete(out, "expires-in-days")
	// Naming an environment says where the secret is kept.
	if out["environment"] != "" && out["target"] == "" {
		out["target"] = "environment"
	}
	return out
}
