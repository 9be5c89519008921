//go:build unix

package sandbox

import (
	"errors"
	"os"
	"syscall"
)

// lock takes the lock file; closing the file, or the end of the process, gives it back.
func lock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(errors.New("it is in use"), f.Close())
	}
	return f, nil
}

// release gives the lock back at once; closing alone would leave it with a child that is just being
// started.
func release(f *os.File) error {
	return errors.Join(syscall.Flock(int(f.Fd()), syscall.LOCK_UN), f.Close())
}
