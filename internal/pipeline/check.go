package pipeline

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// Finding is one fault of a pipeline file.
type Finding struct {
	File string `json:"file"`
	Line int    `json:"line"` // from 1
	Rule string `json:"rule"`
	Why  string `json:"why"`
	Fix  string `json:"fix"`
}

// Rule is one thing that is looked for. Rules read lines, not the language of a file: a file that
// holds no Astro at all is passed over, a comment as well.
type Rule struct {
	ID, Why, Fix string
	on           string // the kind of file; "" is any
	find         func(f *checked) []int
}

// checked is a file under check.
type checked struct {
	kind  string
	text  string
	lines []string // comments are empty
}

// each finds the lines that match.
func each(pattern string) func(*checked) []int {
	re := regexp.MustCompile(pattern)
	return func(f *checked) (out []int) {
		for i, l := range f.lines {
			if re.MatchString(l) {
				out = append(out, i+1)
			}
		}
		return out
	}
}

// both finds the lines that match one pattern and not another.
func both(yes, no string) func(*checked) []int {
	find, not := each(yes), regexp.MustCompile(no)
	return func(f *checked) []int {
		return slices.DeleteFunc(find(f), func(n int) bool { return not.MatchString(f.lines[n-1]) })
	}
}

const images = `(docker|debian|ubuntu|alpine|cimg/base|atlassian/default-image)`

const sha1 = `@[0-9a-f]{40}\b`

