package github_test

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/rhysd/actionlint"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// lint runs actionlint; shellcheck "" leaves the shell to the tests that execute it.
func lint(t *testing.T, name string, raw []byte, shellcheck string) {
	t.Helper()
	l, err := actionlint.NewLinter(io.Discard, &actionlint.LinterOptions{Shellcheck: shellcheck})
	if err != nil {
		t.Fatal(err)
	}
	faults, err := l.Lint("workflow.yml", raw, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range faults {
		t.Errorf("%s: actionlint: %v", name, f)
	}
}

// workflowSchema is nil where the folder of contracts is not given.
func workflowSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	contracts := os.Getenv("ASTRO_CI_CONTRACTS")
	if contracts == "" {
		t.Log("ASTRO_CI_CONTRACTS is not set: the workflows are not checked against the JSON schema")
		return nil
	}
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join(contracts, "schemas", "github-workflows.check-jsonschema-vendored.json"))
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func fits(t *testing.T, name string, schema *jsonschema.Schema, raw []byte) {
	t.Helper()
	var doc any
	asJSON, err := yaml.YAMLToJSON(raw)
	if err == nil {
		err = json.Unmarshal(asJSON, &doc)
	}
	if err == nil {
		err = schema.Validate(doc)
	}
	if err != nil {
		t.Errorf("%s: schema: %v", name, err)
	}
}

func TestSchemaCanRefuse(t *testing.T) {
	t.Parallel()
	schema := workflowSchema(t)
	if schema == nil {
		t.Skip("ASTRO_CI_CONTRACTS is not set")
	}
	if schema.Validate(map[string]any{"on": "push", "jobs": map[string]any{"a": map[string]any{"steps": "none"}}}) == nil {
		t.Error("the schema accepts anything")
	}
}
