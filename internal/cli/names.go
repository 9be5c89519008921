package cli

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/astro-ci/astro-ci/internal/astro"
)

// names are those of Organizations, Workspaces and Deployments that Astro has listed, by kind. They are kept
// in a file for each Astro, so that a shell can complete them; losing it loses nothing.
type names struct {
	mu      sync.Mutex
	file    string // "": nowhere
	all     map[string][]astro.Named
	changed bool
}

// namesFile is the file for the Astro at an address; the sandbox has one of its own.
func (a *app) namesFile(base *url.URL) string {
	dir := a.env.cacheDir()
	switch {
	case dir == "":
		return ""
	case a.sandbox:
		return filepath.Join(dir, "sandbox.json")
	}
	return filepath.Join(dir, "astro-"+url.PathEscape(base.Host)+".json")
}

// remember has the names kept that a client lists.
func (a *app) remember(c *astro.Client, base *url.URL) {
	a.names.read(a.namesFile(base))
	c.Tell(a.names.note)
}

// read begins with what the file holds; one that cannot be read holds nothing.
func (n *names) read(file string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.file, n.all, n.changed = file, map[string][]astro.Named{}, false
	if raw, err := os.ReadFile(file); err == nil && json.Unmarshal(raw, &n.all) != nil {
		n.all = map[string][]astro.Named{}
	}
}

// note takes in a part of a list; the first part takes the place of all that was there.
func (n *names) note(kind, in string, first bool, part []astro.Named) {
	n.mu.Lock()
	defer n.mu.Unlock()
	before := n.all[kind]
	after := slices.DeleteFunc(slices.Clone(before), func(x astro.Named) bool {
		return first && x.In == in || slices.ContainsFunc(part, func(y astro.Named) bool { return x.ID == y.ID })
	})
	after = append(after, part...)
	n.changed = n.changed || !slices.Equal(before, after)
	n.all[kind] = after
}

// save writes the file anew when there is something new. A file that cannot be written is no trouble.
func (n *names) save() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.file == "" || !n.changed {
		return
	}
	raw, err := json.Marshal(n.all)
	if err != nil || os.MkdirAll(filepath.Dir(n.file), 0o700) != nil {
		return
	}
	f, err := os.CreateTemp(filepath.Dir(n.file), "new-*") // readable by its owner alone
	if err != nil {
		return
	}
	_, err = f.Write(raw)
	if f.Close() != nil || err != nil || os.Rename(f.Name(), n.file) != nil {
		_ = os.Remove(f.Name())
	}
}
