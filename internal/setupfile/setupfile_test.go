package setupfile_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/setupfile"
	"github.com/astro-ci/astro-ci/internal/steps"
)

func questions() []flow.Step { return steps.SetUp(steps.Deps{}) }

// hand is a file as a person might write it.
const hand = `# ours
version: 1
defaults:   # what all have
  organization: cm0000000000000000000org1 # Acme
  platform: github
  expires-in: 90
  also: ["vault:secret/a", age:b=OTHER]

setups:
    # production first
    etl-prod:
        workspace: cm00000000000000000000ws1   # Data Platform
        branch: "main" # the trunk

        role: DEPLOYMENT_ADMIN
        also:
          - vault:secret/x   # a copy
    etl-dev: {branch: develop, also: ""}
    empty:
`

func TestParse(t *testing.T) {
	t.Parallel()
	f, err := setupfile.Parse([]byte(hand), questions())
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Names(); !slices.Equal(got, []string{"etl-prod", "etl-dev", "empty"}) {
		t.Errorf("names %v", got)
	}
	prod, _ := f.Answers("etl-prod")
	if prod["also"] != "vault:secret/x" || prod["branch"] != "main" || prod["expires-in"] != "90" || prod["name"] != "etl-prod" || f.Setups[0].Line != 11 {
		t.Errorf("etl-prod: %v, line %d", prod, f.Setups[0].Line)
	}
	dev, _ := f.Answers("etl-dev")
	if _, ok := dev["also"]; ok || dev["branch"] != "develop" {
		t.Errorf("etl-dev: %v", dev)
	}
	empty, ok := f.Answers("empty")
	if !ok || empty["also"] != "vault:secret/a,age:b=OTHER" {
		t.Errorf("empty: %v", empty)
	}
	if _, ok := f.Answers("other"); ok {
		t.Error("a setup that is not there was found")
	}
	for _, nothing := range []string{"", "# nothing\n", "version: 1\nsetups:\n"} {
		if f, err := setupfile.Parse([]byte(nothing), questions()); err != nil || len(f.Setups) > 0 {
			t.Errorf("%q: %v, %v", nothing, f, err)
		}
	}
}

func TestFaultsAreAllNamedWithTheirLines(t *testing.T) {
	t.Parallel()
	const bad = "version: 2\nextra: 1\nsetups:\n  Bad Name:\n    branch: a..b\n    token: x\n  a:\n    name: b\n    role: {x: 1}\n    also: [a, [b]]\n    target: |\n      x\n      y\n"
	_, err := setupfile.Parse([]byte(bad), questions())
	if err == nil {
		t.Fatal("it was taken")
	}
	for _, want := range []string{"line 1:", "line 2:", "line 4:", "line 5:", "line 6:", "line 8:", "line 9:", "line 10:", "line 11:"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is missing in:\n%v", want, err)
		}
	}
	for _, broken := range []string{"a: [", "- x\n", "x\n", "a: 1\n---\nb: 2\n", "setups:\n  a:\n    role: x\n    role: y\n", "setups:\n  a:\n  a:\n", "setups: [1]\n", "setups:\n  a: &x {role: b}\n  c: *x\n", "setups:\n  a:\n    self-rotate: weekly\n  a-rotation:\n    role: x\n"} {
		if _, err := setupfile.Parse([]byte(broken), questions()); err == nil {
			t.Errorf("%q was taken", broken)
		}
	}
}

// What is wrong with one entry is said of that one, where the others can be used.
func TestApart(t *testing.T) {
	t.Parallel()
	f, err := setupfile.Apart([]byte("setups:\n  a:\n    role: x\n  b:\n    nope: 1\n  c:\n    self-rotate: weekly\n  c-rotation:\n    role: x\n"), questions())
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"a": "", "b": `line 5: "nope"`, "c": "", "c-rotation": "line 8: "} {
		if err := f.Err(name); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, not %q", name, err, want)
		}
	}
	for _, whole := range []string{"a: [", "version: 2\nsetups:\n  a:\n    role: x\n", "defaults:\n  nope: 1\n", "setups: [1]\n"} {
		if _, err := setupfile.Apart([]byte(whole), questions()); err == nil {
			t.Errorf("%q was taken", whole)
		}
	}
}

