// Package agefile keeps secrets as files that age has encrypted, in the repository: one file for each
// secret, for the public keys that a file of recipients names. Whoever has one of the private keys reads
// it with age.
package agefile

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/armor"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// ID is the id of the store.
const ID = "age"

// Recipients is the name of the file that lists public keys, a line each, in a secret's folder or above it.
const Recipients = ".age-recipients"

const docs = "https://github.com/FiloSottile/age#readme"

var info = providers.Info{
	ID: ID, Name: "Files encrypted with age", Docs: docs, MaxValue: 65_536,
	Proof: providers.ReadBack, ProofNote: "who has none of the private keys sees that the file is the one that was written",
	Rights:  "Nothing but the right to write into the repository's folder.",
	Login:   "None. The public keys stand in `" + Recipients + "`, in the folder of the secret or above it, or in `SOPS_AGE_RECIPIENTS`, with commas. A private key, to read a secret again, is looked for in `SOPS_AGE_KEY`, in the file that `SOPS_AGE_KEY_FILE` names, and in `sops/age/keys.txt` of your configuration folder.",
	Address: "`age:FOLDER` (secrets/astro), from the root of the repository; the secret is the file `FOLDER/NAME.age`.",
	Limits:  "A file in git keeps its earlier versions for ever: they hold dead tokens after a rotation. A public key is an X25519 or an SSH key. The file has to be committed by you.",
}

// Options make a store.
type Options struct {
	Root       string        // folder of the repository
	Recipients string        // public keys with commas, where no file names any; may be empty
	Identities *secret.Value // private keys, a line each, as age-keygen writes them; nil for none
}

// Store keeps secrets below one folder.
type Store struct{ o Options }

// New returns a store; it touches nothing.
func New(o Options) *Store { return &Store{o} }

// Info describes the store.
func (s *Store) Info() providers.Info { return info }

// Place is the usual folder.
func (s *Store) Place(setup.Repository) providers.Place {
	return providers.Place{Store: ID, Address: "secrets/astro", Name: text("Encrypted with age, in secrets/astro"), Note: text("a file to be committed")}
}

func text(format string, args ...any) display.Text {
	return display.Clean(fmt.Sprintf(format, args...))
}

var folder = pattern.New(`^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$`)

func fileOf(t setup.Target) (string, error) {
	if err := providers.CheckSecretName(ID, "name of the secret", t.Secret, docs); err != nil {
		return "", err
	}
	if !folder.MatchString(t.Address) || len(t.Address) > 512 {
		return "", hint.New(fmt.Sprintf("%s: %q is not a folder of the repository", ID, display.Clean(t.Address)), "Write it like secrets/astro, with letters, digits and _.- only.", docs)
	}
	return t.Address + "/" + t.Secret + ".age", nil
}

func (s *Store) open() (*os.Root, error) {
	root, err := os.OpenRoot(s.o.Root)
	return root, hint.Wrap(err, ID+": open the folder of the repository", "Make it readable.", docs)
}

// recipients are the public keys for a file.
func (s *Store) recipients(root *os.Root, file string) (out []age.Recipient, from string, err error) {
	list := strings.ReplaceAll(s.o.Recipients, ",", "\n")
	from = "SOPS_AGE_RECIPIENTS"
	for dir := path.Dir(file); ; dir = path.Dir(dir) {
		raw, err := root.ReadFile(path.Join(dir, Recipients))
		if err == nil {
			list, from = string(raw), path.Join(dir, Recipients)
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, "", hint.Wrap(err, ID+": read "+path.Join(dir, Recipients), "Make it a readable file of public keys.", docs)
		}
		if dir == "." {
			break
		}
	}
	for line := range strings.Lines(list) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		var r age.Recipient
		if strings.HasPrefix(line, "ssh-") {
			r, err = agessh.ParseRecipient(line)
		} else {
			r, err = age.ParseX25519Recipient(line)
		}
		if err != nil {
			return nil, "", hint.New(ID+": "+from+" holds a line that is no public key", "Give keys that begin with age1 or ssh-, a line each.", docs)
		}
		out = append(out, r)
	}
	if len(out) == 0 {
		return nil, "", hint.New(ID+": there is no public key to encrypt for", "Write the public keys of those who shall read it into "+Recipients+" in the root of the repository; age-keygen makes a pair.", docs)
	}
	return out, from, nil
}

// CheckTarget refuses, without a request, a target that cannot be one.
func (*Store) CheckTarget(t setup.Target) error {
	_, err := fileOf(t)
	return err
}

// Check asks for the public keys and looks whether the file can be written.
func (s *Store) Check(ctx context.Context, t setup.Target) (providers.Access, error) {
	file, err := fileOf(t)
	if err != nil {
		return providers.Access{}, err
	}
	if ctx.Err() != nil {
		return providers.Access{}, fmt.Errorf("%s: %w", ID, ctx.Err())
	}
	root, err := s.open()
	if err != nil {
		return providers.Access{}, err
	}
	defer func() { _ = root.Close() }()
	all, from, err := s.recipients(root, file)
	if err != nil {
		return providers.Access{}, err
	}
	if i, err := root.Stat(file); err == nil && !i.Mode().IsRegular() {
		return providers.Access{}, hint.New(ID+": "+file+" is no file", "Move it away, or choose another folder.", docs)
	}
	return providers.Access{Note: text("for %d public keys of %s", len(all), from)}, nil
}

