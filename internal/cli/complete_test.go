package cli_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/testkit"
)

// complete is what the program offers for the last word of a line.
func (p *place) complete(line ...string) []string {
	p.t.Helper()
	out, stderr, code := p.run(append([]string{"__complete"}, line...)...)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if code != 0 || !strings.HasPrefix(lines[len(lines)-1], ":") || strings.Contains(stderr, "error") {
		p.t.Fatalf("%q: exit %d: %s %s", line, code, out, stderr)
	}
	return lines[:len(lines)-1]
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	p, s := onlineAround(t, nil)
	p.set("XDG_CACHE_HOME", filepath.Join(p.home, "cache"))
	if got := p.complete("setup", "--workspace", ""); len(got) != 0 {
		t.Errorf("before anything was listed there is %q", got)
	}
	p.setUp(append(slices.Clone(byFlags), "--json")...)
	before := len(s.Astro().Faults.Seen())
	twin := s.Astro().AddWorkspace("Data Platform")

	for _, c := range []struct {
		line []string
		want string
	}{
		{[]string{"set"}, "setup\tCreate a token, store it, write the pipeline file"},
		{[]string{"setup", "--credential", ""}, "deployment-token,workspace-token,organization-token,deployment-key"},
		{[]string{"setup", "--credential", "w"}, "workspace-token"},
		{[]string{"setup", "--deploy", ""}, "infer,image,dags,image-only"},
		{[]string{"setup", "--job", "d"}, "deploy,dags,deployments"},
		{[]string{"setup", "--deliver", ""}, "file,pull-request"},
		{[]string{"setup", "--self-rotate", ""}, "no,weekly,daily,reminder"},
		{[]string{"render", "--platform", "git"}, "gitea,github,gitlab"},
		{[]string{"setup", "--on-failure", ""}, "keep,undo"},
		{[]string{"status", "--json="}, "object,events"},
		{[]string{"setup", "--like", ""}, "etl-prod"},
		{[]string{"rotate", ""}, "etl-prod"},
		{[]string{"rotate", "etl-prod", ""}, ""},
		{[]string{"remove", "e"}, "etl-prod"},
		{[]string{"targets", "add", ""}, "etl-prod"},
		{[]string{"verify", "x"}, ""},
		{[]string{"setup", "--workspace", ""}, "Data Platform,Finance,Machine Learning"},
		{[]string{"token", "list", "--workspace", "mach"}, "Machine Learning"},
		{[]string{"setup", "--organization", ""}, "Acme Analytics"},
		{[]string{"setup", "--workspace", "data platform", "--deployment", ""}, "etl-prod"},
		{[]string{"setup", "--workspace", "Finance", "--deployment", ""}, ""},
		{[]string{"setup", "--sandbox", "--workspace", ""}, ""}, // the sandbox has names of its own
		{[]string{"setup", "--role", ""}, ""},
		{[]string{"completion", ""}, "bash,fish,powershell,zsh"},
	} {
		got := p.complete(c.line...)
		if c.line[0] == "completion" {
			slices.Sort(got)
		}
		if strings.Join(got, ",") != c.want {
			t.Errorf("%q: %q, want %q", c.line, got, c.want)
		}
	}
	if n := len(s.Astro().Faults.Seen()); n != before {
		t.Errorf("completing sent %d requests", n-before)
	}

	files, _ := filepath.Glob(filepath.Join(p.home, "cache", "astro-ci", "*"))
	if len(files) != 1 {
		t.Fatalf("the cache is %q", files)
	}
	raw, err := os.ReadFile(files[0])
	if err != nil || jwt.Match(raw) {
		t.Errorf("it holds a token, or: %v", err)
	}
	if i, err := os.Stat(files[0]); err != nil || i.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v, %v", i.Mode(), err)
	}

	// Two of one name are told apart; what is gone is forgotten.
	if _, stderr, code := p.run("token", "list", "--workspace", "Finance"); code != 0 {
		t.Fatal(stderr)
	}
	if got := p.complete("setup", "--workspace", "c"); len(got) != 2 || !slices.Contains(got, twin+"\tData Platform") {
		t.Errorf("two of one name are %q", got)
	}

	// Whatever is in the way, the shell hears nothing of it.
	p.write("astro-ci.yaml", "setups:\n  {")
	if err := os.WriteFile(files[0], []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.set("ASTRO_DOMAIN", "evil.example.org")
	p.unset("ASTRO_CI_ASTRO_URL")
	for _, flag := range []string{"--workspace", "--like"} {
		_ = p.complete("setup", flag, "")
	}
	if _, stderr, code := p.run("completion", "tcsh"); code != 2 || !strings.Contains(stderr, "completion --help") {
		t.Errorf("an unknown shell: exit %d: %s", code, stderr)
	}
}

