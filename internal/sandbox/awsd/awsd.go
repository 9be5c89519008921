// Package awsd is an embedded AWS of one account and region, as far as Secrets Manager, the SSM
// Parameter Store and CodeBuild's projects go. It checks every signature and refuses what AWS refuses.
package awsd

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// The account, region and access key of the log-in; its secret key is the server's token.
const (
	Account   = "123456789012"
	Region    = "eu-central-1"
	AccessKey = "AKIDSANDBOX"
)

// Server is one embedded AWS.
type Server struct {
	embedded.Server
	embedded.Runs
	blind bool                      // values may not be read
	bare  bool                      // nothing may be tagged
	roles map[string]embedded.Trust // by ARN
	runs  map[string]run            // by access key
	state state
}

type state struct {
	Key        embedded.Key          `json:"key"`
	Secrets    map[string]*stored    `json:"secrets"`
	Parameters map[string]*parameter `json:"parameters"`
	Projects   map[string]*project   `json:"projects"`
	Builds     []*build              `json:"builds"`
}

type stored struct {
	Description string            `json:"description"`
	Tags        map[string]string `json:"tags"`
	Suffix      string            `json:"suffix"` // six characters at the end of the ARN
	Versions    map[string][]byte `json:"versions"`
	Current     string            `json:"current"`
	Previous    string            `json:"previous"`
	Changed     time.Time         `json:"changed"`
	Deleted     time.Time         `json:"deleted"`
}

type parameter struct {
	Type    string            `json:"type"`
	About   string            `json:"about"`
	Tags    map[string]string `json:"tags"`
	Sealed  []byte            `json:"sealed"`
	Version int               `json:"version"`
	Changed time.Time         `json:"changed"`
	Earlier [][]byte          `json:"earlier"` // what the versions before held, the first one first
}

type project struct {
	Role string              `json:"role"`
	Env  []map[string]string `json:"env"` // name, value, type

	Files []string `json:"files"` // the buildspecs on the branch main
}

// New starts a server with the data of o.State, or with the CodeBuild project "etl".
func New(o embedded.Options) (*Server, error) {
	s := &Server{roles: map[string]embedded.Trust{}, runs: map[string]run{}}
	return s, s.Init(o, "", &s.state, func() {
		s.state = state{Key: embedded.NewKey(), Secrets: map[string]*stored{}, Parameters: map[string]*parameter{}, Projects: map[string]*project{}}
		s.AddProject("etl")
	})
}

// AddProject makes a project of CodeBuild, unless it exists; env are plain variables, NAME=VALUE.
func (s *Server) AddProject(name string, env ...string) {
	s.Do(func() {
		if s.state.Projects[name] != nil {
			return
		}
		p := &project{Role: "arn:aws:iam::" + Account + ":role/service-role/codebuild-" + name}
		for _, kv := range env {
			k, v, _ := strings.Cut(kv, "=")
			p.Env = append(p.Env, map[string]string{"name": k, "value": v, "type": "PLAINTEXT"})
		}
		s.state.Projects[name] = p
	})
}

// BeBlind takes the right to read values away.
func (s *Server) BeBlind() { s.Do(func() { s.blind = true }) }

// BeBare takes the right to tag away.
func (s *Server) BeBare() { s.Do(func() { s.bare = true }) }

// Told is the description of a secret or a parameter, and its tags.
func (s *Server) Told(id string) (out string) {
	s.Do(func() {
		if x := s.state.Secrets[id]; x != nil {
			out = fmt.Sprint(x.Description, x.Tags)
		}
		if x := s.state.Parameters[id]; x != nil {
			out = fmt.Sprint(x.About, x.Tags)
		}
	})
	return out
}

// run is a role that a run has taken.
type run struct{ key, session, reads string }

// Trust makes a role for runs that may read one secret or parameter.
func (s *Server) Trust(arn string, t embedded.Trust) { s.Do(func() { s.roles[arn] = t }) }

// Add makes a secret, or a parameter, with a value.
func (s *Server) Add(isParameter bool, id, value string) {
	s.Do(func() {
		if isParameter {
			s.state.Parameters[id] = &parameter{Type: "SecureString", Sealed: s.state.Key.Seal(value), Version: 1, Changed: s.Now()}
			return
		}
		s.state.Secrets[id] = &stored{Suffix: "AbCdEf", Versions: map[string][]byte{"v1": s.state.Key.Seal(value)}, Current: "v1", Changed: s.Now()}
	})
}

// AddPlain makes a parameter in clear; Schedule schedules a secret for deletion.
func (s *Server) AddPlain(name string) {
	s.Do(func() {
		s.state.Parameters[name] = &parameter{Type: "String", Sealed: s.state.Key.Seal("clear"), Version: 1, Changed: s.Now()}
	})
}

