package cli_test

import (
	"crypto/rand"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/astro-ci/astro-ci/internal/sandbox"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

// Each script tells one journey by the commands that a person types, and can be read as documentation. It begins
// with an empty home folder, in a repository with a remote. The corners of each journey are in the other tests.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "journeys"), RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			p := &place{t: t, home: env.WorkDir, dir: filepath.Join(env.WorkDir, "etl")}
			login := rand.Text()
			env.Vars = append(env.Vars, p.command().Env...)
			env.Vars = append(env.Vars, "ASTRO_CI_TEST_QUIET=1ms", "LOGIN="+login)
			env.Cd = p.dir
			tb := env.T().(testing.TB)
			env.Defer(func() {
				assertNoToken(tb, p)
				testkit.ScanDir(tb, secret.New([]byte(login)), p.home)
			})
			return sandbox.SampleProject(p.dir)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			// astro-ci ARGS…: the program ends with 0.
			"astro-ci": func(ts *testscript.TestScript, neg bool, args []string) {
				says(ts, neg, 0, args)
			},
			// exits CODE astro-ci ARGS…: the program ends with this code.
			"exits": func(ts *testscript.TestScript, neg bool, args []string) {
				code, err := strconv.Atoi(args[0])
				ts.Check(err)
				says(ts, neg, code, program(ts, args))
			},
			// power-cut METHOD astro-ci ARGS…: the computer is without power when the program sends the first request of
			// this method.
			"power-cut": func(ts *testscript.TestScript, neg bool, args []string) {
				ended := -1 // a process that was ended has no code
				if runtime.GOOS == "windows" {
					ended = 1
				}
				ts.Setenv("ASTRO_CI_TEST_POWER_CUT", args[0])
				says(ts, neg, ended, program(ts, args))
				ts.Setenv("ASTRO_CI_TEST_POWER_CUT", "")
			},
			// let NAME PATTERN: $NAME is what the parentheses of the pattern match in stdout.
			"let": func(ts *testscript.TestScript, _ bool, args []string) {
				found := regexp.MustCompile("(?m)" + args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
				if found == nil {
					ts.Fatalf("stdout has no %q", args[1])
				}
				ts.Setenv(args[0], found[1])
			},
		},
	})
}

// program are the arguments of the program, of a command that says first how it ends.
func program(ts *testscript.TestScript, args []string) []string {
	if len(args) < 2 || args[1] != "astro-ci" {
		ts.Fatalf("say what is run: astro-ci …")
	}
	return args[2:]
}

// says runs the program, which ends with this code and shows no token and no log-in.
func says(ts *testscript.TestScript, neg bool, code int, args []string) {
	if neg {
		ts.Fatalf("say how it ends: exits CODE astro-ci …")
	}
	self, err := os.Executable()
	ts.Check(err)
	ts.Setenv("ASTRO_CI_TEST_PROGRAM", "1") // or it would be all the tests again
	got := 0
	if err := ts.Exec(self, args...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Check(err)
		}
		got = exit.ExitCode()
	}
	if got != code {
		ts.Fatalf("exit %d, want %d", got, code)
	}
	for _, out := range []string{ts.ReadFile("stdout"), ts.ReadFile("stderr")} {
		if jwt.MatchString(out) || strings.Contains(out, ts.Getenv("LOGIN")) {
			ts.Fatalf("a token or a log-in was printed")
		}
	}
}

// powerCut ends the program, as kill -9 does, when it is about to send a request of this method.
type powerCut struct {
	method string
	base   http.RoundTripper
}

func (x powerCut) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == x.method {
		(&killer{left: 1}).point()
	}
	return x.base.RoundTrip(r)
}
