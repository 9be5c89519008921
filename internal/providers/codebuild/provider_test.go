package codebuild_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/aws"
	"github.com/astro-ci/astro-ci/internal/providers/codebuild"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/sandbox/awsd"
	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/sandbox/fault"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

func newProvider(t *testing.T) (*awsd.Server, *codebuild.Provider) {
	t.Helper()
	server, err := awsd.New(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	models := map[string]string{"secretsmanager": "aws/secrets-manager.subset.smithy.json", "AmazonSSM": "aws/ssm.subset.smithy.json", "CodeBuild_20161006": "aws/codebuild.subset.smithy.json"}
	srv := httptest.NewServer(testkit.NewSmithy(t, models).Around(server.Handler()))
	t.Cleanup(srv.Close)
	base, _ := url.Parse(srv.URL)
	w := providertest.NewWorld(&server.Server)
	return server, codebuild.New(aws.New(aws.Options{Region: awsd.Region, Endpoint: base, Wire: w.Wire(), Credentials: sdk.CredentialsProviderFunc(func(context.Context) (c sdk.Credentials, err error) {
		err = server.Token().Use(func(b []byte) error {
			c = sdk.Credentials{AccessKeyID: awsd.AccessKey, SecretAccessKey: string(b)}
			return nil
		})
		return c, err
	})}))
}

// A variable of the project that stands in clear is found by its name; its value is not read.
func TestPlainVariables(t *testing.T) {
	t.Parallel()
	server, p := newProvider(t)
	server.AddProject("careless", "ASTRO_API_TOKEN=canary-in-clear", "STAGE=prod")
	for name, notes := range map[string]int{"etl": 0, "careless": 1, "nope": 1} {
		r, err := p.Repo(t.Context(), setup.Repository{Path: name})
		if err != nil || len(r.Notes) != notes {
			t.Errorf("%s: %+v, %v", name, r, err)
			continue
		}
		for _, n := range r.Notes {
			if strings.Contains(n.String(), "canary") || strings.Contains(n.String(), "STAGE") {
				t.Errorf("%s", n)
			}
		}
	}
}

// The build's role gets the right to read exactly the plan's secrets.
func TestPolicy(t *testing.T) {
	t.Parallel()
	_, p := newProvider(t)
	for _, c := range []struct {
		kind setup.Kind
		at   setup.Target
		want string
	}{
		{setup.WorkspaceToken, setup.Target{Store: aws.SecretsManager, Address: "astro/etl"}, "secretsmanager:GetSecretValue arn:aws:secretsmanager:eu-central-1:*:secret:astro/etl/ASTRO_API_TOKEN-??????"},
		{setup.WorkspaceToken, setup.Target{Store: aws.SSM, Address: "/astro/etl"}, "ssm:GetParameters arn:aws:ssm:eu-central-1:*:parameter/astro/etl/ASTRO_API_TOKEN"},
		{setup.DeploymentKey, setup.Target{Store: aws.SSM, Address: "/a"}, "ssm:GetParameters arn:aws:ssm:eu-central-1:*:parameter/a/ASTRONOMER_KEY_ID arn:aws:ssm:eu-central-1:*:parameter/a/ASTRONOMER_KEY_SECRET"},
	} {
		file, say := p.Policy(providertest.PipelinePlan(c.kind, c.at))
		var doc struct {
			Version   string
			Statement []struct {
				Sid, Effect      string
				Action, Resource []string
			}
		}
		if err := json.Unmarshal(file.Content, &doc); err != nil || len(doc.Statement) != 1 || doc.Version != "2012-10-17" || doc.Statement[0].Effect != "Allow" || !file.Whole || say == "" {
			t.Fatalf("%s\n%v", file.Content, err)
		}
		if got := strings.Join(append(doc.Statement[0].Action, doc.Statement[0].Resource...), " "); got != c.want {
			t.Errorf("got %s", got)
		}
	}
	if raw := string(codebuild.Policy(providertest.PipelinePlan(setup.WorkspaceToken, setup.Target{Store: aws.SSM, Address: "/a"}), "cn-north-1")); !strings.Contains(raw, "arn:aws-cn:ssm:cn-north-1") {
		t.Error(raw)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	_, p := newProvider(t)
	for text, ok := range map[string]bool{"etl": true, awsd.Region + "/etl": true, "a/b": false, "": false, "x y": false} {
		if _, err := p.ParseRepo(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
	if r, ok := p.Detect(providers.Remote{Host: "github.com", Path: "acme/my.etl"}); !ok || r.Path != "my-etl" {
		t.Errorf("%+v, %v", r, ok)
	}
}

// A build is started once, however often its answer is lost, followed, and the phase that failed is shown.
func TestRuns(t *testing.T) {
	t.Parallel()
	for _, fails := range []bool{false, true} {
		server, p := newProvider(t)
		repo := setup.Repository{Host: awsd.Region, Path: "etl"}
		if _, err := p.Start(t.Context(), setup.Repository{Host: awsd.Region, Path: "none"}, "buildspec.yml", "main"); err == nil || !strings.Contains(hint.Of(err).Next, "no project none") {
			t.Errorf("no project: %v", err)
		}
		server.Push("etl", "buildspec.yml")
		server.OnRun(func(*secret.Value) error {
			if fails {
				return errors.New("the token has ended")
			}
			return nil
		})
		server.Faults.Add(fault.Fault{Kind: fault.CutApplied, Times: 1})
		ref, err := p.Start(t.Context(), repo, "buildspec.yml", "main")
		if err != nil || !strings.HasPrefix(ref.Link, "https://"+awsd.Region+".console.aws.amazon.com/codesuite/codebuild/projects/etl/build/etl") || server.Builds() != 1 {
			t.Fatalf("%+v, %v, %d builds", ref, err, server.Builds())
		}
		var phases []string
		for range 3 {
			s, err := p.Look(t.Context(), repo, ref.ID)
			if err != nil {
				t.Fatal(err)
			}
			phases = append(phases, string(s.Phase))
		}
		if got, want := strings.Join(phases, " "), map[bool]string{false: "queued running passed", true: "queued running failed"}[fails]; got != want {
			t.Errorf("got %s", got)
		}
		step, last, err := p.Failure(t.Context(), repo, ref.ID, 5)
		if fails && (err != nil || step.String() != "BUILD" || len(last) != 1 || !strings.Contains(last[0].String(), "the token has ended")) || !fails && !step.IsZero() {
			t.Errorf("%s %v %v", step, last, err)
		}
		if _, err := p.Look(t.Context(), repo, "../x"); err == nil {
			t.Error("an id that is none")
		}
		// A file of another name is named; one that is not pushed fails the build.
		other, err := p.Start(t.Context(), repo, "buildspec-2.yml", "other")
		if err != nil {
			t.Fatal(err)
		}
		if s, err := p.Look(t.Context(), repo, other.ID); err != nil || s.Phase != providers.RunFailed {
			t.Errorf("not pushed: %+v, %v", s, err)
		}
	}
}
