package google

import (
	"fmt"
	"strings"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

const docsFederation = "https://cloud.google.com/iam/docs/workload-identity-federation-with-deployment-pipelines"

// poolProvider is a provider of a workload identity pool, by its whole name.
var poolProvider = pattern.New(`^projects/([0-9]{6,20})/locations/global/workloadIdentityPools/([a-z0-9-]{4,32})/providers/([a-z0-9-]{4,32})$`)

func checkReader(p setup.Plan) (project, pool, provider string, err error) {
	if err := CheckTarget(p.Target()); err != nil {
		return "", "", "", err
	}
	m := poolProvider.FindStringSubmatch(p.Pipeline.Reader.Role)
	if m == nil {
		return "", "", "", hint.New(fmt.Sprintf("%s: %q is no provider of a workload identity pool", SecretManager, display.Clean(p.Pipeline.Reader.Role)), "Write it like projects/123456789012/locations/global/workloadIdentityPools/ci/providers/github; the number is that of the project.", docsFederation)
	}
	return m[1], m[2], m[3], nil
}

// From is how a run reads the plan's secret: it exchanges its identity for a token of Google's.
func From(p setup.Plan) (providers.From, error) {
	if _, _, _, err := checkReader(p); err != nil {
		return providers.From{}, err
	}
	who := "//iam.googleapis.com/" + p.Pipeline.Reader.Role
	return providers.From{Audience: "https:" + who, Scripts: []string{"fetch-google"}, Constants: []providers.Constant{
		{Name: "BACKEND_LOGIN", Value: "https://sts.googleapis.com/v1/token"},
		{Name: "BACKEND_ROLE", Value: who},
		{Name: "BACKEND_SECRET", Value: "https://secretmanager.googleapis.com" + at(p.Target()) + "/versions/latest:access"},
	}}, nil
}

// longest is how long Google lets a subject be.
const longest = 127

// subject is what Google makes of an identity: its own subject, or what the claims say, with colons
// between. condition is what it asks for of all runs that a provider knows.
func subject(id providers.Identity) (mapping, value, condition string) {
	if id.Claims == nil {
		owner, _, _ := strings.Cut(id.Subject, "/") // repo:acme
		return "assertion.sub", id.Subject, "assertion.sub.startsWith('" + owner + "/')"
	}
	var mappings, values []string
	for _, c := range id.Claims[1:] {
		mappings, values = append(mappings, "assertion['"+c.Name+"']"), append(values, c.Value)
	}
	return strings.Join(mappings, " + ':' + "), strings.Join(values, ":"), "assertion['" + id.Claims[0].Name + "'] == '" + id.Claims[0].Value + "'"
}

// Grant lets the runs alone read the one secret.
func Grant(p setup.Plan, id providers.Identity) (string, error) {
	number, pool, provider, err := checkReader(p)
	if err != nil {
		return "", err
	}
	mapping, who, condition := subject(id)
	if len(who) > longest {
		return "", hint.New(SecretManager+": the identity of the runs is longer than Google takes: "+who, "Use a shorter branch, or another backend.", docsFederation)
	}
	project, secret := ID(p.Target())
	w := providers.ShellWord
	more := ""
	if id.Audience != "" {
		more = " \\\n    --allowed-audiences=" + w(id.Audience)
	}
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	say("# Who vouches for the runs. Once for all setups; leave it as it is when it is there already.")
	say("gcloud iam workload-identity-pools describe %s --project=%s --location=global >/dev/null 2>&1 ||\n  gcloud iam workload-identity-pools create %s --project=%s --location=global", pool, number, pool, number)
	say("gcloud iam workload-identity-pools providers describe %s --workload-identity-pool=%s --project=%s --location=global >/dev/null 2>&1 ||\n  gcloud iam workload-identity-pools providers create-oidc %s --workload-identity-pool=%s --project=%s --location=global \\\n    --issuer-uri=%s --attribute-mapping=%s --attribute-condition=%s%s",
		provider, pool, number, provider, pool, number, w(id.Issuer), w("google.subject="+mapping), w(condition), more)
	say("\n# Which runs may read it.\ngcloud secrets add-iam-policy-binding %s --project=%s --role=roles/secretmanager.secretAccessor \\\n  --member=%s",
		w(secret), w(project), w("principal://iam.googleapis.com/projects/"+number+"/locations/global/workloadIdentityPools/"+pool+"/subject/"+who))
	return b.String(), nil
}
