package astroci_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/astro-ci/astro-ci"

// allowed lists, for every package of the project, which other packages of the project it may
// import. Tests may import more.
var allowed = map[string][]string{
	"assets":                          {},
	"cmd/astro-ci":                    {"internal/cli"},
	"internal/display":                {},
	"internal/secret":                 {},
	"internal/hint":                   {},
	"internal/setup":                  {"internal/secret", "internal/display"},
	"internal/keyring":                {"internal/secret"},
	"internal/flow":                   {"internal/secret", "internal/setup", "internal/display", "internal/hint"},
	"internal/httpx":                  {"internal/secret", "internal/display", "internal/hint"},
	"internal/gitrepo":                {"internal/providers", "internal/hint", "internal/display"},
	"internal/astro":                  {"internal/parallel", "internal/httpx", "internal/secret", "internal/setup", "internal/display", "internal/hint"},
	"internal/providers":              {"internal/httpx", "internal/secret", "internal/setup", "internal/display", "internal/hint"},
	"internal/providers/github":       {"internal/parallel", "internal/fetch", "assets", "internal/providers", "internal/pipeline", "internal/httpx", "internal/secret", "internal/setup", "internal/display", "internal/hint"},
	"internal/providers/azuredevops":  {"internal/fetch", "internal/providers/keyvault", "internal/providers", "internal/pipeline", "internal/httpx", "internal/secret", "internal/setup", "internal/display", "internal/hint"},
	"internal/providers/agefile":      {"internal/providers", "internal/secret", "internal/setup", "internal/display", "internal/hint"},
	"internal/providers/sops":         {"internal/providers", "internal/secret", "internal/setup", "internal/display", "internal/hint"},
	"internal/providers/doppler":      {"internal/providers", "internal/httpx", "internal/secret", "internal/setup", "internal/display", "internal/hint"},
	"internal/providers/onepassword":  {"internal/providers", "internal/httpx", "internal/secret", "internal/setup", "internal/display", "internal/hint"},
	"internal/sandbox/dopplerd":       {"internal/sandbox/embedded", "internal/secret"},
	"internal/sandbox/onepasswordd":   {"internal/sandbox/embedded", "internal/secret"},
	"internal/providers/keyring":      {"internal/keyring", "internal/providers", "internal/secret", "internal/setup", "internal/display", "internal/hint"},
	"internal/providers/aws":          {"internal/providers", "internal/httpx", "internal/secret", "internal/setup", "internal/display", "internal/hint"},
	"internal/providers/bitbucket":    {"internal/fetch", "internal/providers", "internal/pipeline", "internal/httpx", "internal/secret", "internal/setup", "internal/display", "internal/hint"},
	"internal/providers/circleci":     {"internal/fetch", "internal/providers", "internal/pipeline", "internal/httpx", "internal/secret", "internal/setup", "internal/display", "internal/hint"},
	"internal/providers/codebuild":    {"internal/fetch", "internal/providers/aws", "internal/providers", "internal/pipeline", "internal/httpx", "internal/secret", "internal/setup", "internal/display", "internal/hint"},
	"internal/providers/buildkite":    {"internal/fetch", "internal/providers", "internal/pipeline", "internal/httpx", "internal/secret", "internal/setup", "internal/display", "internal/hint"},
	"internal/providers/drone":        {"internal/fetch", "internal/providers/vault", "internal/providers", "internal/pipeline", "internal/httpx", "internal/secret", "internal/setup", "internal/display", "internal/hint"},
	"internal/providers/gitea":        {"internal/providers", "internal/pipeline", "internal/httpx", "internal/secret", "internal/setup", "internal/display", "internal/hint"},
	"internal/providers/woodpecker":   {"internal/providers", "internal/pipeline", "internal/httpx", "internal/secret", "internal/setup", "internal/display", "internal/hint"},
	"internal/providers/vault":        {"internal/providers", "internal/httpx", "internal/secret", "internal/setup", "internal/display", "internal/hint"},
	"internal/providers/gitlab":       {"internal/fetch", "internal/providers", "internal/pipeline", "internal/httpx", "internal/secret", "internal/setup", "internal/display", "internal/hint"},
	"internal/providers/jenkins":      {"internal/fetch", "internal/providers/vault", "internal/providers", "internal/pipeline", "internal/httpx", "internal/secret", "internal/setup", "internal/display", "internal/hint"},
	"internal/pipeline":               {"assets", "internal/fetch", "internal/providers", "internal/setup", "internal/display", "internal/hint"},
	"internal/steps":                  {"internal/fetch", "internal/httpx", "internal/secret", "internal/flow", "internal/setup", "internal/astro", "internal/providers", "internal/pipeline", "internal/display", "internal/hint"},
	"internal/fetch":                  {"internal/display", "internal/providers/google", "internal/providers/keyvault", "internal/providers", "internal/providers/aws", "internal/providers/vault", "internal/setup", "internal/hint"},
	"internal/providers/google":       {"internal/providers", "internal/httpx", "internal/secret", "internal/setup", "internal/display", "internal/hint"},
	"internal/providers/keyvault":     {"internal/providers", "internal/httpx", "internal/secret", "internal/setup", "internal/display", "internal/hint"},
	"internal/handover":               {"internal/providers", "internal/setup"},
	"internal/apply":                  {"internal/display", "internal/astro", "internal/httpx", "internal/providers", "internal/rotation", "internal/setup"},
	"internal/doctor":                 {"internal/display", "internal/apply", "internal/astro", "internal/hint", "internal/httpx", "internal/inventory", "internal/pipeline", "internal/providers", "internal/rotation", "internal/setup"},
	"internal/setupfile":              {"internal/flow", "internal/setup", "internal/display", "internal/hint"},
	"internal/filelock":               {},
	"internal/terminal":               {},
	"internal/pattern":                {},
	"internal/parallel":               {},
	"internal/version":                {},
	"internal/inventory":              {"internal/display", "internal/astro", "internal/hint", "internal/rotation", "internal/setup"},
	"internal/journal":                {"internal/filelock", "internal/hint"},
	"internal/rotation":               {"internal/display", "internal/astro", "internal/hint", "internal/httpx", "internal/providers", "internal/secret", "internal/setup"},
	"internal/engine":                 {"internal/parallel", "internal/fetch", "internal/rotation", "internal/httpx", "internal/astro", "internal/providers", "internal/pipeline", "internal/secret", "internal/setup", "internal/display", "internal/hint"},
	"internal/ui":                     {"internal/flow", "internal/engine", "internal/pipeline", "internal/setup", "internal/display", "internal/hint"},
	"internal/ui/tui":                 {"internal/terminal", "internal/secret", "internal/ui", "internal/flow", "internal/engine", "internal/pipeline", "internal/setup", "internal/display", "internal/hint"},
	"internal/ui/line":                {"internal/terminal", "internal/secret", "internal/ui/report", "internal/ui", "internal/flow", "internal/engine", "internal/pipeline", "internal/setup", "internal/display", "internal/hint"},
	"internal/ui/report":              {"internal/doctor", "internal/inventory", "internal/astro", "internal/providers", "internal/ui", "internal/flow", "internal/engine", "internal/pipeline", "internal/setup", "internal/display", "internal/hint"},
	"internal/sandbox":                {"internal/sandbox/dopplerd", "internal/sandbox/onepasswordd", "internal/sandbox/googled", "internal/sandbox/keyvaultd", "internal/sandbox/vaultd", "internal/filelock", "internal/sandbox/astrod", "internal/sandbox/awsd", "internal/sandbox/azured", "internal/sandbox/jenkinsd", "internal/sandbox/gitead", "internal/sandbox/bitbucketd", "internal/sandbox/buildkited", "internal/sandbox/circlecid", "internal/sandbox/droned", "internal/sandbox/embedded", "internal/sandbox/githubd", "internal/sandbox/gitlabd", "internal/sandbox/released", "internal/sandbox/woodpeckerd", "internal/secret", "internal/setup", "internal/hint"},
	"internal/sandbox/astrod":         {"internal/sandbox/fault", "internal/secret"},
	"internal/sandbox/githubd":        {"internal/sandbox/embedded", "internal/sandbox/fault", "internal/secret"},
	"internal/sandbox/embedded":       {"internal/sandbox/fault", "internal/secret"},
	"internal/sandbox/bitbucketd":     {"internal/sandbox/embedded", "internal/secret"},
	"internal/sandbox/jenkinsd":       {"internal/sandbox/embedded", "internal/secret"},
	"internal/sandbox/azured":         {"internal/sandbox/embedded", "internal/secret"},
	"internal/sandbox/awsd":           {"internal/sandbox/embedded", "internal/secret"},
	"internal/sandbox/circlecid":      {"internal/sandbox/embedded", "internal/secret"},
	"internal/sandbox/buildkited":     {"internal/sandbox/embedded", "internal/secret"},
	"internal/sandbox/droned":         {"internal/sandbox/embedded", "internal/secret"},
	"internal/sandbox/googled":        {"internal/sandbox/embedded", "internal/secret"},
	"internal/sandbox/keyvaultd":      {"internal/sandbox/embedded", "internal/secret"},
	"internal/sandbox/gitead":         {"internal/sandbox/embedded", "internal/secret"},
	"internal/sandbox/woodpeckerd":    {"internal/sandbox/embedded", "internal/secret"},
	"internal/sandbox/vaultd":         {"internal/sandbox/embedded", "internal/secret"},
	"internal/sandbox/gitlabd":        {"internal/sandbox/embedded", "internal/secret"},
	"internal/sandbox/released":       {},
	"internal/sandbox/fault":          {},
	"internal/testkit":                {"internal/secret"},
	"internal/providers/all":          {"internal/providers/doppler", "internal/providers/onepassword", "internal/providers/google", "internal/providers/keyvault", "internal/providers/agefile", "internal/providers/keyring", "internal/providers/sops", "internal/providers/aws", "internal/providers/vault", "internal/providers", "internal/providers/azuredevops", "internal/providers/bitbucket", "internal/providers/buildkite", "internal/providers/circleci", "internal/providers/codebuild", "internal/providers/drone", "internal/providers/gitea", "internal/providers/github", "internal/providers/gitlab", "internal/providers/jenkins", "internal/providers/woodpecker", "internal/setup"},
	"internal/providers/providertest": {"internal/providers/google", "internal/providers/keyvault", "internal/sandbox/googled", "internal/sandbox/keyvaultd", "internal/fetch", "internal/providers/aws", "internal/providers/vault", "internal/sandbox/awsd", "internal/sandbox/vaultd", "internal/display", "internal/hint", "internal/httpx", "internal/sandbox/embedded", "internal/sandbox/fault", "internal/testkit", "internal/providers", "internal/secret", "internal/setup"},
}

