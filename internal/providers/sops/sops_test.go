package sops_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/providers/sops"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

const name = "ASTRO_API_TOKEN"

func target(address, name string) setup.Target {
	return setup.Target{Store: sops.ID, Address: address, Secret: name}
}

// world is a repository with the real sops and a key of age. Everything that sops is told on its command
// line goes into the log.
func world(t *testing.T, rules string) (root string, w *providertest.World) {
	t.Helper()
	testkit.Need(t, "sops")
	root = t.TempDir()
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, ".sops.yaml"), []byte("creation_rules:\n  - age: "+key.Recipient().String()+"\n"+rules), 0o644); err != nil {
		t.Fatal(err)
	}
	w = &providertest.World{Log: providertest.NewLog()}
	run := testkit.Program("sops", root, "SOPS_AGE_KEY="+key.String())
	w.Store = sops.New(sops.Options{Root: root, Run: func(ctx context.Context, stdin []byte, args ...string) ([]byte, error) {
		w.Log.WriteString(strings.Join(args, " ") + "\n")
		return run(ctx, stdin, args...)
	}})
	w.Open = func(x setup.Target) (*secret.Value, error) {
		if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(x.Address))); err != nil {
			return nil, errors.New("no such secret")
		}
		out, err := run(t.Context(), nil, "decrypt", "--extract", `["`+x.Secret+`"]`, x.Address)
		return secret.New(out), err
	}
	return root, w
}

func TestStore(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Subject{
		Local: true,
		New: func(t *testing.T) *providertest.World {
			_, w := world(t, "")
			return w
		},
		Targets: []setup.Target{target("secrets/astro.yaml", name), target("a.json", name), target("a.env", name)},
		Hostile: []setup.Target{
			target("a.yaml", "1A"), target("a.yaml", ""), target("", name), target("/a.yaml", name), target("../a.yaml", name), target("a b.yaml", name), target("a", name), target(".sops.yaml", name),
			target("--a.yaml", name), target("a\n.yaml", name), target(strings.Repeat("a", 600)+".yaml", name),
		},
	})
}

// What else is in the file stays, and nothing is left beside it.
func TestNeighbours(t *testing.T) {
	t.Parallel()
	root, w := world(t, "")
	at := target("secrets/astro.yaml", name)
	var other providers.Receipt
	for i, n := range []string{"OTHER", name, name} {
		v := testkit.Canary(t)
		x := at
		x.Secret = n
		r, err := w.Store.Put(t.Context(), x, v, providers.Meta{})
		if err != nil || r.Proof != providers.ReadBack {
			t.Fatalf("%+v, %v", r, err)
		}
		if i == 0 {
			other = r
		}
		testkit.ScanDir(t, v, root)
		testkit.MustNotLeak(t, v, w.Log.Bytes())
	}
	if _, err := w.Open(target(at.Address, "OTHER")); err != nil {
		t.Error(err)
	}
	if st, err := w.Store.Stat(t.Context(), target(at.Address, "OTHER")); err != nil || st.Version != other.Version {
		t.Errorf("the mark of the other key moved: %+v, %+v, %v", st, other, err)
	}
	if files, err := os.ReadDir(filepath.Join(root, "secrets")); err != nil || len(files) != 1 {
		t.Errorf("%v, %v", files, err)
	}
}

// Where the rules would leave the key in clear, nothing is written, not even for an instant.
func TestInClear(t *testing.T) {
	t.Parallel()
	root, w := world(t, "    encrypted_regex: ^password$\n")
	at := target("secrets/astro.yaml", name)
	v := testkit.Canary(t)
	_, err := w.Store.Check(t.Context(), at)
	if err == nil || !strings.Contains(hint.Of(err).Doing, "in clear") {
		t.Errorf("got %v", err)
	}
	if _, err := w.Store.Put(t.Context(), at, v, providers.Meta{}); err == nil {
		t.Error("it was written")
	}
	testkit.ScanDir(t, v, root)
	if files, err := os.ReadDir(filepath.Join(root, "secrets")); err != nil || len(files) != 0 {
		t.Errorf("%v, %v", files, err)
	}
}

// A key of the same name deeper in the file is another one: it neither stands for ours, nor vouches that ours
// is encrypted.
func TestDeeperKey(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"secrets/astro.yaml", "secrets/astro.json"} {
		root, w := world(t, "    encrypted_regex: ^db$\n")
		at := target(file, name)
		plain := filepath.Join(root, "plain.json")
		if err := os.WriteFile(plain, []byte(`{"db": {"`+name+`": "another"}}`), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(root, "secrets"), 0o755); err != nil {
			t.Fatal(err)
		}
		if _, err := testkit.Program("sops", root)(t.Context(), nil, "encrypt", "--filename-override", file, "--input-type", "json", "--output-type", strings.TrimPrefix(filepath.Ext(file), "."), "--output", file, plain); err != nil {
			t.Fatal(err)
		}
		if st, err := w.Store.Stat(t.Context(), at); err != nil || st.Exists {
			t.Errorf("%s: the deeper key is taken for ours: %+v, %v", file, st, err)
		}
		v := testkit.Canary(t)
		if _, err := w.Store.Put(t.Context(), at, v, providers.Meta{}); err == nil || !strings.Contains(hint.Of(err).Doing, "in clear") {
			t.Errorf("%s: it was written in clear: %v", file, err)
		}
		testkit.ScanDir(t, v, root)
	}
}

// A file that cannot be opened says so, and stays as it is.
func TestNoKey(t *testing.T) {
	t.Parallel()
	root, w := world(t, "")
	at := target("astro.yaml", name)
	if _, err := w.Store.Put(t.Context(), at, testkit.Canary(t), providers.Meta{}); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(root, at.Address))
	if err != nil {
		t.Fatal(err)
	}
	s := sops.New(sops.Options{Root: root, Run: testkit.Program("sops", root)})
	if _, err := s.Check(t.Context(), at); err == nil || hint.Of(err).Next == "" {
		t.Errorf("got %v", err)
	}
	if _, err := s.Put(t.Context(), at, testkit.Canary(t), providers.Meta{}); err == nil {
		t.Error("it was written")
	}
	if st, err := s.Stat(t.Context(), at); err != nil || !st.Exists || st.UpdatedAt.IsZero() {
		t.Errorf("%+v, %v", st, err)
	}
	if after, err := os.ReadFile(filepath.Join(root, at.Address)); err != nil || string(after) != string(before) {
		t.Error("the file was changed")
	}
}
