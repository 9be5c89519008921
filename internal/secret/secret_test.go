package secret_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/secret"
)

func canary() string { return "canary" + rand.Text() + rand.Text() }

func TestNeverPrinted(t *testing.T) {
	c := canary()
	v := secret.New([]byte(c))
	type outer struct {
		Public *secret.Value
		hidden secret.Value
		err    error
	}
	shapes := []any{v, *v, &v, outer{v, *v, nil}, &outer{v, *v, nil}, []any{v}, map[string]any{"a": *v}, [1]secret.Value{*v}, errors.Join(fmt.Errorf("x %v", v))}
	var out bytes.Buffer
	for _, s := range shapes {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p", "%T"} {
			fmt.Fprintf(&out, verb, s)
		}
		slog.New(slog.NewTextHandler(&out, nil)).Info("m", "v", s)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "v", s)
		if b, err := json.Marshal(s); err == nil {
			out.Write(b)
		}
	}
	for _, form := range []string{c, hex.EncodeToString([]byte(c)), strings.ToUpper(hex.EncodeToString([]byte(c))), fmt.Sprintf("%d", []byte(c))} {
		if strings.Contains(out.String(), strings.Trim(form, "[]")) {
			t.Errorf("a rendering shows the value")
		}
	}
	if _, err := json.Marshal(v); err == nil {
		t.Error("a secret was marshalled")
	}
}

func TestUse(t *testing.T) {
	raw := []byte(canary())
	v := secret.New(raw)
	want := string(raw)
	raw[0] = 'X' // the value has its own copy
	if err := v.Use(func(b []byte) error {
		if string(b) != want {
			t.Error("not the value that was put in")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if !v.Equal(secret.New([]byte(want))) || v.Equal(secret.New(raw)) || v.Equal(nil) || v.Equal(&secret.Value{}) {
		t.Error("Equal is wrong")
	}
	if err := (*secret.Value)(nil).Use(func([]byte) error { return nil }); err == nil {
		t.Error("an empty secret was lent")
	}
}

func TestRedactor(t *testing.T) {
	c := canary() + `"/+ü`
	js, _ := json.Marshal(c)
	forms := map[string]string{
		"raw": c, "hex": hex.EncodeToString([]byte(c)), "url": url.QueryEscape(c), "json": string(js),
		"base64":   base64.StdEncoding.EncodeToString([]byte(c)),
		"base64+1": base64.StdEncoding.EncodeToString([]byte("x" + c)),
		"base64+2": base64.StdEncoding.EncodeToString([]byte("xy" + c)),
	}
	for name, form := range forms {
		for _, chunk := range []int{1, 3, 7, 1000} {
			var r secret.Redactor
			r.Add(secret.New([]byte(c)))
			var out bytes.Buffer
			w := r.Writer(&out)
			text := "before " + form + " after"
			for i := 0; i < len(text); i += chunk {
				if _, err := w.Write([]byte(text[i:min(i+chunk, len(text))])); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			got := out.String()
			if !strings.HasPrefix(got, "before ") || !strings.HasSuffix(got, " after") {
				t.Errorf("%s in chunks of %d: text around it was lost: %q", name, chunk, got)
			}
			if strings.Contains(got, form[4:len(form)-8]) {
				t.Errorf("%s in chunks of %d: shown", name, chunk)
			}
		}
	}
}
