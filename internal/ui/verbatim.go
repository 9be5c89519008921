package ui

import "io"

// Verbatim is an output as it is, without what it does to the commands in a text: for what stands in a file.
func Verbatim(w io.Writer) io.Writer {
	if x, ok := w.(interface{ Verbatim() io.Writer }); ok {
		return x.Verbatim()
	}
	return w
}