// What a person wrote stays, byte for byte, around what is changed.
func TestSetKeepsWhatAPersonWrote(t *testing.T) {
	t.Parallel()
	answers := setupfile.Answers{
		"organization": "cm0000000000000000000org1", "platform": "github", "expires-in": "90", "workspace": "cm00000000000000000000ws2",
		"branch": "trunk", "role": "DEPLOYMENT_ADMIN", "also": "vault:secret/x", "deployment": "cm0000000000000000000dep1",
	}
	got, err := setupfile.Set([]byte(hand), "etl-prod", answers, map[string]display.Text{"workspace": display.Clean("Other\nWorkspace"), "deployment": display.Clean("etl # 1")}, questions())
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer(
		"ws1   # Data Platform", "ws2 # "+display.Clean("Other\nWorkspace").String(),
		`branch: "main" # the trunk`, `branch: trunk # the trunk`,
		"# a copy\n", "# a copy\n        deployment: cm0000000000000000000dep1 # etl # 1\n",
	).Replace(hand)
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	again, err := setupfile.Set(got, "etl-prod", answers, nil, questions())
	if err != nil || !bytes.Equal(again, got) {
		t.Errorf("the second time changed it: %v\n%s", err, again)
	}
	// A setup without one of the defaults says so.
	delete(answers, "also")
	if got, err = setupfile.Set(got, "etl-prod", answers, nil, questions()); err != nil || !strings.Contains(string(got), "also: \"\"\n") {
		t.Errorf("%v\n%s", err, got)
	}
	if _, err := setupfile.Set([]byte(hand), "etl-dev", answers, nil, questions()); err == nil {
		t.Error("a setup on one line was changed")
	}
}

func TestANewFile(t *testing.T) {
	t.Parallel()
	one := setupfile.Answers{"organization": "cm0000000000000000000org1", "platform": "github", "repo": "github.com/acme/etl", "role": "yes", "target": "github:acme/etl#production", "secret": "not a key"}
	got, err := setupfile.Set(nil, "etl", one, map[string]display.Text{"organization": display.Clean("Acme")}, questions())
	if err != nil {
		t.Fatal(err)
	}
	const entries = "setups:\n  etl:\n    role: \"yes\"\n    target: github:acme/etl#production\n"
	const want = "defaults:\n  organization: cm0000000000000000000org1 # Acme\n  platform: github\n  repo: github.com/acme/etl\n\n" + entries
	if !strings.HasSuffix(string(got), want) {
		t.Errorf("got\n%s", got)
	}
	got, err = setupfile.Set(got, "two", setupfile.Answers{"organization": "cm0000000000000000000org1", "also": "age:a,age:b"}, nil, questions())
	if err != nil || !strings.HasSuffix(string(got), "\n\n  two:\n    platform: \"\"\n    repo: \"\"\n    also:\n      - age:a\n      - age:b\n") {
		t.Errorf("%v\n%s", err, got)
	}
	for _, name := range []string{"etl", "two", "none"} {
		if got, err = setupfile.Remove(got, name, nil, nil, questions()); err != nil {
			t.Fatal(err)
		}
	}
	if f, err := setupfile.Parse(got, questions()); err != nil || len(f.Setups) > 0 || !strings.Contains(string(got), "setups: {}") {
		t.Errorf("%v\n%s", err, got)
	}
	if got, err = setupfile.Set(got, "etl", one, nil, questions()); err != nil || !strings.HasSuffix(string(got), entries) {
		t.Errorf("%v\n%s", err, got)
	}
}

