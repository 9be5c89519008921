package setupfile

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/astro-ci/astro-ci/internal/flow"
)

// Schema is the JSON Schema (draft 2020-12) of the file, for editors. platforms are the ids that there are.
func Schema(steps []flow.Step, platforms []string) []byte {
	type object = map[string]any
	answers := object{}
	for _, k := range keys(steps) {
		p := object{"title": k.Title, "description": k.Help, "type": []string{"string", "integer"}}
		w := k.Words
		if k.ID == "platform" {
			w = platforms
		}
		if w != nil {
			p["type"], p["enum"] = "string", append(slices.Clip(w), "")
		}
		if k.ID == "also" {
			p = object{"title": k.Title, "description": k.Help, "type": []string{"array", "string"}, "items": object{"type": "string"}}
		}
		answers[k.ID] = p
	}
	of := func(description string) object {
		return object{"type": []string{"object", "null"}, "description": description, "properties": answers, "additionalProperties": false}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	_ = enc.Encode(object{ // nothing in it can fail
		"$schema": "https://json-schema.org/draft/2020-12/schema", "title": Name,
		"description": "The setups of a repository: which tokens of Astro its pipelines use, and where they are kept. It holds no secret.",
		"type":        "object", "additionalProperties": false,
		"properties": object{
			versionKey:  object{"const": 1, "description": "The version of this form."},
			defaultsKey: of("What all setups have in common, unless they say otherwise."),
			setupsKey: object{
				"type": []string{"object", "null"}, "additionalProperties": of("One credential, its targets and its pipeline file."),
				"propertyNames": object{"pattern": "^[a-z0-9][a-z0-9._-]{0,62}$"},
				"description":   "The setups by their names. A name marks the token and the pipeline file as belonging together.",
			},
		},
	})
	return b.Bytes()
}
