// Package filelock keeps two processes from working on the same files.
package filelock

import (
	"errors"
	"os"
)

// ErrHeld says that another process holds the lock.
var ErrHeld = errors.New("it is in use")

// Lock is a lock file that is held. The end of the process gives it back.
type Lock struct{ f *os.File }

// Take makes the lock file when it is missing and takes its lock; it never waits.
func Take(path string) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if lock(f) != nil {
		return nil, errors.Join(ErrHeld, f.Close())
	}
	return &Lock{f}, nil
}

// Release gives the lock back.
func (l *Lock) Release() error { return errors.Join(unlock(l.f), l.f.Close()) }