// With its last setup a file goes, but only one in which nobody has written anything.
func TestTheLastSetup(t *testing.T) {
	t.Parallel()
	remarks := map[string]display.Text{"organization": display.Clean("Acme")}
	one := setupfile.Answers{"organization": "cm0000000000000000000org1", "platform": "github", "repo": "github.com/acme/etl", "branch": "main"}
	whole, err := setupfile.Set(nil, "etl", one, remarks, questions())
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		change []string
		gone   bool
	}{
		"as it was made":         {nil, true},
		"with the ends of lines": {[]string{"\n", "\r\n"}, true},
		"in the entry":           {[]string{"branch: main", "branch: develop # mine"}, true},
		"a comment":              {[]string{"setups:", "# mine\nsetups:"}, false},
		"a comment behind":       {[]string{"platform: github", "platform: github # mine"}, false},
		"the header":             {[]string{"commit it.", "commit it!"}, false},
		"another remark":         {[]string{"# Acme", "# ours"}, false},
		"another default":        {[]string{"platform: github", "platform: gitlab"}, false},
		"a default more":         {[]string{"  platform: github", "  platform: github\n  expires-in: 30"}, false},
		"a default less":         {[]string{"  platform: github\n", ""}, false},
		"at the end":             {[]string{"branch: main\n", "branch: main\n# mine\n"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw := string(whole)
			if len(tc.change) > 0 {
				raw = strings.ReplaceAll(raw, tc.change[0], tc.change[1])
				if raw == string(whole) {
					t.Fatal("nothing was changed")
				}
			}
			got, err := setupfile.Remove([]byte(raw), "etl", one, remarks, questions())
			if err != nil || (got == nil) != tc.gone {
				t.Errorf("%v, left:\n%s", err, got)
			}
		})
	}
	two, err := setupfile.Set(whole, "two", one, remarks, questions())
	if err != nil {
		t.Fatal(err)
	}
	if two, err = setupfile.Remove(two, "etl", one, remarks, questions()); err != nil || two == nil {
		t.Fatalf("%v\n%s", err, two)
	}
	if two, err = setupfile.Remove(two, "two", one, remarks, questions()); err != nil || two != nil {
		t.Errorf("after two of them: %v\n%s", err, two)
	}
}

