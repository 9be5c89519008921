package testkit

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Schema is the JSON schema of a platform's pipeline files.
type Schema struct{ schema *jsonschema.Schema }

// NewSchema compiles a schema from the folder of contracts; others are schemas that it refers to, by
// address. Without ASTRO_CI_CONTRACTS it fits everything, and says so.
func NewSchema(t testing.TB, name string, others map[string]string) Schema {
	t.Helper()
	dir := os.Getenv("ASTRO_CI_CONTRACTS")
	if dir == "" {
		t.Log("ASTRO_CI_CONTRACTS is not set: nothing is checked against the JSON schemas")
		return Schema{}
	}
	c := jsonschema.NewCompiler()
	for address, file := range others {
		f, err := os.Open(filepath.Join(dir, "schemas", file))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(f)
		_ = f.Close()
		if err == nil {
			err = c.AddResource(address, doc)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	s, err := c.Compile(filepath.Join(dir, "schemas", name))
	if err != nil {
		t.Fatal(err)
	}
	return Schema{s}
}

// Fits reports why a YAML file does not fit.
func (s Schema) Fits(raw []byte) error {
	if s.schema == nil {
		return nil
	}
	asJSON, err := yaml.YAMLToJSON(raw)
	if err != nil {
		return err
	}
	var doc any
	if err := json.Unmarshal(asJSON, &doc); err != nil {
		return err
	}
	return s.schema.Validate(doc)
}