// Rules lists what is looked for.
func Rules() []Rule {
	return []Rule{
		{
			ID: "unpinned-install", find: each(`install\.astronomer\.io|godownloader\.sh|curl[^|]*\|\s*(sudo\s+)?(ba|z)?sh\b|wget[^|]*\|\s*(sudo\s+)?(ba)?sh\b`),
			Why: "A script from the network is executed as it comes, and installs whatever is newest.",
			Fix: "Download one version and compare its SHA-256 with one that stands in this file; astro-ci render shows how.",
		},
		{
			ID: "secret-in-clear", find: each(`eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}|ASTRO(?:_API_TOKEN|NOMER_KEY_SECRET)\s*[:=]\s*["']?[A-Za-z0-9_-]{20,}`),
			Why: "A credential stands in the file, and so in the history of the repository.",
			Fix: "Revoke it now with astro-ci token revoke, and store a new one as a secret with astro-ci setup.",
		},
		{
			ID: "pull-request-target", on: "github", find: each(`\bpull_request_target\b`),
			Why: "The workflow runs with secrets for pull requests of anybody.",
			Fix: "Use push, or pull_request, which gets no secrets from forks.",
		},
		{
			ID: "action-not-pinned", on: "github", find: both(`\buses:\s*["']?[\w.-]+/[\w./-]+@`, sha1),
			Why: "A tag of an action can be moved to other code, which then gets the secrets of the job.",
			Fix: "Name the full commit and put the tag into a comment.",
		},
		{
			ID: "expression-in-shell", on: "github", find: each(`(run:|^\s+[^:#]*\b(echo|astro|git|if|export)\b).*\$\{\{\s*(github\.(event|head_ref|ref_name)|inputs\.)`),
			Why: "Text that others choose is pasted into a shell line and executed there.",
			Fix: "Pass it through env and use the variable between double quotes.",
		},
		{
			ID: "deploy-without-force", find: both(`\bastro\s+deploy\b`, `\s-f\b|--force\b|--help|\bdeploy\s+"\$(@|\{)`),
			Why: "With an uncommitted change, a rewritten lock file is enough, the Astro CLI deploys nothing and reports success.",
			Fix: "Add --force.",
		},
		{
			ID: "deploy-without-id", find: each(`\bastro\s+deploy(\s+-[-\w]+)*\s*(["'](\s|$|[;,)\]])|[;&|)]|$)`),
			Why: "Without a Deployment the Astro CLI takes the only one that it sees, or asks and fails.",
			Fix: "Name the Deployment by its id.",
		},
		{
			ID: "legacy-key", find: each(`\bASTRONOMER_KEY_(ID|SECRET)\b`),
			Why: "The hosted Astro has refused Deployment API keys since June 2024.",
			Fix: "Replace them with astro-ci setup --credential deployment-token --legacy-key replace.",
		},
		{
			ID: "last-commit-only", find: each(`HEAD(~1|\^1?)(\s|["')]|$)|git\s+diff-tree\b.*\bHEAD\b`),
			Why: "Only the last commit is looked at; what the others of a push changed is not deployed.",
			Fix: "Compare with the commit before the push; astro-ci render shows how.",
		},
		{
			ID: "moving-image", find: each(`^\s*-?\s*(image:\s*["']?` + images + `(:(latest|dind|stable|edge))?|(name:\s*)?["']?` + images + `:(latest|dind|stable|edge))["']?\s*$`),
			Why: "The image is another one whenever its tag moves.",
			Fix: "Name an exact version, or better the digest.",
		},
		{
			ID: "deploy-is-cut-off", find: each(`cancel-in-progress:\s*["']?true|interruptible:\s*["']?true`),
			Why: "A newer run ends one that is deploying, half way.",
			Fix: "Let one run at a time go on to its end.",
		},
		{
			ID: "secret-is-printed", find: each(`\b(echo|printf|cat)\b[^|>]*\$\{?(ASTRO_API_TOKEN|ASTRONOMER_KEY_SECRET)\b[^|>]*$|^\s*-?\s*(set -x|set -[a-z]*x)\b`),
			Why: "The secret can end up in the log, where masking is a matter of luck.",
			Fix: "Print nothing of it, and leave set -x out.",
		},
		{
			ID: "debug-log", find: each(`\bastro\b.*--verbosity[= ]+debug`),
			Why: "At this verbosity the Astro CLI prints the credentials of the registry.",
			Fix: "Leave --verbosity out.",
		},
		{
			ID: "everything-allowed", on: "github", find: each(`^\s*permissions:\s*["']?write-all`),
			Why: "Every step may change everything in the repository.",
			Fix: "Write permissions: {} at the top, and contents: read for the job.",
		},
		{
			ID: "quotes-hide-a-variable", on: "jenkins", find: each(`\bsh\s*\(?\s*'[^']*(\$\{env\.|\benv\.[A-Z])`),
			Why: "Between single quotes Groovy puts nothing in, and the shell does not know env.NAME: the text is passed as it stands.",
			Fix: "Use $NAME between the single quotes: it is a variable of the shell.",
		},
		{
			ID: "groovy-sees-the-secret", on: "jenkins", find: each(`\bsh\s*\(?\s*"[^"]*\$\{?(env\.)?(ASTRO_API_TOKEN|ASTRONOMER_KEY_SECRET|[A-Z_]*TOKEN)\b`),
			Why: "Between double quotes Groovy puts the secret into the command, where the process list shows it.",
			Fix: "Use single quotes around the shell text.",
		},
		{
			ID: "secret-not-mapped", on: "azure-devops", find: func(f *checked) []int {
				used := each(`\bastro\s+(deploy|deployment|workspace|organization)\b`)(f)
				if len(each(`^\s*ASTRO_API_TOKEN:\s*["']?\$\(`)(f)) > 0 || len(used) == 0 {
					return nil
				}
				return used[:1]
			},
			Why: "A secret variable is not in the environment of a step by itself: the Astro CLI finds no token, or the text $(ASTRO_API_TOKEN).",
			Fix: "Add to the step: env: with ASTRO_API_TOKEN: $(ASTRO_API_TOKEN).",
		},
		{
			ID: "deploy-of-pull-requests", on: "bitbucket", find: func(f *checked) []int {
				if len(each(`\bastro\s+deploy\b`)(f)) == 0 {
					return nil
				}
				return each(`^\s+pull-requests:`)(f)
			},
			Why: "The pipeline runs for a pull request, before the merge, and not after it.",
			Fix: "Move the step below branches: and name the branch.",
		},
		{
			ID: "no-such-key", on: "drone", find: each(`^\s*(depend_on|depends-on|dependson|depends_on_):`),
			Why: "Drone does not know this key and passes it over: the steps run in another order.",
			Fix: "Write depends_on.",
		},
	}
}

