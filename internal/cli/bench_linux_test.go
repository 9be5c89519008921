package cli_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/testkit"
)

// built compiles a package of this module as a release is compiled.
func built(b *testing.B, pkg string) string {
	b.Helper()
	out := filepath.Join(b.TempDir(), "program")
	cmd := exec.Command("go", "build", "-trimpath", "-gcflags", "all=-l", "-ldflags", "-s -w -X github.com/astro-ci/astro-ci/internal/version.Number=v0.0.0", "-o", out, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, text)
	}
	return out
}

// ratio measures two things by turns and reports how many times longer the first takes: of the least times,
// because other work on the machine only ever adds.
func ratio(b *testing.B, ours, theirs func() time.Duration) {
	b.Helper()
	var a, z []time.Duration
	for b.Loop() {
		a, z = append(a, ours()), append(z, theirs())
	}
	b.ReportMetric(float64(slices.Min(a))/float64(slices.Min(z)), "times")
	b.ReportMetric(float64(len(a)), "runs")
	b.ReportMetric(0, "ns/op")
}

// How long the shortest command takes, compared with a program that prints one line.
func BenchmarkVersion(b *testing.B) {
	program, line := built(b, "../../cmd/astro-ci"), built(b, "./testdata/bench/line")
	run := func(args ...string) func() time.Duration {
		return func() time.Duration {
			cmd := exec.Command(args[0], args[1:]...)
			cmd.Env = []string{"HOME=" + b.TempDir(), "PATH=/usr/bin:/bin"}
			begin := time.Now()
			if err := cmd.Run(); err != nil {
				b.Fatal(err)
			}
			return time.Since(begin)
		}
	}
	ratio(b, run(program, "version"), run(line))
}

// wizard is astro-ci in the sandbox on a terminal.
func wizard(b *testing.B, program string) *testkit.Screen {
	cmd := exec.Command(program, "--sandbox")
	cmd.Dir = b.TempDir()
	cmd.Env = []string{"HOME=" + b.TempDir(), "PATH=/usr/bin:/bin", "LANG=C.UTF-8", "ASTRO_CI_KEY_GRACE=1ns"}
	return testkit.StartScreen(b, cmd, 100, 30)
}

// How long it takes until something can be seen, compared with one question of huh.
func BenchmarkFirstFrame(b *testing.B) {
	program, form := built(b, "../../cmd/astro-ci"), built(b, "./testdata/bench/form")
	until := func(start func() *testkit.Screen, text string) func() time.Duration {
		return func() time.Duration {
			begin := time.Now()
			s := start()
			s.WaitFor(text)
			took := time.Since(begin)
			s.Send(testkit.CtrlC)
			s.Wait()
			return took
		}
	}
	ratio(b, until(func() *testkit.Screen { return wizard(b, program) }, "astro-ci"),
		until(func() *testkit.Screen { return testkit.StartScreen(b, exec.Command(form), 100, 30) }, "bare form"))
}

// What the wizard costs: memory up to the review, and what it writes and how often it wakes while nobody
// presses a key.
func BenchmarkIdle(b *testing.B) {
	s := wizard(b, built(b, "../../cmd/astro-ci"))
	s.WaitFor("ada@acme.example")
	for _, next := range []string{"What will the pipeline do?", "Which credential?", "Which Workspace?", "How long", "Where is the secret", "Do all of this now?"} {
		s.Press(testkit.Enter, next)
	}
	s.WaitFor("? help")
	<-time.After(5 * time.Second) // until it is idle
	var written, woken int
	for b.Loop() {
		w, v := len(s.Raw()), switches(b, s.Pid())
		<-time.After(time.Second)
		written, woken = written+len(s.Raw())-w, woken+switches(b, s.Pid())-v
	}
	b.ReportMetric(float64(written)/float64(b.N), "bytes/s")
	b.ReportMetric(float64(woken)/float64(b.N), "wakes/s")
	b.ReportMetric(float64(status(b, fmt.Sprintf("/proc/%d/status", s.Pid()), "VmHWM"))/1024, "MB")
	b.ReportMetric(0, "ns/op")
	s.Send(testkit.CtrlC)
	s.Wait()
}

// switches is how often the threads of a process gave up the processor by themselves.
func switches(b *testing.B, pid int) (n int) {
	all, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	for _, file := range all {
		n += status(b, file, "voluntary_ctxt_switches")
	}
	return n
}

// status is one number of a file as Linux describes processes.
func status(b *testing.B, file, name string) int {
	raw, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			n, err := strconv.Atoi(strings.Fields(value)[0])
			if err != nil {
				b.Fatal(err)
			}
			return n
		}
	}
	b.Fatalf("%s lacks %s", file, name)
	return 0
}