// only names the packages outside the project that few may import, and who.
var only = map[string][]string{
	"charm.land/":            {"internal/ui/tui"},
	"github.com/cli/go-gh":   {"internal/providers/github"},
	"github.com/spf13/cobra": {"internal/cli"},
	"os/exec":                {"internal/terminal", "internal/cli", "internal/testkit"},
	"github.com/zalando/":    {"internal/keyring"},
	"golang.org/x/oauth2":    {"internal/providers/google"},
	"github.com/aws/":        {"internal/cli", "internal/providers/aws", "internal/sandbox/awsd"},
}

// forbidden are words that must not stand in production code outside their home.
var forbidden = []struct {
	what  *regexp.Regexp
	homes []string // package prefixes
}{
	{regexp.MustCompile(`\bos\.(Getenv|LookupEnv|Environ|Args|Exit)\b`), []string{"internal/cli", "internal/version", "internal/testkit", "cmd/"}},
	{regexp.MustCompile(`\bfunc init\(\)`), []string{"internal/version"}},
	{regexp.MustCompile(`\bhttp\.(DefaultClient|Get|Post)\b`), nil},
	{regexp.MustCompile(`\bfmt\.Print`), nil},
}

func TestImports(t *testing.T) {
	found := packages(t)
	for dir := range allowed {
		if len(found[dir]) == 0 {
			t.Errorf("%s: there is an import rule for it and no code", dir)
		}
	}
	for dir, files := range found {
		rules, known := allowed[dir]
		if dir == "internal/cli" {
			known = true // builds everything, so it may import everything but cmd
		}
		if !known {
			t.Errorf("%s: no import rule; add one to import_test.go", dir)
		}
		for _, file := range files {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			tree, err := parser.ParseFile(token.NewFileSet(), file, raw, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, imp := range tree.Imports {
				name, _ := strconv.Unquote(imp.Path.Value)
				if own, ok := strings.CutPrefix(name, module+"/"); ok && dir != "internal/cli" && own != "internal/pattern" && !slices.Contains(rules, own) {
					t.Errorf("%s imports %s", file, own)
				}
				for prefix, homes := range only {
					if strings.HasPrefix(name, prefix) && !slices.Contains(homes, dir) {
						t.Errorf("%s imports %s, which only %v may", file, name, homes)
					}
				}
				if slices.Contains([]string{"internal/setup", "internal/secret", "internal/hint", "internal/display"}, dir) && strings.Contains(strings.Split(name, "/")[0], ".") && !strings.HasPrefix(name, module) {
					t.Errorf("%s imports %s; this package stands on the standard library", file, name)
				}
			}
			for _, f := range forbidden {
				home := slices.ContainsFunc(f.homes, func(h string) bool { return strings.HasPrefix(dir, h) })
				if m := f.what.Find(raw); m != nil && !home {
					t.Errorf("%s uses %s outside its home", file, m)
				}
			}
		}
	}
}

// packages maps each folder with Go code to its production files.
func packages(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || d.Name() != "." && strings.HasPrefix(d.Name(), ".")) {
			return filepath.SkipDir
		}
		if strings.HasSuffix(p, ".go") && !strings.HasSuffix(p, "_test.go") {
			dir := path.Dir(filepath.ToSlash(p))
			out[dir] = append(out[dir], p)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 10 {
		t.Fatalf("only %d packages found", len(out))
	}
	return out
}

// Every expression that is compiled at its first use compiles.
func TestPatterns(t *testing.T) {
	seen := 0
	for _, files := range packages(t) {
		for _, file := range files {
			tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(tree, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				if f, ok := call.Fun.(*ast.SelectorExpr); !ok || f.Sel.Name != "New" || fmt.Sprint(f.X) != "pattern" {
					return true
				}
				if _, err := regexp.Compile(constant(t, call.Args[0])); err != nil {
					t.Errorf("%s: %v", file, err)
				}
				seen++
				return true
			})
		}
	}
	if seen < 100 {
		t.Errorf("only %d expressions were found", seen)
	}
}

// constant is the text of a constant expression whose names are of the same file.
func constant(t *testing.T, e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		if err != nil {
			t.Fatal(err)
		}
		return text
	case *ast.BinaryExpr:
		return constant(t, e.X) + constant(t, e.Y)
	case *ast.Ident:
		if e.Obj != nil {
			if spec, ok := e.Obj.Decl.(*ast.ValueSpec); ok && len(spec.Values) == 1 {
				return constant(t, spec.Values[0])
			}
		}
	}
	t.Errorf("an expression that is put together while the program runs belongs to package regexp: %#v", e)
	return ""
}
