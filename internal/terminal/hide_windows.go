package terminal

import "golang.org/x/sys/windows"

// Hide stops a console from showing what is typed, until restore is called.
func Hide(fd int) (restore func(), err error) {
	var before uint32
	if err := windows.GetConsoleMode(windows.Handle(fd), &before); err != nil {
		return func() {}, err
	}
	if err := windows.SetConsoleMode(windows.Handle(fd), before&^windows.ENABLE_ECHO_INPUT); err != nil {
		return func() {}, err
	}
	return func() { _ = windows.SetConsoleMode(windows.Handle(fd), before) }, nil
}
