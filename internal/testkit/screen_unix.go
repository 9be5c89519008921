//go:build !windows

package testkit

import (
	"os"
	"syscall"
)

// closable is the same file as one that can be closed while it is read.
func closable(f *os.File) *os.File {
	fd, err := syscall.Dup(int(f.Fd()))
	if err != nil || syscall.SetNonblock(fd, true) != nil {
		return f
	}
	_ = f.Close()
	return os.NewFile(uintptr(fd), f.Name())
}