// Schedule schedules a secret for deletion: it cannot be used, and its name is taken.
func (s *Server) Schedule(id string) {
	s.Do(func() { s.state.Secrets[id] = &stored{Deleted: s.Now(), Suffix: "AbCdEf"} })
}

// Open reads the current value of a secret or a parameter.
func (s *Server) Open(id string) (v *secret.Value, err error) {
	err = errors.New("no such secret")
	s.Do(func() {
		if x := s.state.Secrets[id]; x != nil {
			v, err = secret.New([]byte(s.state.Key.Open(x.Versions[x.Current]))), nil
		}
		if x := s.state.Parameters[id]; x != nil {
			v, err = secret.New([]byte(s.state.Key.Open(x.Sealed))), nil
		}
	})
	return v, err
}

// Versions is how many versions a secret has.
func (s *Server) Versions(id string) (n int) {
	s.Do(func() {
		if x := s.state.Secrets[id]; x != nil {
			n = len(x.Versions)
		}
	})
	return n
}

// Handler serves all services at one address.
func (s *Server) Handler() http.Handler {
	return s.Server.Handler(func(r *http.Request) embedded.Answer {
		body, err := io.ReadAll(r.Body)
		if r.Header.Get("Content-Type") == "application/x-www-form-urlencoded" {
			return s.sts(r, body)
		}
		if err != nil || r.Method != http.MethodPost || r.URL.Path != "/" || r.Header.Get("Content-Type") != "application/x-amz-json-1.1" {
			return fail("SerializationException", "the request is not one of JSON 1.1")
		}
		key, a, ok := s.signed(r, body)
		if !ok {
			return a
		}
		act, ok := map[string]func(input) embedded.Answer{
			"secretsmanager.DescribeSecret": s.describe, "secretsmanager.CreateSecret": s.create, "secretsmanager.PutSecretValue": s.put,
			"secretsmanager.GetSecretValue": s.get, "secretsmanager.DeleteSecret": s.remove, "secretsmanager.TagResource": s.tag,
			"AmazonSSM.PutParameter": s.putParameter, "AmazonSSM.GetParameter": s.getParameter, "AmazonSSM.DeleteParameter": s.deleteParameter, "AmazonSSM.AddTagsToResource": s.tagParameter,
			"CodeBuild_20161006.BatchGetProjects": s.projects, "CodeBuild_20161006.StartBuild": s.startBuild, "CodeBuild_20161006.BatchGetBuilds": s.builds,
		}[r.Header.Get("X-Amz-Target")]
		if !ok {
			return fail("UnknownOperationException", "")
		}
		var in input
		d := json.NewDecoder(bytes.NewReader(body))
		d.DisallowUnknownFields()
		if d.Decode(&in) != nil {
			return fail("SerializationException", "the input is not one of the operation")
		}
		if x, is := s.runs[key]; is && (in.SecretID != x.reads && in.Name != x.reads || !strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".GetSecretValue") && !strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".GetParameter")) {
			a = denied(r.Header.Get("X-Amz-Target"))
		} else {
			a = act(in)
		}
		a.Header = map[string]string{"Content-Type": "application/x-amz-json-1.1"}
		if a.Body == nil {
			return a // an operation without an output
		}
		if raw, err := json.Marshal(a.Body); err == nil {
			a.Body = raw
		}
		return a
	})
}

// sts tells who a log-in is, and lets runs take roles; it answers as JSON or as XML, as it is asked to.
func (s *Server) sts(r *http.Request, body []byte) embedded.Answer {
	form, err := url.ParseQuery(string(body))
	if err != nil || form.Get("Version") != "2011-06-15" {
		return fail("MissingAction", "")
	}
	switch form.Get("Action") {
	case "GetCallerIdentity":
		if _, a, ok := s.signed(r, body); !ok {
			return a
		}
		return embedded.OK(map[string]any{"GetCallerIdentityResponse": map[string]any{"GetCallerIdentityResult": map[string]any{"Account": Account, "Arn": "arn:aws:iam::" + Account + ":user/ada", "UserId": "AIDA"}}})
	case "AssumeRoleWithWebIdentity":
		t, known := s.roles[form.Get("RoleArn")]
		if !known || !t.Takes(form.Get("WebIdentityToken")) || form.Get("RoleSessionName") == "" {
			return embedded.Answer{Status: 403, Body: []byte("<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not authorized to perform sts:AssumeRoleWithWebIdentity</Message></Error></ErrorResponse>"), Header: map[string]string{"Content-Type": "text/xml"}}
		}
		key := "ASIA" + rand.Text()[:16]
		x := run{rand.Text() + "/+" + rand.Text(), "Fwo/+=" + rand.Text(), t.Reads}
		s.runs[key] = x
		return embedded.Answer{Status: 200, Header: map[string]string{"Content-Type": "text/xml"}, Body: []byte(`<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult>
    <Credentials>
      <AccessKeyId>` + key + `</AccessKeyId>
      <SecretAccessKey>` + x.key + `</SecretAccessKey>
      <SessionToken>` + x.session + `</SessionToken>
    </Credentials>
  </AssumeRoleWithWebIdentityResult>
</AssumeRoleWithWebIdentityResponse>
`)}
	}
	return fail("InvalidAction", "")
}

