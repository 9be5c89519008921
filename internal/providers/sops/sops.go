// Package sops keeps secrets in files that sops has encrypted, in the repository, as keys at the top of the
// file. The program sops does the work, so whatever it encrypts with (age, a KMS, Vault, PGP) works here.
package sops

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// ID is the id of the store.
const ID = "sops"

const docs = "https://getsops.io/docs/"

var info = providers.Info{
	ID: ID, Name: "File encrypted with sops", Docs: docs, MaxValue: 65_536,
	Proof: providers.ReadBack, ProofNote: "sops reads it again",
	Rights:  "sops 3.10 or newer on your PATH, and whatever it needs to open the file: a private key of age, a right on a KMS key.",
	Login:   "That of sops: its variables, `.sops.yaml` in the repository for a new file.",
	Address: "`sops:FILE` (secrets/prod.yaml), from the root of the repository, a .yaml, .json or .env file; the secret is a key at its top.",
	Limits:  "A file in git keeps its earlier versions for ever: they hold dead tokens after a rotation. Where the rules of the file would leave the key in clear, nothing is written. The file has to be committed by you.",
}

// Options make a store.
type Options struct {
	Root string // folder of the repository
	// Run runs sops in the folder of the repository; the error says what it said.
	Run func(ctx context.Context, stdin []byte, args ...string) (stdout []byte, err error)
}

// Store keeps secrets below one folder.
type Store struct{ o Options }

// New returns a store; it touches nothing.
func New(o Options) *Store { return &Store{o} }

// Info describes the store.
func (s *Store) Info() providers.Info { return info }

// Place is the usual file.
func (s *Store) Place(setup.Repository) providers.Place {
	return providers.Place{Store: ID, Address: "secrets/astro.yaml", Name: display.Clean("Encrypted with sops, secrets/astro.yaml"), Note: display.Clean("a file to be committed")}
}

var file = pattern.New(`^([A-Za-z0-9_][A-Za-z0-9_.-]*/)*[A-Za-z0-9_][A-Za-z0-9_.-]*\.(yaml|yml|json|env)$`)

func check(t setup.Target) error {
	if err := providers.CheckSecretName(ID, "name of the secret", t.Secret, docs); err != nil {
		return err
	}
	if !file.MatchString(t.Address) || len(t.Address) > 512 {
		return hint.New(fmt.Sprintf("%s: %q is not a file of the repository that sops could have a key in", ID, display.Clean(t.Address)), "Write it like secrets/prod.yaml; .json and .env work as well.", docs)
	}
	return nil
}

func explain(err error, doing string) error {
	return hint.Wrap(err, ID+": "+doing, "Try it by hand: sops opens the file, or says what it lacks.", docs)
}

func (s *Store) open() (*os.Root, error) {
	root, err := os.OpenRoot(s.o.Root)
	return root, hint.Wrap(err, ID+": open the folder of the repository", "Make it readable.", docs)
}

// draft is a copy of the file, to be changed and then put into its place; a new file begins empty.
func (s *Store) draft(ctx context.Context, root *os.Root, t setup.Target) (name string, err error) {
	now, err := root.ReadFile(t.Address)
	if errors.Is(err, fs.ErrNotExist) {
		now, err = s.o.Run(ctx, []byte("{}\n"), "encrypt", "--filename-override", t.Address, "--input-type", "json", "--output-type", kind(t))
		if err != nil {
			return "", hint.Wrap(err, ID+": make "+t.Address, "Say in .sops.yaml, in the root of the repository, for which keys such a file is encrypted.", docs)
		}
	}
	if err != nil {
		return "", explain(err, "read "+t.Address)
	}
	if err := root.MkdirAll(path.Dir(t.Address), 0o755); err != nil {
		return "", explain(err, "make the folder of "+t.Address)
	}
	name = path.Join(path.Dir(t.Address), "astro-ci-"+strings.ToLower(rand.Text()[:8])+path.Ext(t.Address))
	err = root.WriteFile(name, now, 0o644)
	return name, explain(err, "write beside "+t.Address)
}

// kind is what sops calls the format of the file.
func kind(t setup.Target) string {
	switch path.Ext(t.Address) {
	case ".json":
		return "json"
	case ".env":
		return "dotenv"
	}
	return "yaml"
}

// set gives a key of a file a value, which goes by the standard input; it has to end up encrypted.
func (s *Store) set(ctx context.Context, root *os.Root, name string, t setup.Target, value []byte) error {
	raw, err := json.Marshal(string(value))
	if err != nil {
		return err
	}
	defer clear(raw)
	if _, err := s.o.Run(ctx, raw, "set", "--value-stdin", name, `["`+t.Secret+`"]`); err != nil {
		return explain(err, "change "+t.Address)
	}
	now, err := root.ReadFile(name)
	if err != nil {
		return explain(err, "read "+t.Address)
	}
	if sealed(now, t) == "" {
		return hint.New(ID+": the rules of "+t.Address+" leave "+t.Secret+" in clear", "Correct encrypted_regex or unencrypted_suffix in .sops.yaml, or choose another name or file.", docs)
	}
	return nil
}

