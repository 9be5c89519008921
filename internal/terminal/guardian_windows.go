// Package terminal holds what a terminal has to be given back after: hidden input, a stopped program, and a
// program that ended without a word.
package terminal

import (
	"context"
	"os"
)

// Guardian does nothing: a console takes its modes back from a process that ends.
type Guardian struct{}

// GoesOn is how to go on after a program that ended without a word.
const GoesOn = ""

// Watch starts no guardian.
func Watch(context.Context, *os.File, string) Guardian { return Guardian{} }

// Release says that the terminal was given back.
func (Guardian) Release() {}

// Guard says that this process is no guardian.
func Guard([]string) bool { return false }

// Stops are the signals that stop a program for a while: there are none.
var Stops []os.Signal

// Stop stops nothing.
func Stop() {}