// keyOf is the secret half of an access key.
func (s *Server) keyOf(r *http.Request, id string) (key *secret.Value, ok bool) {
	if id == AccessKey {
		return s.Token(), true
	}
	x, ok := s.runs[id]
	return secret.New([]byte(x.key)), ok && r.Header.Get("X-Amz-Security-Token") == x.session
}

// signed makes the signature once more and compares; it returns the access key.
func (s *Server) signed(r *http.Request, body []byte) (string, embedded.Answer, bool) {
	given := r.Header.Get("Authorization")
	m := regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=([^/]+)/\d{8}/([^/]+)/([^/]+)/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=`).FindStringSubmatch(given)
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if m == nil || err != nil || m[2] != Region {
		return "", fail("UnrecognizedClientException", "The security token included in the request is invalid."), false
	}
	key, known := s.keyOf(r, m[1])
	switch {
	case !known:
		return "", fail("UnrecognizedClientException", "The security token included in the request is invalid."), false
	case m[3] != "sts" && !strings.Contains(m[4], "x-amz-target") || !strings.Contains(m[4], "host"):
		return "", fail("InvalidSignatureException", "what was asked for is not signed"), false
	}
	again := r.Clone(r.Context())
	again.Header = http.Header{}
	for h := range strings.SplitSeq(m[4], ";") {
		if v := r.Header.Get(h); v != "" {
			again.Header.Set(h, v)
		}
	}
	again.Header.Del("X-Amz-Date")
	// The address as it was asked, before the sandbox cut off where this server is.
	if asked, err := url.ParseRequestURI(r.RequestURI); err == nil {
		again.URL.Path, again.URL.RawPath = asked.Path, asked.RawPath
	}
	again.URL.Host, again.Host, again.ContentLength = r.Host, r.Host, 0
	if strings.Contains(m[4], "content-length") { // curl does not sign it
		again.ContentLength = int64(len(body))
	}
	sum := sha256.Sum256(body)
	ok := false
	_ = key.Use(func(key []byte) error {
		if v4.NewSigner().SignHTTP(r.Context(), aws.Credentials{AccessKeyID: m[1], SecretAccessKey: string(key)}, again, hex.EncodeToString(sum[:]), m[3], m[2], at) == nil {
			ok = subtle.ConstantTimeCompare([]byte(again.Header.Get("Authorization")), []byte(given)) == 1
		}
		return nil
	})
	return m[1], fail("InvalidSignatureException", "The request signature we calculated does not match the signature you provided."), ok
}

func fail(kind, message string) embedded.Answer {
	return embedded.Answer{Status: 400, Body: map[string]string{"__type": "com.amazonaws#" + kind, "Message": message}}
}

func denied(action string) embedded.Answer {
	return fail("AccessDeniedException", "User is not authorized to perform: "+action)
}

// input is what any of the operations may be given.
type input struct {
	SecretID    string `json:"SecretId"`
	VersionID   string `json:"VersionId"`
	Mark        string `json:"ClientRequestToken"`
	Name        string
	Description string
	Secret      string `json:"SecretString"`
	Force       bool   `json:"ForceDeleteWithoutRecovery"`
	Type, Value string
	Overwrite   bool
	Decrypt     bool     `json:"WithDecryption"`
	Names       []string `json:"names"`
	IDs         []string `json:"ids"`
	Tags        []struct{ Key, Value string }

	ResourceType, ResourceID string // keys are taken in any case

	ProjectName, SourceVersion, IdempotencyToken, BuildspecOverride string
}

func (s *Server) projects(in input) embedded.Answer {
	found, missing := []any{}, []string{}
	for _, name := range in.Names {
		p := s.state.Projects[name]
		if p == nil {
			missing = append(missing, name)
			continue
		}
		found = append(found, map[string]any{
			"name": name, "arn": fmt.Sprintf("arn:aws:codebuild:%s:%s:project/%s", Region, Account, name), "serviceRole": p.Role,
			"source":      map[string]any{"type": "GITHUB", "location": "https://github.com/acme/etl.git", "buildspec": ""},
			"environment": map[string]any{"type": "LINUX_CONTAINER", "image": "aws/codebuild/standard:7.0", "computeType": "BUILD_GENERAL1_SMALL", "environmentVariables": p.Env},
		})
	}
	return embedded.OK(map[string]any{"projects": found, "projectsNotFound": missing})
}