// sealed is what a file holds of the key at its top, encrypted; "" when it holds nothing there, or holds it
// in clear.
func sealed(content []byte, t setup.Target) string {
	value, _ := top(content, t)[t.Secret].(string)
	if !strings.HasPrefix(value, "ENC[") || !strings.HasSuffix(value, "]") {
		return ""
	}
	return value
}

// top is what stands at the top of a file; nothing of one that cannot be read.
func top(content []byte, t setup.Target) (out map[string]any) {
	switch kind(t) {
	case "json":
		_ = json.Unmarshal(content, &out)
	case "dotenv":
		out = map[string]any{}
		for line := range strings.Lines(string(content)) {
			if k, v, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
				out[k] = v
			}
		}
	default:
		_ = yaml.Unmarshal(content, &out)
	}
	return out
}

// with runs f on a draft of the file, which is gone afterwards unless f has moved it.
func (s *Store) with(ctx context.Context, t setup.Target, f func(root *os.Root, draft string) error) error {
	if err := check(t); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", ID, ctx.Err())
	}
	root, err := s.open()
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	name, err := s.draft(ctx, root, t)
	if name != "" {
		defer func() { _ = root.Remove(name) }()
	}
	if err != nil {
		return err
	}
	return f(root, name)
}

// CheckTarget refuses, without a request, a target that cannot be one.
func (*Store) CheckTarget(t setup.Target) error {
	return check(t)
}

// Check tries the change on a copy, with a value that means nothing.
func (s *Store) Check(ctx context.Context, t setup.Target) (providers.Access, error) {
	return providers.Access{}, s.with(ctx, t, func(root *os.Root, draft string) error {
		return s.set(ctx, root, draft, t, []byte("a try"))
	})
}

// Put changes a copy of the file, then puts it into the file's place. A first try with a value that means
// nothing shows that the key will be encrypted.
func (s *Store) Put(ctx context.Context, t setup.Target, v *secret.Value, _ providers.Meta) (out providers.Receipt, err error) {
	if err := check(t); err != nil {
		return out, err
	}
	if err := providers.CheckValue(v, info.MaxValue); err != nil {
		return out, fmt.Errorf("%s: %s: %w", ID, t, err)
	}
	before, err := s.Stat(ctx, t)
	if err != nil {
		return out, err
	}
	err = s.with(ctx, t, func(root *os.Root, draft string) error {
		if err := s.set(ctx, root, draft, t, []byte("a try")); err != nil {
			return err
		}
		if err := v.Use(func(b []byte) error { return s.set(ctx, root, draft, t, b) }); err != nil {
			return err
		}
		return explain(root.Rename(draft, t.Address), "replace "+t.Address)
	})
	if err != nil {
		return out, err
	}
	now, err := s.Stat(ctx, t)
	if err != nil {
		return out, err
	}
	out = providers.Receipt{Created: !before.Exists, Version: now.Version, Proof: providers.Metadata}
	got, err := s.o.Run(ctx, nil, "decrypt", "--extract", `["`+t.Secret+`"]`, t.Address)
	if err == nil && secret.New(got).Equal(v) {
		out.Proof = providers.ReadBack
	}
	return out, nil
}

// modified is when sops last changed a file; zero when it does not say.
func modified(content []byte, t setup.Target) (at time.Time) {
	out := top(content, t)
	said, _ := out["sops_lastmodified"].(string) // in a file of lines
	if own, ok := out["sops"].(map[string]any); ok {
		said, _ = own["lastmodified"].(string)
	}
	at, _ = time.Parse(time.RFC3339, said)
	return at
}

// Stat says whether the file has the key; it takes no private key.
func (s *Store) Stat(_ context.Context, t setup.Target) (providers.State, error) {
	if err := check(t); err != nil {
		return providers.State{}, err
	}
	root, err := s.open()
	if err != nil {
		return providers.State{}, err
	}
	defer func() { _ = root.Close() }()
	raw, err := root.ReadFile(t.Address)
	if errors.Is(err, fs.ErrNotExist) {
		return providers.State{}, nil
	}
	if err != nil {
		return providers.State{}, explain(err, "read "+t.Address)
	}
	value := sealed(raw, t)
	if value == "" {
		return providers.State{}, nil
	}
	sum := sha256.Sum256([]byte(value)) // of what is encrypted
	return providers.State{Exists: true, Version: hex.EncodeToString(sum[:8]), UpdatedAt: modified(raw, t)}, nil
}

// Remove takes the key out of the file.
func (s *Store) Remove(ctx context.Context, t setup.Target) error {
	st, err := s.Stat(ctx, t)
	if err != nil || !st.Exists {
		return err
	}
	return s.with(ctx, t, func(root *os.Root, draft string) error {
		if _, err := s.o.Run(ctx, nil, "unset", draft, `["`+t.Secret+`"]`); err != nil {
			return explain(err, "change "+t.Address)
		}
		return explain(root.Rename(draft, t.Address), "replace "+t.Address)
	})
}
