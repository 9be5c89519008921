package testkit

import (
	"bytes"
	"sync"
)

// Log collects what several write at the same time. The zero value is empty.
type Log struct {
	mu  sync.Mutex
	all bytes.Buffer
}

// WriteString adds a text.
func (l *Log) WriteString(s string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all.WriteString(s)
}

// Bytes is all that was written so far.
func (l *Log) Bytes() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.all.Bytes())
}

// String is the same as a text.
func (l *Log) String() string { return string(l.Bytes()) }