// inShell is a place with a set-up, the program on the path, and what completes it in a shell.
func inShell(t *testing.T, shell, script string) (p *place, program string) {
	t.Helper()
	testkit.Need(t, shell)
	program, err := exec.LookPath(shell)
	if err != nil {
		t.Fatal(err)
	}
	p, _ = onlineAround(t, nil)
	p.setUp(append(slices.Clone(byFlags), "--json")...)
	self, err := os.Executable()
	if err == nil {
		err = os.Mkdir(filepath.Join(p.home, "bin"), 0o700)
	}
	if err == nil {
		err = os.Symlink(self, filepath.Join(p.home, "bin", "astro-ci"))
	}
	if err != nil {
		t.Fatal(err)
	}
	text, stderr, code := p.run("completion", shell)
	if code != 0 {
		t.Fatal(stderr)
	}
	p.write(script, text)
	return p, program
}

// shell is a shell with the program on its path.
func (p *place) shell(program string, args ...string) *exec.Cmd {
	cmd := p.command()
	cmd.Path, cmd.Args = program, append([]string{filepath.Base(program)}, args...)
	cmd.Env = append(cmd.Env, "PATH="+filepath.Join(p.home, "bin")+":/usr/bin:/bin")
	return cmd
}

// A name with spaces stays one word in a real shell.
func TestCompletionInBash(t *testing.T) {
	t.Parallel()
	p, bash := inShell(t, "bash", "completion.sh")
	// The function of bash-completion that the script calls, as far as it is needed here.
	p.write("ask.sh", `
_init_completion() { words=("${COMP_WORDS[@]}"); cword=$COMP_CWORD; cur=${words[cword]}; prev=${words[cword-1]}; }
_get_comp_words_by_ref() { :; }
compopt() { :; } # it works inside of a completion only
source ./completion.sh
ask() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}; COMP_TYPE=9; COMPREPLY=(); __start_astro-ci; printf '<%s>' "${COMPREPLY[@]}"; echo; }
ask astro-ci setup --workspace Mach
ask astro-ci setup --credential work
ask astro-ci rotate etl
ask astro-ci setup --role ''
`)
	out, err := p.shell(bash, "--norc", "ask.sh").CombinedOutput()
	if want := "<Machine\\ Learning>\n<workspace-token>\n<etl-prod>\n<>\n"; err != nil || string(out) != want {
		t.Errorf("%v: %q, want %q", err, out, want)
	}
}

func TestCompletionInFish(t *testing.T) {
	t.Parallel()
	p, fish := inShell(t, "fish", "completion.fish")
	out, err := p.shell(fish, "--no-config", "-c", `source ./completion.fish
for line in 'astro-ci setup --workspace Mach' 'astro-ci setup --credential work' 'astro-ci rotate etl' "astro-ci setup --role ''"
	complete -C $line
	echo .
end`).CombinedOutput()
	if want := "Machine Learning\n.\nworkspace-token\n.\netl-prod\n.\n.\n"; err != nil || string(out) != want {
		t.Errorf("%v: %q, want %q", err, out, want)
	}
}

// zsh completes only where somebody types.
func TestCompletionInZsh(t *testing.T) {
	t.Parallel()
	p, zsh := inShell(t, "zsh", "_astro-ci")
	s := testkit.StartScreen(t, p.shell(zsh, "-f", "-i"), 100, 30)
	s.Send("PS1='ready> '; fpath=($PWD $fpath); autoload -U compinit; compinit -D -u\r")
	s.WaitFor("\nready>")
	for typed, want := range map[string]string{
		"setup --workspace Mach": `setup --workspace Machine\ Learning`, "setup --credential work": "setup --credential workspace-token", "rotate etl": "rotate etl-prod",
	} {
		s.Send("astro-ci " + typed + "\t")
		s.WaitFor("astro-ci " + want)
		s.Send("\x15") // what was typed goes
	}
	s.Send("exit\r")
	s.Wait()
}
