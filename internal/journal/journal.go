// Package journal keeps, for each setup, an append-only record of what is about to be done and of what
// came of it, so that a process that ends at any instant can be followed by another one.
//
// A record is durable before Append returns: whoever announces an act first and acts then can never have
// done something that the journal does not know. A journal holds no secret.
//
// A file is a line of text and then one line for each record: the length of its JSON and a checksum, both
// in hexadecimal, and the JSON. The checksum goes on from the one of the record before, so that a record
// that is missing in between is seen as well.
package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/astro-ci/astro-ci/internal/filelock"
	"github.com/astro-ci/astro-ci/internal/hint"
)

const (
	header = "astro-ci journal 1\n"
	suffix = ".journal"
	prefix = len("00000000 00000000 ")
)

// table is made at its first use: most commands read no journal.
var table = sync.OnceValue(func() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) })

// File is the part of an open file by which records are written.
type File interface {
	io.Writer
	Sync() error
	Truncate(size int64) error
	Close() error
}

// Options change how a journal is written; the zero value is the usual way.
type Options struct {
	// Wrap stands between the journal and its file, for tests that let writing fail.
	Wrap func(File) File
}

// Journal is one journal that is open for writing; the others wait for it.
type Journal struct {
	path    string
	file    File
	lock    *filelock.Lock
	records []json.RawMessage
	size    int64
	sum     uint32
	failed  error
}

// Open opens the journal of a name below dir, and makes both when they are missing. What was being
// written when a process ended is dropped; anything else that is wrong with the file is an error.
func Open(dir, name string, o Options) (j *Journal, err error) {
	j = &Journal{path: filepath.Join(dir, name+suffix)}
	defer func() {
		if err != nil {
			err = hint.Wrap(errors.Join(err, j.Close()), "open the journal "+j.path, next(err), "")
			j = nil
		}
	}()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return j, err
	}
	if j.lock, err = filelock.Take(filepath.Join(dir, name+".lock")); err != nil {
		return j, err
	}
	raw, err := os.ReadFile(j.path)
	fresh := errors.Is(err, fs.ErrNotExist)
	if err != nil && !fresh {
		return j, err
	}
	if j.records, j.size, j.sum, err = parse(raw); err != nil {
		return j, err
	}
	f, err := os.OpenFile(j.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return j, err
	}
	j.file = f
	if o.Wrap != nil {
		j.file = o.Wrap(f)
	}
	if j.size < int64(len(raw)) {
		if err := errors.Join(j.file.Truncate(j.size), j.file.Sync()); err != nil {
			return j, err
		}
	}
	if j.size == 0 {
		if err := j.write([]byte(header)); err != nil {
			return j, err
		}
	}
	if fresh {
		return j, syncDir(dir)
	}
	return j, nil
}

func next(err error) string {
	switch {
	case errors.Is(err, filelock.ErrHeld):
		return "Another astro-ci works on this setup. Wait for it to end."
	case errors.Is(err, ErrDamaged):
		return "Nothing was done. Move the file away and run astro-ci rotate: it starts anew, and deletes nothing that it does not know."
	}
	return "Nothing was done. Make room or make the folder writable, or name another one with --state-dir."
}

// ErrDamaged says that a journal is not what was written.
var ErrDamaged = errors.New("the journal is damaged")

// parse reads the records. A torn end is left out: an incomplete line, or one in which the disk kept
// zeros. size is where the next record goes, sum its seed.
func parse(raw []byte) (records []json.RawMessage, size int64, sum uint32, err error) {
	if !bytes.HasPrefix(raw, []byte(header)) {
		if strings.HasPrefix(header, string(raw)) || torn(raw) { // not even that was written
			return nil, 0, 0, nil
		}
		return nil, 0, 0, ErrDamaged
	}
	at := len(header)
	for at < len(raw) {
		rest := raw[at:]
		n, want, whole := head(rest)
		end := prefix + n
		switch {
		case whole && len(rest) > end && rest[end] == '\n' && crc32.Update(sum, table(), rest[prefix:end]) == want:
			records, sum = append(records, json.RawMessage(rest[prefix:end])), want
			at += end + 1
		case torn(rest), bytes.IndexByte(rest, '\n') < 0 && (len(rest) < prefix || whole && len(rest) <= end):
			return records, int64(at), sum, nil
		default:
			return nil, 0, 0, fmt.Errorf("%w at byte %d", ErrDamaged, at)
		}
	}
	return records, int64(at), sum, nil
}

// head reads the length and the checksum at the beginning of a line.
func head(line []byte) (n int, sum uint32, ok bool) {
	if len(line) < prefix || line[8] != ' ' || line[17] != ' ' {
		return 0, 0, false
	}
	size, err := strconv.ParseUint(string(line[:8]), 16, 31)
	crc, err2 := strconv.ParseUint(string(line[9:17]), 16, 32)
	return int(size), uint32(crc), err == nil && err2 == nil
}

// torn reports whether the disk kept zeros where text was written; text has none.
func torn(b []byte) bool {
	return bytes.IndexByte(b, 0) >= 0 && !bytes.Contains(bytes.TrimRight(b, "\n\x00"), []byte("\n"))
}

// Records are those that were there when the journal was opened, and those appended since.
func (j *Journal) Records() []json.RawMessage { return j.records }

// Append makes a record durable. After an error nothing more is written: what is on the disk then is not
// known, and whoever cannot announce an act must not act.
func (j *Journal) Append(record any) error {
	if j.failed != nil {
		return j.failed
	}
	raw, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	sum := crc32.Update(j.sum, table(), raw)
	line := fmt.Appendf(nil, "%08x %08x %s\n", len(raw), sum, raw)
	if err := j.write(line); err != nil {
		j.failed = hint.Wrap(err, "write the journal "+j.path, "Nothing more was done, and nothing is lost. Make room or make the folder writable, then run: astro-ci resume", "")
		_ = j.file.Truncate(j.size) // as far as it goes; the next reader drops a torn end anyway
		return j.failed
	}
	j.size, j.sum, j.records = j.size+int64(len(line)), sum, append(j.records, raw)
	return nil
}

func (j *Journal) write(b []byte) error {
	if _, err := j.file.Write(b); err != nil {
		return err
	}
	if err := j.file.Sync(); err != nil {
		return err
	}
	if j.size == 0 {
		j.size = int64(len(header))
	}
	return nil
}

// Close lets others have the journal.
func (j *Journal) Close() error {
	var err error
	if j.file != nil {
		err = j.file.Close()
	}
	if j.lock != nil {
		err = errors.Join(err, j.lock.Release())
	}
	j.file, j.lock = nil, nil
	return err
}

// Read returns the records of a journal that another process may be writing.
func Read(dir, name string) ([]json.RawMessage, error) {
	path := filepath.Join(dir, name+suffix)
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	records, _, _, err := parse(raw)
	if err != nil {
		return nil, hint.Wrap(err, "read the journal "+path, next(err), "")
	}
	return records, nil
}

// Names lists the journals below dir; a folder that is not there has none.
func Names(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), suffix); ok && e.Type().IsRegular() {
			names = append(names, name)
		}
	}
	return names, err
}
