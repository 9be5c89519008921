package cli_test

import (
	"slices"
	"testing"
)

// with is the card's command with other answers: flag, value, flag, value.
func with(more ...string) []string { return append(slices.Clone(card[:len(card)-1]), more...) }

// causesOfUse are those that lie in how the program is called.
func causesOfUse() []cause {
	pem := func(p *place) { p.write("ca.pem", "no certificate\n") }
	return []cause{
		of("unknown flag", nil, "setup", "--nope"),
		of("flag without its value", nil, "setup", "--credential"),
		of("unknown command", nil, "nope"),
		of("unknown command below another", nil, "token", "nope"),
		of("no token named", nil, "token", "revoke"),
		of("no setup named", nil, "remove"),
		of("no place named", nil, "targets", "add", "etl-prod"),
		of("several places to take the secret out of", nil, "targets", "remove", "etl-prod", "github:acme/etl", "github:acme/ml"),
		of("a time below zero", nil, "apply", "--drain", "-5s"),
		of("unknown way out of a failure", nil, "setup", "--on-failure", "maybe"),
		of("a key on stdin that is none", nil, with("--key-stdin")...),
		of("a log-in on stdin that is none", nil, with("--platform-token-stdin")...),
		of("stdin wanted twice", nil, with("--platform-token-stdin", "--key-stdin")...),
		of("a Deployment without its Workspace", nil, "token", "list", "--sandbox", "--deployment", "etl-prod"),
		of("unknown form of JSON", nil, "status", "--sandbox", "--json=nope"),
		of("a flag that is yes or no", nil, "status", "--sandbox", "--yes=perhaps"),
		of("a flag that takes a time", nil, "rotate", "--sandbox", "--drain", "soon"),
		of("a flag that takes a number", nil, "status", "--sandbox", "--unused-days", "many"),
		of("unused since less than a day", nil, "status", "--sandbox", "--unused-days", "0"),
		of("two results on stdout", nil, "status", "--sandbox", "--json", "--ics", "-"),
		of("a calendar in a folder that is not there", nil, "status", "--sandbox", "--ics", "no/where.ics"),
		of("a file of certificates that is not there", nil, "whoami", "--sandbox", "--ca-file", "nope.pem"),
		of("a file of certificates without one", pem, "whoami", "--sandbox", "--ca-file", "ca.pem"),
		of("no folder for the state", func(p *place) { p.env = append(p.env, "HOME=") }, "status", "--sandbox"),
		of("the sandbox on a network", nil, "sandbox", "--listen", "0.0.0.0:1"),
		of("unknown platform of a render", nil, "render", "--platform", "nope"),
		of("a target of a render without an address", nil, "render", "--platform", "github", "--target", "nope"),
		of("unknown version of the Astro CLI", nil, "render", "--platform", "github", "--cli-version", "1.0.0"),
		of("a pipeline file that is not there", nil, "check", "nope.yml"),
		of("no pipeline file to run", nil, "run", "--sandbox"),

		of("answers are missing", nil, "setup", "--sandbox", "--no-input"),
		of("unknown credential", nil, with("--credential", "nope")...),
		of("unknown Workspace", nil, with("--workspace", "nope")...),
		of("unknown Deployment", nil, with("--deployment", "nope")...),
		of("unknown role", nil, with("--role", "WORKSPACE_EMPEROR")...),
		of("an expiry that Astro does not have", nil, with("--expires-in", "9999d")...),
		of("unknown platform", nil, with("--platform", "nope")...),
		of("not a repository", nil, with("--repo", "..")...),
		of("a repository that is not there", nil, with("--repo", "acme/nope")...),
		of("a name that the platform keeps for itself", nil, with("--secret-name", "GITHUB_TOKEN")...),
		of("a name that the shell takes apart", nil, with("--secret-name", "A B; rm")...),
		of("unknown store", nil, with("--target", "nope:acme/etl")...),
		of("unknown store of a copy", nil, with("--also", "nope:acme/etl")...),
		of("an address that the store does not take", nil, with("--also", "aws-ssm:astro")...),
		of("the keyring in the sandbox", nil, with("--also", "keyring:astro/etl")...),
		of("a pipeline file outside of the repository", nil, with("--pipeline-file", "../../x.yml")...),
		of("a pipeline file that GitHub does not run", nil, with("--pipeline-file", "x.yml")...),
		of("no release of the Astro CLI", nil, with("--cli-version", "1.0.0")...),
		of("sums without a version", nil, with("--cli-sha256", "linux_amd64=00")...),
		of("a mirror without TLS", nil, with("--cli-url", "http://mirror.example.org/astro")...),
		of("DAG deploys are off", nil, with("--deploy", "dags", "--workspace", "Machine Learning", "--deployment", "ml-prod", "--job", "dags")...),
		of("a request on a platform that has none", nil, with("--platform", "jenkins", "--repo", "etl", "--deliver", "pull-request")...),
		of("previews on a platform that has none", nil, with("--platform", "jenkins", "--repo", "etl", "--job", "previews")...),
		of("a secret of another repository", nil, with("--target", "github:acme/other")...),
		of("a role of Vault that is none", nil, with("--target", "vault:secret/astro/etl", "--reader", "nope")...),
		of("an earlier setup that is not there", nil, with("--like", "nope")...),
		of("a schedule of a credential that cannot make one", nil, with("--self-rotate", "hourly")...),
		{"nobody to confirm", func(t *testing.T) string {
			return newPlace(t).fails(slices.DeleteFunc(with(), func(s string) bool { return s == "--yes" })...)
		}},
	}
}
