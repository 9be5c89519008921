package cli

import (
	"encoding/json"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/journal"
	"github.com/astro-ci/astro-ci/internal/rotation"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// journalDir is where the journals are; those of the sandbox are apart.
func (a *app) journalDir() (string, error) {
	dir, err := a.env.stateDir(a.stateDir)
	if a.sandbox && err == nil {
		dir, err = a.sandboxDir()
	}
	return filepath.Join(dir, "journals"), err
}

// openBook is a journal that is open for writing.
type openBook struct {
	*rotation.Book
	close func() error
}

// openBook opens the journal of a setup for writing, until it or the world is closed.
func (w *world) openBook(name string) (*rotation.Book, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if b := w.books[name]; b.Book != nil {
		return b.Book, nil
	}
	dir, err := w.app.journalDir()
	if err != nil {
		return nil, err
	}
	j, err := journal.Open(dir, name, w.app.journal)
	if err != nil {
		return nil, err
	}
	b, err := rotation.NewBook(j.Records(), j, time.Now)
	if err != nil {
		return nil, errors.Join(err, j.Close())
	}
	w.books[name] = openBook{b, j.Close}
	return b, nil
}

// closeBook ends the writing of a journal, for others to go on; one that is not open is fine.
func (w *world) closeBook(name string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := w.books[name]
	delete(w.books, name)
	if b.close == nil {
		return nil
	}
	return b.close()
}

// book is the journal of a setup when it is open, or nil.
func (w *world) book(name string) *rotation.Book {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.books[name].Book
}

// goesOn is the command that goes on with the first of these setups that was begun and is not finished; "" when
// none is.
func (a *app) goesOn(names ...string) string {
	dir, err := a.journalDir()
	if err != nil {
		return ""
	}
	for _, name := range names {
		if s, err := read(dir, name); err == nil && s.Active() {
			return a.again("resume " + name)
		}
	}
	return ""
}

// notFinished refuses to begin something on a setup on which something was begun.
func (a *app) notFinished(name string, s rotation.State) error {
	on := a.again("resume " + name)
	next := "Finish it with " + on
	if s.Untouched() {
		next += ", or take it back with " + on + " --abort"
	}
	return hint.New("the setup "+name+" was begun and is not finished", next+".", "")
}

// known is a setup that this computer has a journal of.
type known struct {
	name  string
	state rotation.State
	err   error // the journal cannot be read
}

// journals reads what the journals say, without waiting for who writes one. Those that renew others come
// last: what they log in with is replaced after what they replace.
func (a *app) journals() (out []known, err error) {
	dir, err := a.journalDir()
	if err != nil {
		return nil, err
	}
	names, err := journal.Names(dir)
	if err != nil {
		return nil, hint.Wrap(err, "read the journals in "+dir, "Make the folder readable, or name another one with --state-dir.", "")
	}
	for _, name := range names {
		x := known{name: name}
		x.state, x.err = read(dir, name)
		if x.err != nil || x.state.Op != "" {
			out = append(out, x)
		}
	}
	slices.SortStableFunc(out, func(a, b known) int { return rank(a) - rank(b) })
	return out, nil
}

// rank is 1 for a setup that renews others.
func rank(k known) int {
	if k.state.Plan.Job.Scheduled() {
		return 1
	}
	return 0
}

func read(dir, name string) (rotation.State, error) {
	var raw []json.RawMessage
	raw, err := journal.Read(dir, name)
	if errors.Is(err, fs.ErrNotExist) {
		return rotation.State{}, nil
	}
	if err != nil {
		return rotation.State{}, err
	}
	records, err := rotation.Decode(raw)
	return rotation.Fold(records), err
}

// earlierTargets are the places in which set-ups of the same name before this plan kept their secret, since the
// setup was last removed.
func (w *world) earlierTargets(p setup.Plan) (out []setup.Target, err error) {
	dir, err := w.app.journalDir()
	if err != nil {
		return nil, err
	}
	raw, err := journal.Read(dir, p.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	records, err := rotation.Decode(raw)
	var last []setup.Target
	same := func(t setup.Target) func(setup.Target) bool {
		return func(x setup.Target) bool { return x.String() == t.String() }
	}
	for _, r := range records {
		switch r.Kind {
		case rotation.RecRemoved:
			out = nil
		case rotation.RecForgot: // it was removed, or given up
			out = slices.DeleteFunc(out, same(last[r.Target]))
		case rotation.RecPlanned:
			last = r.Begin.Plan.Targets
			for _, t := range last {
				if !slices.ContainsFunc(out, same(t)) {
					out = append(out, t)
				}
			}
		default:
		}
	}
	return slices.DeleteFunc(out, func(t setup.Target) bool { return slices.ContainsFunc(p.Targets, same(t)) }), err
}