// Put encrypts the value into its file; the old file stays until the new one is whole.
func (s *Store) Put(ctx context.Context, t setup.Target, v *secret.Value, _ providers.Meta) (providers.Receipt, error) {
	file, err := fileOf(t)
	if err != nil {
		return providers.Receipt{}, err
	}
	if err := providers.CheckValue(v, info.MaxValue); err != nil {
		return providers.Receipt{}, fmt.Errorf("%s: %s: %w", ID, t, err)
	}
	if ctx.Err() != nil {
		return providers.Receipt{}, fmt.Errorf("%s: %w", ID, ctx.Err())
	}
	root, err := s.open()
	if err != nil {
		return providers.Receipt{}, err
	}
	defer func() { _ = root.Close() }()
	all, _, err := s.recipients(root, file)
	if err != nil {
		return providers.Receipt{}, err
	}
	sealed, err := seal(v, all)
	if err != nil {
		return providers.Receipt{}, fmt.Errorf("%s: encrypt %s: %w", ID, t, err)
	}
	_, statErr := root.Stat(file)
	if err := write(root, file, sealed); err != nil {
		return providers.Receipt{}, hint.Wrap(err, ID+": write "+file, "Make the folder writable, or choose another one.", docs)
	}
	out := providers.Receipt{Created: statErr != nil, Version: mark(sealed), Proof: providers.Written}
	now, err := root.ReadFile(file)
	switch {
	case err != nil || !bytes.Equal(now, sealed):
	case s.reads(now, v):
		out.Proof = providers.ReadBack
	default:
		out.Proof = providers.Metadata
	}
	return out, nil
}

func seal(v *secret.Value, to []age.Recipient) ([]byte, error) {
	var b bytes.Buffer
	a := armor.NewWriter(&b)
	w, err := age.Encrypt(a, to...)
	if err == nil {
		err = v.Use(func(raw []byte) error {
			_, err := w.Write(raw)
			return err
		})
	}
	if err == nil {
		err = errors.Join(w.Close(), a.Close())
	}
	return b.Bytes(), err
}

// write replaces a file by a whole new one.
func write(root *os.Root, file string, content []byte) error {
	if err := root.MkdirAll(path.Dir(file), 0o755); err != nil {
		return err
	}
	temp := file + "." + strings.ToLower(rand.Text()[:8])
	h, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = h.Write(content)
	err = errors.Join(err, h.Sync(), h.Close())
	if err == nil {
		err = root.Rename(temp, file)
	}
	if err != nil {
		_ = root.Remove(temp)
	}
	return err
}

// mark is by what a file is known again; it is of what is encrypted.
func mark(sealed []byte) string {
	sum := sha256.Sum256(sealed)
	return hex.EncodeToString(sum[:8])
}

// reads reports whether a private key opens the file and finds the value in it.
func (s *Store) reads(sealed []byte, v *secret.Value) bool {
	var own []age.Identity
	_ = s.o.Identities.Use(func(keys []byte) error {
		for line := range bytes.Lines(keys) { // one by one: a key of a plugin must not hide the others
			if one, err := age.ParseIdentities(bytes.NewReader(line)); err == nil {
				own = append(own, one...)
			}
		}
		return nil
	})
	if len(own) == 0 {
		return false
	}
	r, err := age.Decrypt(armor.NewReader(bytes.NewReader(sealed)), own...)
	if err != nil {
		return false
	}
	raw, err := io.ReadAll(io.LimitReader(r, int64(info.MaxValue)+1))
	return err == nil && secret.New(raw).Equal(v)
}

// Stat says whether the file is there.
func (s *Store) Stat(_ context.Context, t setup.Target) (providers.State, error) {
	file, err := fileOf(t)
	if err != nil {
		return providers.State{}, err
	}
	root, err := s.open()
	if err != nil {
		return providers.State{}, err
	}
	defer func() { _ = root.Close() }()
	raw, err := root.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return providers.State{}, nil
	}
	i, statErr := root.Stat(file)
	if err := errors.Join(err, statErr); err != nil {
		return providers.State{}, hint.Wrap(err, ID+": read "+file, "Make it readable.", docs)
	}
	return providers.State{Exists: true, UpdatedAt: i.ModTime(), Version: mark(raw)}, nil
}

// Remove deletes the file.
func (s *Store) Remove(_ context.Context, t setup.Target) error {
	file, err := fileOf(t)
	if err != nil {
		return err
	}
	root, err := s.open()
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	if err := root.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return hint.Wrap(err, ID+": delete "+file, "Make the folder writable.", docs)
	}
	return nil
}
