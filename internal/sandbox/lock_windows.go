package sandbox

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// lock takes the lock file; closing the file, or the end of the process, gives it back.
func lock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	const all = ^uint32(0)
	err = windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, all, all, &windows.Overlapped{})
	if err != nil {
		return nil, errors.Join(errors.New("it is in use"), f.Close())
	}
	return f, nil
}

// release gives the lock back.
func release(f *os.File) error { return f.Close() }
