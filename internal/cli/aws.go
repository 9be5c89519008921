package cli

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/aws"
	"github.com/astro-ci/astro-ci/internal/providers/codebuild"
	"github.com/astro-ci/astro-ci/internal/secret"
)

const docsAWS = "https://docs.aws.amazon.com/cli/latest/userguide/cli-chap-authentication.html"

func openCodeBuild(ctx context.Context, w *world, _ string) (providers.Platform, string, error) {
	c, source, err := w.aws(ctx)
	if err != nil {
		return nil, "", err
	}
	return codebuild.New(c), source, nil
}

// openAWS opens one of the stores of AWS.
func openAWS(store func(*aws.Client) providers.Backend) func(context.Context, *world) (providers.Backend, string, error) {
	return func(ctx context.Context, w *world) (providers.Backend, string, error) {
		c, source, err := w.aws(ctx)
		if err != nil {
			return nil, "", err
		}
		return store(c), source, nil
	}
}

// hasAWS reports whether something names a log-in to AWS.
func hasAWS(w *world) bool {
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"} {
		if w.app.env.get(name) != "" {
			return true
		}
	}
	for _, name := range []string{"config", "credentials"} {
		if _, err := os.Stat(filepath.Join(w.app.env.home(), ".aws", name)); err == nil {
			return true
		}
	}
	return false
}

// aws finds a log-in by AWS's own chain: variables, profiles, single sign-on, roles of a machine.
func (w *world) aws(ctx context.Context) (*aws.Client, string, error) {
	o := aws.Options{Wire: w.app.wire(w.base)}
	if w.sandbox != nil {
		address, key, value := w.sandbox.Service("aws")
		var err error
		if o.Endpoint, err = apiURL("AWS_ENDPOINT_URL", address); err != nil {
			return nil, "", err
		}
		o.Region = w.sandbox.AWSRegion()
		o.Credentials = sdk.CredentialsProviderFunc(func(context.Context) (c sdk.Credentials, err error) {
			err = value.Use(func(b []byte) error {
				c = sdk.Credentials{AccessKeyID: key, SecretAccessKey: string(b)}
				return nil
			})
			return c, err
		})
		return aws.New(o), "the sandbox, " + o.Region, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second) // the chain ends at a machine's own service
	defer cancel()
	none := func(next string) error {
		return hint.Wrap(providers.ErrNoLogin, "look for a log-in to AWS", next, docsAWS)
	}
	c, err := config.LoadDefaultConfig(ctx, config.WithHTTPClient(&http.Client{Transport: w.base}))
	if err != nil {
		return nil, "", none("Correct the profile that AWS_PROFILE names; aws sts get-caller-identity says whether it works.")
	}
	if c.Region == "" {
		return nil, "", none("Set AWS_REGION to the region of your builds, or log in with a profile that names one.")
	}
	got, err := c.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, "", none("Log in, for example with aws sso login, or set AWS_PROFILE; aws sts get-caller-identity says whether it works.")
	}
	for _, s := range []string{got.SecretAccessKey, got.SessionToken} {
		if s != "" {
			w.app.redactor.Add(secret.New([]byte(s)))
		}
	}
	if c.BaseEndpoint != nil {
		if o.Endpoint, err = apiURL("AWS_ENDPOINT_URL", *c.BaseEndpoint); err != nil {
			return nil, "", err
		}
	}
	o.Endpoints = map[string]*url.URL{}
	for service, name := range aws.Services {
		raw := endpointOf(ctx, c, name)
		if raw == "" {
			continue
		}
		if o.Endpoints[service], err = apiURL("the endpoint of "+name, raw); err != nil {
			return nil, "", err
		}
	}
	o.Region, o.Credentials = c.Region, c.Credentials
	return aws.New(o), got.Source + ", " + c.Region, nil
}

// endpointOf is the address that a variable or the profile names for one service; "" for none. The library
// keeps this for its own clients, and so it is asked of what it read.
func endpointOf(ctx context.Context, c sdk.Config, service string) string {
	for _, source := range c.ConfigSources {
		if s, ok := source.(interface {
			GetIgnoreConfiguredEndpoints(ctx context.Context) (bool, bool, error)
		}); ok {
			if ignore, _, err := s.GetIgnoreConfiguredEndpoints(ctx); err == nil && ignore {
				return ""
			}
		}
	}
	for _, source := range c.ConfigSources {
		if s, ok := source.(interface {
			GetServiceBaseEndpoint(ctx context.Context, id string) (string, bool, error)
		}); ok {
			if at, found, err := s.GetServiceBaseEndpoint(ctx, service); err == nil && found {
				return at
			}
		}
	}
	return ""
}
