// Package testkit holds what the tests of several packages share: canaries, contract checks, and a
// terminal to drive the program on.
package testkit

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/astro-ci/astro-ci/internal/secret"
)

// Canary is a value that exists nowhere else: where it shows up, something leaked.
func Canary(t testing.TB) *secret.Value {
	t.Helper()
	return secret.New([]byte("canary" + rand.Text() + rand.Text()))
}

// MustNotLeak fails the test when v stands in one of the haystacks, raw or encoded.
func MustNotLeak(t testing.TB, v *secret.Value, haystacks ...[]byte) {
	t.Helper()
	for _, h := range haystacks {
		for name, needle := range forms(t, v) {
			if bytes.Contains(h, needle) {
				t.Errorf("the secret shows, %s, in a text of %d bytes", name, len(h))
			}
		}
	}
}

// ScanDir fails the test when v stands in a file below dir; it fails as well when there is no file.
func ScanDir(t testing.TB, v *secret.Value, dir string) {
	t.Helper()
	seen := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		raw, err := os.ReadFile(path)
		seen++
		MustNotLeak(t, v, raw)
		return err
	})
	if err != nil || seen == 0 {
		t.Errorf("looked at %d files: %v", seen, err)
	}
}

// forms are the encodings in which a secret may hide.
func forms(t testing.TB, v *secret.Value) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	err := v.Use(func(b []byte) error {
		js, err := json.Marshal(string(b))
		out["raw"], out["hex"], out["url"], out["json"] = bytes.Clone(b), []byte(hex.EncodeToString(b)), []byte(url.QueryEscape(string(b))), js[1:len(js)-1]
		for off := range 3 {
			mid := b[off : off+(len(b)-off)/3*3]
			out["base64+"+string(rune('0'+off))] = []byte(base64.RawStdEncoding.EncodeToString(mid))
			out["base64url+"+string(rune('0'+off))] = []byte(base64.RawURLEncoding.EncodeToString(mid))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
