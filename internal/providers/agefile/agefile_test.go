package agefile_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/agefile"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

const name = "ASTRO_API_TOKEN"

func target(address, name string) setup.Target {
	return setup.Target{Store: agefile.ID, Address: address, Secret: name}
}

func newKey(t *testing.T) *age.X25519Identity {
	t.Helper()
	k, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// The real age reads what was written.
func open(t *testing.T, root, key string) func(setup.Target) (*secret.Value, error) {
	t.Helper()
	testkit.Need(t, "age")
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(x setup.Target) (*secret.Value, error) {
		at := filepath.Join(root, filepath.FromSlash(x.Address), x.Secret+".age")
		if _, err := os.Stat(at); err != nil {
			return nil, errors.New("no such secret")
		}
		return secret.New(testkit.Output(t, "", "age", "--decrypt", "--identity", file, at)), nil
	}
}

func TestStore(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Subject{
		Local: true,
		New: func(t *testing.T) *providertest.World {
			root, key := t.TempDir(), newKey(t)
			return &providertest.World{
				Store: agefile.New(agefile.Options{Root: root, Recipients: key.Recipient().String(), Identities: secret.New([]byte(key.String()))}),
				Log:   providertest.NewLog(), Open: open(t, root, key.String()),
			}
		},
		Targets: []setup.Target{target("secrets/astro", name), target("a", name)},
		Hostile: []setup.Target{
			target("a", "1A"), target("a", ""), target("", name), target("/a", name), target("../a", name), target("a/../b", name), target("a b", name), target("a\nb", name), target(".git", name), target(strings.Repeat("a", 600), name),
		},
	})
}

// The nearest file of recipients counts; every one of them reads the secret, and nobody else.
func TestRecipients(t *testing.T) {
	t.Parallel()
	root, ada, bob, eve := t.TempDir(), newKey(t), newKey(t), newKey(t)
	at := target("secrets/astro", name)
	s := agefile.New(agefile.Options{Root: root, Identities: secret.New([]byte(eve.String()))})
	if _, err := s.Check(t.Context(), at); err == nil || !strings.Contains(hint.Of(err).Next, agefile.Recipients) {
		t.Errorf("no key at all: %v", err)
	}
	for file, text := range map[string]string{agefile.Recipients: eve.Recipient().String(), "secrets/" + agefile.Recipients: "# the team\n" + ada.Recipient().String() + "\n\n" + bob.Recipient().String() + "\n"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, file)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	access, err := s.Check(t.Context(), at)
	if err != nil || !strings.Contains(access.Note.String(), "2 public keys of secrets/"+agefile.Recipients) {
		t.Errorf("%+v, %v", access, err)
	}
	v := testkit.Canary(t)
	r, err := s.Put(t.Context(), at, v, providers.Meta{})
	if err != nil || r.Proof != providers.Metadata {
		t.Fatalf("%+v, %v", r, err)
	}
	for _, key := range []*age.X25519Identity{ada, bob} {
		if got, err := open(t, root, key.String())(at); err != nil || !got.Equal(v) {
			t.Error(err)
		}
	}
	testkit.ScanDir(t, v, root)
	if err := os.WriteFile(filepath.Join(root, "secrets", agefile.Recipients), []byte("AGE-SECRET-KEY-1XYZ\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Check(t.Context(), at); err == nil || strings.Contains(err.Error(), "SECRET-KEY") {
		t.Errorf("a private key among the public ones: %v", err)
	}
}

// A private key of a plugin, which cannot be used here, does not hide the others.
func TestAnotherKindOfKey(t *testing.T) {
	t.Parallel()
	ada := newKey(t)
	s := agefile.New(agefile.Options{Root: t.TempDir(), Recipients: ada.Recipient().String(), Identities: secret.New([]byte("# a note\nAGE-PLUGIN-OTHER-1XYZ\n" + ada.String() + "\n"))})
	if r, err := s.Put(t.Context(), target("secrets/astro", name), testkit.Canary(t), providers.Meta{}); err != nil || r.Proof != providers.ReadBack {
		t.Errorf("%+v, %v", r, err)
	}
}

// A link does not lead out of the repository.
func TestLinks(t *testing.T) {
	t.Parallel()
	root, away := t.TempDir(), t.TempDir()
	if err := os.Symlink(away, filepath.Join(root, "secrets")); err != nil {
		t.Fatal(err)
	}
	s := agefile.New(agefile.Options{Root: root, Recipients: newKey(t).Recipient().String()})
	if _, err := s.Put(t.Context(), target("secrets/astro", name), testkit.Canary(t), providers.Meta{}); err == nil {
		t.Error("it was written elsewhere")
	}
	if files, err := os.ReadDir(away); err != nil || len(files) != 0 {
		t.Errorf("%v, %v", files, err)
	}
}

func TestFindKeys(t *testing.T) {
	t.Parallel()
	env := map[string]string{"SOPS_AGE_RECIPIENTS": "age1x", "SOPS_AGE_KEY": "one", "SOPS_AGE_KEY_FILE": "/k", "XDG_CONFIG_HOME": "/c"}
	o := agefile.FindKeys(providers.Host{Getenv: func(n string) string { return env[n] }, Home: "/home/ada", ReadFile: func(path string) ([]byte, error) {
		return []byte(filepath.ToSlash(path)), nil
	}})
	if o.Recipients != "age1x" || !o.Identities.Equal(secret.New([]byte("one\n/k\n/c/sops/age/keys.txt"))) {
		t.Errorf("got %q", o.Recipients)
	}
}
