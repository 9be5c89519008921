package aws

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

const docsFederation = "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html"

// audience is whom the identity of a run is for.
const audience = "sts.amazonaws.com"

var (
	roleARN = pattern.New(`^arn:(aws|aws-cn|aws-us-gov):iam::([0-9]{12}):role/([A-Za-z0-9_+=,.@/-]{1,512})$`)
	region  = pattern.New(`^[a-z]{2,4}(-[a-z]+)+-[0-9]$`)
)

// host is the end of the names of a region's services.
func host(region string) string {
	if strings.HasPrefix(region, "cn-") {
		return region + ".amazonaws.com.cn"
	}
	return region + ".amazonaws.com"
}

func checkReader(p setup.Plan) error {
	r := p.Pipeline.Reader
	if !region.MatchString(r.Server) {
		return hint.New(fmt.Sprintf("%s: %q is not a region", p.Target().Store, display.Clean(r.Server)), "Give the region of the secret, like eu-central-1, with --reader-server.", docsFederation)
	}
	if !roleARN.MatchString(r.Role) {
		return hint.New(fmt.Sprintf("%s: %q is not the ARN of a role", p.Target().Store, display.Clean(r.Role)), "Write it like arn:aws:iam::123456789012:role/astro-ci-etl.", docsFederation)
	}
	return nil
}

// From is how a run reads the plan's secret: it takes a role for a few minutes, by its identity.
func From(p setup.Plan) (providers.From, error) {
	if err := checkReader(p); err != nil {
		return providers.From{}, err
	}
	service := "secretsmanager"
	if p.Target().Store == SSM {
		service = "ssm"
	}
	at := p.Pipeline.Reader.Server
	return providers.From{Audience: audience, Scripts: []string{"fetch-aws", "fetch-" + p.Target().Store}, Constants: []providers.Constant{
		{Name: "BACKEND_LOGIN", Value: "https://sts." + host(at) + "/"},
		{Name: "BACKEND_ROLE", Value: p.Pipeline.Reader.Role},
		{Name: "BACKEND_URL", Value: "https://" + service + "." + host(at) + "/"},
		{Name: "BACKEND_REGION", Value: at},
		{Name: "BACKEND_SECRET", Value: ID(p.Target())},
	}}, nil
}

// resource is the ARN of a target's secret; one of Secrets Manager ends in six characters that AWS chooses.
func resource(partition, region, account string, t setup.Target) (action, arn string) {
	if t.Store == SSM {
		return "ssm:GetParameter", fmt.Sprintf("arn:%s:ssm:%s:%s:parameter%s", partition, region, account, ID(t))
	}
	return "secretsmanager:GetSecretValue", fmt.Sprintf("arn:%s:secretsmanager:%s:%s:secret:%s-??????", partition, region, account, ID(t))
}

// Grant makes a role that trusts the runs and may read the one secret.
func Grant(p setup.Plan, id providers.Identity) (string, error) {
	if err := checkReader(p); err != nil {
		return "", err
	}
	m := roleARN.FindStringSubmatch(p.Pipeline.Reader.Role)
	partition, account, path := m[1], m[2], "/"+m[3]
	i := strings.LastIndex(path, "/")
	path, name := path[:i+1], path[i+1:]
	issuer := strings.TrimPrefix(id.Issuer, "https://")
	provider := fmt.Sprintf("arn:%s:iam::%s:oidc-provider/%s", partition, account, issuer)
	equal := map[string]any{issuer + ":aud": id.For(audience)}
	conditions := map[string]any{"StringEquals": equal}
	if id.Open() {
		conditions["StringLike"] = map[string]any{issuer + ":sub": id.Subject}
	} else {
		equal[issuer+":sub"] = id.Subject
	}
	document := func(statement map[string]any) string {
		statement["Effect"] = "Allow"
		raw, err := json.MarshalIndent(map[string]any{"Version": "2012-10-17", "Statement": []any{statement}}, "", "  ")
		if err != nil {
			panic(err) // plain data always encodes
		}
		return string(raw)
	}
	action, arn := resource(partition, p.Pipeline.Reader.Server, account, p.Target())
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	say("# Who vouches for the runs. Once for the account; leave it as it is when it is there already.")
	say("aws iam get-open-id-connect-provider --open-id-connect-provider-arn %s >/dev/null 2>&1 ||\n  aws iam create-open-id-connect-provider --url %s --client-id-list %s", providers.ShellWord(provider), providers.ShellWord(id.Issuer), providers.ShellWord(id.For(audience)))
	say("\n# Which runs.\naws iam create-role --role-name %s --path %s --max-session-duration 3600 --assume-role-policy-document \"$(cat <<'TRUST'\n%s\nTRUST\n)\"", providers.ShellWord(name), providers.ShellWord(path),
		document(map[string]any{"Principal": map[string]any{"Federated": provider}, "Action": "sts:AssumeRoleWithWebIdentity", "Condition": conditions}))
	say("\n# What may be read. A key of your own for the encryption needs kms:Decrypt beside it.\naws iam put-role-policy --role-name %s --policy-name %s --policy-document \"$(cat <<'POLICY'\n%s\nPOLICY\n)\"", providers.ShellWord(name), providers.ShellWord(name),
		document(map[string]any{"Action": action, "Resource": arn}))
	return b.String(), nil
}

// reader proposes a role in the account of the log-in.
func (c *Client) reader(ctx context.Context, p setup.Plan, info providers.Info) (setup.Reader, error) {
	out := setup.Reader{Server: c.Region}
	var who struct {
		Response struct {
			Result struct{ Account string } `json:"GetCallerIdentityResult"`
		} `json:"GetCallerIdentityResponse"`
	}
	if err := c.query(ctx, "sts", url.Values{"Action": {"GetCallerIdentity"}, "Version": {"2011-06-15"}}, &who); err != nil {
		return out, Explain(err, info, "ask for the account of the log-in", "sts:GetCallerIdentity")
	}
	if account := who.Response.Result.Account; account != "" {
		out.Role = "arn:" + partition(c.Region) + ":iam::" + account + ":role/astro-ci-" + p.Name
	}
	return out, nil
}

func partition(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

// Reader is as whom runs may read the secret, unless something else is said.
func (s Secrets) Reader(ctx context.Context, p setup.Plan) (setup.Reader, error) {
	return s.Client.reader(ctx, p, secretsInfo)
}

// Reader is as whom runs may read the secret, unless something else is said.
func (s Parameters) Reader(ctx context.Context, p setup.Plan) (setup.Reader, error) {
	return s.Client.reader(ctx, p, parametersInfo)
}
