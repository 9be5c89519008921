//go:build !windows

package terminal

import "golang.org/x/sys/unix"

// Hide stops a terminal from showing what is typed, until restore is called.
func Hide(fd int) (restore func(), err error) {
	before, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return func() {}, err
	}
	hidden := *before
	hidden.Lflag &^= unix.ECHO
	if err := unix.IoctlSetTermios(fd, setTermios, &hidden); err != nil {
		return func() {}, err
	}
	return func() { _ = unix.IoctlSetTermios(fd, setTermios, before) }, nil
}
