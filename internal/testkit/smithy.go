package testkit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Smithy checks calls of AWS's JSON protocols against the models of its services.
type Smithy struct {
	t      testing.TB
	shapes map[string]shape     // by full name
	inputs map[string][2]string // "Prefix.Operation" -> input and output
}

type shape struct {
	Type    string
	Members map[string]member
	Member  member
	Key     member
	Value   member
	Input   member
	Output  member
	Traits  map[string]json.RawMessage
}

type member struct {
	Target string
	Traits map[string]json.RawMessage
}

// NewSmithy loads the models at the paths below the folder that ASTRO_CI_CONTRACTS names, each for the
// first half of its operations' names. Without the variable nothing is checked.
func NewSmithy(t testing.TB, models map[string]string) *Smithy {
	t.Helper()
	s := &Smithy{t, map[string]shape{}, map[string][2]string{}}
	dir := os.Getenv("ASTRO_CI_CONTRACTS")
	if dir == "" {
		return s
	}
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(moduleRoot(t), dir)
	}
	for prefix, path := range models {
		raw, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		var model struct{ Shapes map[string]shape }
		if err := json.Unmarshal(raw, &model); err != nil {
			t.Fatal(err)
		}
		for name, x := range model.Shapes {
			s.shapes[name] = x
			if x.Type == "operation" {
				s.inputs[prefix+"."+name[strings.Index(name, "#")+1:]] = [2]string{x.Input.Target, x.Output.Target}
			}
		}
	}
	return s
}

// Around checks every call that h answers: what was taken has to fit, and so has the answer.
func (s *Smithy) Around(h http.Handler) http.Handler {
	if len(s.inputs) == 0 {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		operation := r.Header.Get("X-Amz-Target")
		shapes, known := s.inputs[operation]
		switch {
		case !known:
			s.t.Errorf("%s is not in the model", operation)
		case rec.Code < 300:
			s.fits(operation+" input", shapes[0], body)
			s.fits(operation+" output", shapes[1], rec.Body.Bytes())
		}
		maps.Copy(w.Header(), rec.Header())
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes())
	})
}

func (s *Smithy) fits(what, name string, raw []byte) {
	if name == "smithy.api#Unit" && len(raw) == 0 {
		return
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		s.t.Errorf("%s: not JSON", what)
		return
	}
	s.check(what, name, v)
}

// check compares a value with a shape; values themselves are never printed.
func (s *Smithy) check(at, name string, v any) {
	x, modelled := s.shapes[name]
	kind := x.Type
	if !modelled {
		kind = map[string]string{"smithy.api#String": "string", "smithy.api#Boolean": "boolean", "smithy.api#PrimitiveBoolean": "boolean", "smithy.api#Integer": "integer", "smithy.api#Long": "long", "smithy.api#Timestamp": "timestamp"}[name]
	}
	wrong := func(format string, args ...any) { s.t.Errorf("%s: "+format, append([]any{at}, args...)...) }
	switch kind {
	case "structure":
		m, ok := v.(map[string]any)
		if !ok {
			wrong("is no object")
			return
		}
		for k, y := range m {
			mem, known := x.Members[k]
			if !known {
				wrong("%s is not a member of %s", k, name)
				continue
			}
			if y != nil {
				s.check(at+"."+k, mem.Target, y)
			}
		}
		for k, mem := range x.Members {
			if _, required := mem.Traits["smithy.api#required"]; required && m[k] == nil {
				wrong("%s is missing", k)
			}
		}
	case "list":
		all, ok := v.([]any)
		if !ok {
			wrong("is no list")
		}
		for i, y := range all {
			s.check(fmt.Sprintf("%s[%d]", at, i), x.Member.Target, y)
		}
	case "map":
		m, ok := v.(map[string]any)
		if !ok {
			wrong("is no map")
		}
		for k, y := range m {
			s.check(at+" key", x.Key.Target, k)
			s.check(at+"."+k, x.Value.Target, y)
		}
	case "string", "enum":
		text, ok := v.(string)
		if !ok {
			wrong("is no text")
			return
		}
		s.text(wrong, x, text)
	case "boolean":
		if _, ok := v.(bool); !ok {
			wrong("is no boolean")
		}
	case "integer", "long", "timestamp":
		if _, ok := v.(float64); !ok {
			wrong("is no number")
		}
	default:
		wrong("the shape %s (%s) is not known here", name, kind)
	}
}

func (s *Smithy) text(wrong func(string, ...any), x shape, text string) {
	var length struct{ Min, Max *int }
	if raw := x.Traits["smithy.api#length"]; raw != nil && json.Unmarshal(raw, &length) == nil {
		if length.Min != nil && len(text) < *length.Min || length.Max != nil && len(text) > *length.Max {
			wrong("has a length of %d", len(text))
		}
	}
	var pattern string
	if raw := x.Traits["smithy.api#pattern"]; raw != nil && json.Unmarshal(raw, &pattern) == nil {
		if re, err := regexp.Compile("^(?:" + strings.TrimSuffix(strings.TrimPrefix(pattern, "^"), "$") + ")$"); err == nil && !re.MatchString(text) {
			wrong("does not fit %s", pattern)
		}
	}
	if x.Type == "enum" {
		var values []string
		for _, m := range x.Members {
			var value string
			_ = json.Unmarshal(m.Traits["smithy.api#enumValue"], &value)
			values = append(values, value)
		}
		if !slices.Contains(values, text) {
			wrong("is none of %v", values)
		}
	}
}
