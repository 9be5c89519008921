package cli_test

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/astro-ci/astro-ci/internal/journal"
)

// actedAnyway is the code of a program that went on acting after its disk had failed.
const actedAnyway = 99

// disk fails from the nth call of an operation on: a journal cannot be written any more.
type disk struct {
	op     string // write or sync
	errno  syscall.Errno
	left   atomic.Int64
	failed atomic.Bool
}

// diskOf reads "write 28 5": the operation, the error's number, and which call is the first that fails.
func diskOf(text string) (*disk, bool) {
	var d disk
	var n int64
	if _, err := fmt.Sscan(text, &d.op, (*uintptr)(&d.errno), &n); err != nil {
		return nil, false
	}
	d.left.Store(n)
	return &d, true
}

func (d *disk) fails(op string) error {
	if op == d.op && d.left.Add(-1) <= 0 {
		d.failed.Store(true)
	}
	if d.failed.Load() {
		return d.errno
	}
	return nil
}

func (d *disk) wrap(f journal.File) journal.File { return failingFile{f, d} }

type failingFile struct {
	journal.File
	d *disk
}

func (f failingFile) Write(b []byte) (int, error) {
	if err := f.d.fails("write"); err != nil {
		n, _ := f.File.Write(b[:len(b)/2]) // a full disk takes a part
		return n, err
	}
	return f.File.Write(b)
}

func (f failingFile) Sync() error {
	if err := f.d.fails("sync"); err != nil {
		return err
	}
	return f.File.Sync()
}

func (d *disk) around(base http.RoundTripper) http.RoundTripper { return watchedNetwork{d, base} }

type watchedNetwork struct {
	d    *disk
	base http.RoundTripper
}

// RoundTrip ends the program when it wants to change something that it could not announce.
func (x watchedNetwork) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet && x.d.failed.Load() {
		os.Exit(actedAnyway)
	}
	return x.base.RoundTrip(r)
}

// Whenever the disk of the journal begins to fail, the program changes nothing any more and says so; the
// targets keep a token that works, and when there is room again everything comes to its end.
func TestTheDiskFails(t *testing.T) {
	t.Parallel()
	var all atomic.Int64
	t.Cleanup(func() { _, _ = fmt.Fprintf(os.Stderr, "%d times the disk failed\n", all.Load()) })
	step := *every
	if testing.Short() {
		step *= 3
	}
	errnos := []syscall.Errno{syscall.ENOSPC, syscall.EIO, syscall.EROFS}
	for _, name := range slices.Sorted(maps.Keys(toTheEnd)) {
		for _, op := range []string{"write", "sync"} {
			t.Run(name+", "+op, func(t *testing.T) {
				t.Parallel()
				points := 0
				for at := 1; ; at += step {
					errno := errnos[at%len(errnos)]
					when := fmt.Sprintf("%s %d, %v", op, at, errno)
					p, s := before(t, name)
					q := *p
					q.env = append(slices.Clone(p.env), fmt.Sprintf("ASTRO_CI_TEST_DISK=%s %d %d", op, errno, at))
					_, stderr, code := q.run(toTheEnd[name]...)
					if code == 0 {
						break
					}
					points++
					if code != 1 && code != 5 || !strings.Contains(stderr, "journal") || !strings.Contains(stderr, errno.Error()) {
						t.Errorf("%s: exit %d: %s", when, code, stderr)
					}
					if err := alive(s); err != nil && name != "leaked" {
						t.Errorf("%s: %v", when, err)
					}
					goOn(p, s, name, when)
				}
				all.Add(int64(points))
				if points == 0 {
					t.Error("it never failed")
				}
			})
		}
	}
}
