package journal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/journal"
)

type record struct {
	N    int    `json:"n"`
	Text string `json:"text"`
}

func open(t *testing.T, dir string, o journal.Options) *journal.Journal {
	t.Helper()
	j, err := journal.Open(dir, "etl", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

func numbers(t *testing.T, raw []json.RawMessage) (out []int) {
	t.Helper()
	for _, r := range raw {
		var x record
		if err := json.Unmarshal(r, &x); err != nil {
			t.Fatal(err)
		}
		out = append(out, x.N)
	}
	return out
}

// three is the file of a journal with three records.
func three(t *testing.T) (path string, raw []byte) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "a", "b")
	j := open(t, dir, journal.Options{})
	for i := range 3 {
		if err := j.Append(record{i, "a line\nand \"another\" ü"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "etl.journal")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, raw
}

func TestAppendAndRead(t *testing.T) {
	t.Parallel()
	path, raw := three(t)
	private := os.FileMode(0o600)
	if runtime.GOOS == "windows" {
		private = 0o666 // there a file is as private as the profile it lies in
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != private {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	j := open(t, filepath.Dir(path), journal.Options{})
	if got := numbers(t, j.Records()); len(got) != 3 {
		t.Errorf("got %v", got)
	}
	if err := j.Append(record{N: 3}); err != nil {
		t.Fatal(err)
	}
	if got, err := journal.Read(filepath.Dir(path), "etl"); err != nil || len(got) != 4 || len(j.Records()) != 4 {
		t.Errorf("%d records, %v", len(got), err)
	}
	now, _ := os.ReadFile(path)
	if !bytes.HasPrefix(now, raw) {
		t.Error("what was there changed")
	}
	if names, err := journal.Names(filepath.Dir(path)); err != nil || len(names) != 1 || names[0] != "etl" {
		t.Errorf("%v, %v", names, err)
	}
	if names, err := journal.Names(filepath.Join(path, "..", "none")); err != nil || names != nil {
		t.Errorf("%v, %v", names, err)
	}
}

func TestOneAtATime(t *testing.T) {
	t.Parallel()
	path, _ := three(t)
	j := open(t, filepath.Dir(path), journal.Options{})
	if _, err := journal.Open(filepath.Dir(path), "etl", journal.Options{}); err == nil || !strings.Contains(hint.Of(err).Next, "Wait") {
		t.Errorf("got %v", err)
	}
	if _, err := journal.Read(filepath.Dir(path), "etl"); err != nil {
		t.Errorf("reading beside it: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, filepath.Dir(path), journal.Options{})
}

// However short the last write came out, the records before it are there and the next one goes on.
func TestTornAtEveryByte(t *testing.T) {
	t.Parallel()
	path, raw := three(t)
	for n := range len(raw) {
		for _, tail := range []string{"", "\x00\x00\x00", "\x00\n"} {
			cut := append(bytes.Clone(raw[:n]), tail...)
			if err := os.WriteFile(path, cut, 0o600); err != nil {
				t.Fatal(err)
			}
			whole := bytes.Count(raw[:n], []byte("\n")) - 1 // the header's
			j, err := journal.Open(filepath.Dir(path), "etl", journal.Options{})
			if err != nil {
				t.Fatalf("cut at %d with %q: %v", n, tail, err)
			}
			if got := numbers(t, j.Records()); len(got) != max(whole, 0) {
				t.Errorf("cut at %d with %q: %v", n, tail, got)
			}
			if err := errors.Join(j.Append(record{N: 9}), j.Close()); err != nil {
				t.Errorf("cut at %d: %v", n, err)
			}
			if got, err := journal.Read(filepath.Dir(path), "etl"); err != nil || len(got) != max(whole, 0)+1 {
				t.Errorf("cut at %d, then one more: %d, %v", n, len(got), err)
			}
		}
	}
}

// Anything that did not come from a write that ended too early is refused: every byte that is another
// one, every record that is missing.
func TestDamageIsRefused(t *testing.T) {
	t.Parallel()
	path, raw := three(t)
	check := func(what string, content []byte) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if j, err := journal.Open(filepath.Dir(path), "etl", journal.Options{}); !errors.Is(err, journal.ErrDamaged) {
			t.Errorf("%s: %v", what, err)
			_ = j.Close()
		}
		if _, err := journal.Read(filepath.Dir(path), "etl"); !errors.Is(err, journal.ErrDamaged) {
			t.Errorf("%s: read: %v", what, err)
		}
		if now, _ := os.ReadFile(path); !bytes.Equal(now, content) {
			t.Errorf("%s: the file was changed", what)
		}
	}
	for i := range raw {
		for _, bit := range []byte{1, 0x20} {
			c := bytes.Clone(raw)
			c[i] ^= bit
			if c[i] == 0 || bytes.EqualFold(c, raw) && i >= len("astro-ci journal 1\n") && isHexDigit(raw[i]) { // capital hex digits say the same
				continue
			}
			check("byte "+strconv.Itoa(i), c)
		}
	}
	lines := bytes.SplitAfter(raw, []byte("\n"))
	check("a record is missing", bytes.Join([][]byte{lines[0], lines[1], lines[3]}, nil))
	check("the first record is missing", bytes.Join([][]byte{lines[0], lines[2], lines[3]}, nil))
	check("two are swapped", bytes.Join([][]byte{lines[0], lines[2], lines[1], lines[3]}, nil))
	check("zeros in the middle", append(append(bytes.Clone(raw[:40]), 0, 0, '\n'), raw[40:]...))
	check("no journal", []byte("hello\n"))
}

func isHexDigit(b byte) bool { return strings.IndexByte("abcdef", b) >= 0 }

// faulty fails at the nth call of a kind.
type faulty struct {
	journal.File
	op    string
	nth   int
	err   error
	short bool // of a write, a part arrives
}

func (f *faulty) hit(op string) bool {
	if op != f.op {
		return false
	}
	f.nth--
	return f.nth == -1
}

func (f *faulty) Write(b []byte) (int, error) {
	if f.hit("write") {
		n := 0
		if f.short {
			n, _ = f.File.Write(b[:len(b)/2])
		}
		return n, f.err
	}
	return f.File.Write(b)
}

func (f *faulty) Sync() error {
	if f.hit("sync") {
		return f.err
	}
	return f.File.Sync()
}

// A disk that is full, broken or read-only: what could not be announced is an error, nothing is written
// after it, and what was there stays.
func TestDiskErrors(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"write", "sync"} {
		for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EIO, syscall.EROFS, syscall.EDQUOT} {
			for _, short := range []bool{false, true} {
				path, raw := three(t)
				f := &faulty{op: op, nth: 1, err: errno, short: short}
				j := open(t, filepath.Dir(path), journal.Options{Wrap: func(x journal.File) journal.File { f.File = x; return f }})
				if err := j.Append(record{N: 3}); err != nil {
					t.Fatal(err)
				}
				err := j.Append(record{N: 4})
				if !errors.Is(err, errno) || !strings.Contains(hint.Of(err).Next, "astro-ci resume") {
					t.Errorf("%s %v: %v", op, errno, err)
				}
				if again := j.Append(record{N: 5}); !errors.Is(again, errno) {
					t.Errorf("%s %v: it went on: %v", op, errno, again)
				}
				_ = j.Close()
				now, err := journal.Read(filepath.Dir(path), "etl")
				if got := numbers(t, now); err != nil || len(got) < 4 || got[3] != 3 || len(got) > 5 {
					t.Errorf("%s %v: %v, %v", op, errno, got, err)
				}
				if after, _ := os.ReadFile(path); !bytes.HasPrefix(after, raw) {
					t.Errorf("%s %v: what was there changed", op, errno)
				}
			}
		}
	}
}

func TestFoldersThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	at := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(at, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := journal.Open(at, "etl", journal.Options{}); err == nil || !strings.Contains(hint.Of(err).Next, "--state-dir") {
		t.Errorf("got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("astro-ci journal 1\n00000002 00000000 {}\n"))
	f.Add([]byte("astro-ci"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "x.journal"), raw, 0o600); err != nil {
			t.Fatal(err)
		}
		j, err := journal.Open(dir, "x", journal.Options{})
		if err != nil {
			return
		}
		before := len(j.Records())
		if err := errors.Join(j.Append(record{N: 1}), j.Close()); err != nil {
			t.Fatal(err)
		}
		if got, err := journal.Read(dir, "x"); err != nil || len(got) != before+1 {
			t.Fatalf("%d records, then %d: %v", before, len(got), err)
		}
	})
}
