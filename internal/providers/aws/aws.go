// Package aws stores secrets in AWS Secrets Manager and as SecureStrings in the SSM Parameter Store.
//
// A target's address is the path of its secrets (astro/etl); the secret's own name is its last part,
// so that the secret's id is astro/etl/ASTRO_API_TOKEN. In the Parameter Store the path begins with a
// slash.
package aws

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/providers"
)

// loginWords are where a log-in is looked for.
const loginWords = "The chain of AWS: variables, `AWS_PROFILE` and its files, single sign-on, roles of containers and machines. `AWS_REGION` or the profile names the region, `AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_SECRETS_MANAGER`, `AWS_ENDPOINT_URL_SSM` or `endpoint_url` of the profile another address."

// Options make a client.
type Options struct {
	Region      string
	Credentials sdk.CredentialsProvider // never called before a request is sent
	Source      string                  // where the credentials are from, in words
	Endpoint    *url.URL                // one address for all services; nil for those of AWS
	Endpoints   map[string]*url.URL     // that of one service, which comes before it; by a key of Services
	Wire        httpx.Options
}

// Client speaks to the services of one region.
type Client struct {
	Region   string
	services map[string]*httpx.Client
}

// targets are the first halves of the names of operations, by the service's name in a signature; "" for a
// service that takes forms instead.
var targets = map[string]string{"secretsmanager": "secretsmanager", "ssm": "AmazonSSM", "codebuild": "CodeBuild_20161006", "sts": ""}

// Services are the services that are spoken to, by their names in a signature: their names in AWS's libraries.
var Services = map[string]string{"secretsmanager": "Secrets Manager", "ssm": "SSM", "codebuild": "CodeBuild", "sts": "STS"}

// New returns a client; it makes no request.
func New(o Options) *Client {
	c := &Client{o.Region, map[string]*httpx.Client{}}
	for service := range targets {
		base := cmp.Or(o.Endpoints[service], o.Endpoint)
		if base == nil {
			base = &url.URL{Scheme: "https", Host: service + "." + host(o.Region)}
		}
		wire := o.Wire
		wire.Service, wire.Auth = service, sign(o, service)
		c.services[service] = httpx.NewClient(base, wire)
	}
	return c
}

// sign signs a request by Signature Version 4, its body included.
func sign(o Options, service string) httpx.Auth {
	signer := v4.NewSigner()
	return func(r *http.Request) error {
		credentials, err := o.Credentials.Retrieve(r.Context())
		if err != nil {
			return errors.New("the credentials for AWS could not be had") // the text can quote a file
		}
		var body []byte
		if r.GetBody != nil {
			b, err := r.GetBody()
			if err != nil {
				return err
			}
			if body, err = io.ReadAll(b); err != nil {
				return err
			}
		}
		sum := sha256.Sum256(body)
		clear(body)
		return signer.SignHTTP(r.Context(), credentials, r, hex.EncodeToString(sum[:]), service, o.Region, time.Now())
	}
}

// Call performs one operation of a service. All of them may be sent again: they read, or they carry a
// mark by which the service knows a second one.
func (c *Client) Call(ctx context.Context, service, operation string, in map[string]any, out any) error {
	body, err := encode(in)
	if err != nil {
		return err
	}
	defer clear(body)
	_, err = c.services[service].Do(ctx, httpx.Call{
		Method: http.MethodPost, Path: "/", Raw: body, Type: "application/x-amz-json-1.1", Out: out, Repeatable: true,
		Header: map[string]string{"X-Amz-Target": targets[service] + "." + operation},
	})
	return err
}

// query performs one operation of a service that takes forms; it reads only.
func (c *Client) query(ctx context.Context, service string, form url.Values, out any) error {
	_, err := c.services[service].Do(ctx, httpx.Call{Method: http.MethodPost, Path: "/", Form: form, Out: out, Repeatable: true})
	return err
}

// code is AWS's own name of the error that err carries, or "".
func code(err error) string {
	if s, ok := errors.AsType[*httpx.StatusError](err); ok {
		return s.Code
	}
	return ""
}

// Explain adds to an error what to do about it. rights are those that the operation takes.
func Explain(err error, info providers.Info, doing, rights string) error {
	return providers.Explain(err, info, func(s *httpx.StatusError) (a providers.Advice) {
		a.Doing = doing
		switch {
		case strings.Contains(s.Code, "AccessDenied"):
			a.Next = "Your role needs " + rights + ". Ask an administrator of the account."
		case strings.Contains(s.Code, "ExpiredToken"), s.Code == "UnrecognizedClientException", s.Code == "InvalidSignatureException", s.Code == "InvalidClientTokenId":
			a.Next, a.Link = "The log-in to AWS is wrong or has ended. Log in again, for example with aws sso login.", "https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-sso.html"
		case strings.Contains(s.Code, "Throttling"):
			a.Next = "AWS asks for fewer requests. Wait a minute and try again."
		case s.Code == "ResourceNotFoundException", s.Code == "ParameterNotFound":
			a.Next = "It does not exist in this region and account. Check AWS_REGION and AWS_PROFILE."
		}
		return a
	})
}

func encode(in map[string]any) ([]byte, error) {
	var b bytes.Buffer
	if err := jsonInto(&b, in); err != nil {
		return nil, fmt.Errorf("aws: encode a request: %w", err)
	}
	return b.Bytes(), nil
}