// Whatever is set and removed in whatever order, the file says just that, and lines with CRLF stay so.
func TestAnyOrderOfChanges(t *testing.T) {
	t.Parallel()
	var ids []string
	for _, s := range questions() {
		switch s.ID {
		case "name", "expires-in-days", "environment", "legacy-key", "key-id", "key-secret", "platform-token", "also":
		default:
			ids = append(ids, s.ID)
		}
	}
	texts := rapid.SampledFrom([]string{"a", "main", "9", "1e3", "no", "feature/x", "x y", "ü # z", `quote"s`, "it's", "trailing:", "a: b", "- x", "{x}", "@x", "github:a/b#c", "90d", "\\", "&a", "*a", "!x", "%x", "~", "| x", "0x1f"})
	rapid.Check(t, func(t *rapid.T) {
		start := rapid.SampledFrom([]string{"", hand, strings.ReplaceAll(hand, "\n", "\r\n"), "setups:\n  z:\n", "version: 1\n"}).Draw(t, "start")
		raw := []byte(start)
		_, err := setupfile.Parse(raw, nil)
		if start != "" && start != "version: 1\n" && start != "setups:\n  z:\n" && err == nil {
			t.Fatal("unknown keys were taken")
		}
		f, err := setupfile.Parse(raw, questions())
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]setupfile.Answers{}
		for _, n := range f.Names() {
			want[n], _ = f.Answers(n)
		}
		for range rapid.IntRange(1, 6).Draw(t, "changes") {
			name := rapid.SampledFrom([]string{"a", "b.c", "etl-prod", "empty", "z", "007"}).Draw(t, "name")
			var next []byte
			if rapid.Bool().Draw(t, "set") {
				answers := setupfile.Answers{}
				for _, id := range rapid.SliceOfNDistinct(rapid.SampledFrom(ids), 1, 6, rapid.ID).Draw(t, "ids") {
					answers[id] = fitting(texts.Draw(t, id), id)
				}
				if rapid.Bool().Draw(t, "also") {
					answers["also"] = "age:x,vault:secret/y=TOKEN"
				}
				next, err = setupfile.Set(raw, name, answers, map[string]display.Text{"workspace": display.Clean("Ws # \" '")}, questions())
				answers = maps.Clone(answers)
				answers["name"] = name
				want[name] = answers
			} else {
				next, err = setupfile.Remove(raw, name, nil, nil, questions())
				if delete(want, name); next == nil && err == nil && start != "" && len(raw) > 0 {
					t.Fatalf("a file that a person began was given up:\n%s", raw)
				}
			}
			if err != nil {
				t.Fatalf("%v\n%s", err, raw)
			}
			raw = next
		}
		f, err = setupfile.Parse(raw, questions())
		if err != nil {
			t.Fatalf("%v\n%s", err, raw)
		}
		got := map[string]setupfile.Answers{}
		for _, n := range f.Names() {
			got[n], _ = f.Answers(n)
		}
		if !maps.EqualFunc(got, want, maps.Equal[setupfile.Answers, setupfile.Answers]) {
			t.Fatalf("got %v\nwant %v\n%s", got, want, raw)
		}
		if strings.Contains(start, "\r\n") && strings.Count(string(raw), "\n") != strings.Count(string(raw), "\r\n") {
			t.Fatalf("line ends are mixed:\n%q", raw)
		}
	})
}

// fitting is a value that the question's own check takes.
func fitting(v, id string) string {
	for _, s := range questions() {
		if s.ID == id && s.Check != nil && s.Check(v) != nil {
			return map[string]string{"secret-name": "X", "branch": "main", "pipeline-file": "a.yml"}[id]
		}
	}
	return v
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(hand))
	f.Add([]byte("setups:\n  a:\n    role: x\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		file, err := setupfile.Parse(raw, questions())
		if err != nil {
			return
		}
		got, err := setupfile.Set(raw, "new-one", setupfile.Answers{"branch": "main"}, nil, questions())
		if err != nil {
			return // it says so, and nothing is written
		}
		after, err := setupfile.Parse(got, questions())
		if err != nil {
			t.Fatalf("%v\n%q", err, got)
		}
		for _, n := range file.Names() {
			a, _ := file.Answers(n)
			b, _ := after.Answers(n)
			if n != "new-one" && !maps.Equal(a, b) {
				t.Fatalf("%s changed: %v, %v", n, a, b)
			}
		}
	})
}

// The schema takes what Parse takes, and refuses what it refuses; the one in docs is this one.
func TestSchema(t *testing.T) {
	t.Parallel()
	raw := setupfile.Schema(questions(), []string{"github", "gitlab"})
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("astro-ci.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("astro-ci.json")
	if err != nil {
		t.Fatal(err)
	}
	check := func(text string) error {
		var v any
		if err := yaml.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		js, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		inst, err := jsonschema.UnmarshalJSON(bytes.NewReader(js))
		if err != nil {
			t.Fatal(err)
		}
		return schema.Validate(inst)
	}
	if err := check(hand); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"version: 2", "extra: 1", "setups: {A: {}}", "setups: {a: {token: x}}", "setups: {a: {role: {}}}", "setups: {a: {job: dance}}", "setups: [1]"} {
		if check(bad) == nil {
			t.Errorf("the schema takes %s", bad)
		}
		if _, err := setupfile.Parse([]byte(bad+"\n"), questions()); err == nil && !strings.Contains(bad, "dance") {
			t.Errorf("Parse takes %s", bad)
		}
	}
}
