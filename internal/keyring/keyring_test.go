package keyring_test

import (
	"crypto/rand"
	"os"
	"testing"

	"github.com/astro-ci/astro-ci/internal/keyring"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

func TestSecretService(t *testing.T) {
	if testkit.InSession(t) {
		inside(t)
	}
}

func inside(t *testing.T) {
	t.Helper()
	var r keyring.Ring
	v := secret.New([]byte("canary" + rand.Text()))
	if got, err := r.Get("api.example"); err != nil || !got.Empty() {
		t.Fatalf("before: %v, %v", got, err)
	}
	for range 2 {
		if err := r.Set("api.example", v); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := r.Get("api.example"); err != nil || !got.Equal(v) {
		t.Errorf("it holds something else: %v", err)
	}
	for range 2 {
		if err := r.Delete("api.example"); err != nil {
			t.Error(err)
		}
	}
	if got, err := r.Get("api.example"); err != nil || !got.Empty() {
		t.Errorf("after: %v", err)
	}
	testkit.ScanDir(t, v, os.Getenv("HOME"))
}