// Kind tells the platform of a pipeline file by its path; "" when it is not known.
func Kind(file string) string {
	file = strings.TrimPrefix(path.Clean(strings.ReplaceAll(file, `\`, "/")), "./")
	base := path.Base(file)
	switch {
	case strings.Contains("/"+file, "/.github/workflows/"), strings.Contains("/"+file, "/.gitea/workflows/"), strings.Contains("/"+file, "/.forgejo/workflows/"):
		return "github"
	case strings.HasPrefix(base, ".gitlab-ci"), strings.Contains("/"+file, "/.gitlab/"):
		return "gitlab"
	case strings.Contains("/"+file, "/.circleci/"):
		return "circleci"
	case strings.HasPrefix(base, "Jenkinsfile"), strings.HasSuffix(base, ".jenkinsfile"):
		return "jenkins"
	case strings.HasPrefix(base, "azure-pipelines"), strings.HasPrefix(base, "astro-devops-cicd"):
		return "azure-devops"
	case base == "bitbucket-pipelines.yml":
		return "bitbucket"
	case strings.HasPrefix(base, "buildspec"):
		return "codebuild"
	case strings.Contains("/"+file, "/.buildkite/"):
		return "buildkite"
	case strings.HasPrefix(base, ".drone"):
		return "drone"
	case strings.HasPrefix(base, ".woodpecker"), strings.Contains("/"+file, "/.woodpecker/"):
		return "woodpecker"
	}
	return ""
}

// Globs are the paths at which pipeline files of all platforms lie, as patterns of path.Match.
func Globs() []string {
	return []string{
		".github/workflows/*.yml", ".github/workflows/*.yaml", ".gitea/workflows/*.y*ml", ".forgejo/workflows/*.y*ml", ".gitlab-ci*.yml", ".gitlab/*.yml", ".circleci/*.yml",
		"Jenkinsfile*", "azure-pipelines*.yml", "bitbucket-pipelines.yml", "buildspec*.yml", ".drone.yml", ".buildkite/*.y*ml", ".woodpecker.y*ml", ".woodpecker/*.y*ml",
	}
}

// Check looks for faults in a pipeline file. A fault is found once for each line.
func Check(file Found) (out []Finding) {
	f := &checked{kind: Kind(file.Path), text: string(file.Content)}
	if f.kind == "buildkite" { // the agent takes $$ for a dollar sign
		f.text = strings.ReplaceAll(f.text, "$$", "$")
	}
	comment := "#"
	if f.kind == "jenkins" {
		comment = "//"
	}
	for l := range strings.SplitSeq(f.text, "\n") {
		l = strings.TrimRight(l, "\r")
		if strings.HasPrefix(strings.TrimSpace(l), comment) {
			l = ""
		}
		f.lines = append(f.lines, l)
	}
	if f.kind != "jenkins" {
		if line := brokenYAML(file.Content); line > 0 {
			out = append(out, Finding{
				file.Path, line, "broken-yaml", "The file is not YAML that every reader takes the same way: a key may be there twice, or a line be indented wrongly.",
				"Correct the line.",
			})
		}
	}
	for _, r := range Rules() {
		if r.on != "" && r.on != f.kind {
			continue
		}
		for _, n := range r.find(f) {
			out = append(out, Finding{file.Path, n, r.ID, r.Why, r.Fix})
		}
	}
	slices.SortStableFunc(out, func(a, b Finding) int { return a.Line - b.Line })
	return out
}

var yamlPosition = regexp.MustCompile(`\[(\d+):\d+\]`)

// brokenYAML is the line at which the text is no YAML, 0 when it is.
func brokenYAML(raw []byte) int {
	var any any
	err := yaml.Unmarshal(raw, &any)
	if err == nil {
		return 0
	}
	line := 1
	if m := yamlPosition.FindStringSubmatch(err.Error()); m != nil {
		line = 0
		for _, d := range m[1] {
			line = line*10 + int(d-'0')
		}
	}
	return max(1, line)
}
