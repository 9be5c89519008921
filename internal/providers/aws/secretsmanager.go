package aws

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// SecretsManager is the id of the store in Secrets Manager, SSM of that in the Parameter Store.
const (
	SecretsManager = "aws-secrets-manager"
	SSM            = "aws-ssm"
)

// Secrets is the store in Secrets Manager.
type Secrets struct{ Client *Client }

var secretsInfo = providers.Info{
	Rights:  "`secretsmanager:DescribeSecret`, `CreateSecret` and `PutSecretValue`; `GetSecretValue` for the proof, `TagResource` for tags that tell the setup, the token's id and its end, `DeleteSecret` to take it back. AWS does not say before a write whether you may.",
	Login:   loginWords,
	Address: "`aws-secrets-manager:PATH` (astro/etl); the secret's name is the last part.",
	Limits:  "A secret that is being deleted keeps its name for weeks. A secret costs about half a dollar a month.",
	ID:      SecretsManager, Name: "AWS Secrets Manager", Docs: "https://docs.aws.amazon.com/secretsmanager/latest/userguide/manage_create-basic-secret.html",
	MaxValue: 65_536, Proof: providers.ReadBack, ProofNote: "who may not read the value sees the version that the write made",
}

// Info describes the store.
func (s Secrets) Info() providers.Info { return secretsInfo }

var secretPath = pattern.New(`^[A-Za-z0-9_+=.@-]+(/[A-Za-z0-9_+=.@-]+){0,14}$`)

// ID is the id of a target's secret.
func ID(t setup.Target) string { return t.Address + "/" + t.Secret }

func checkTarget(t setup.Target, info providers.Info, path *pattern.Pattern, says string) error {
	if err := providers.CheckSecretName(info.ID, "name of the secret", t.Secret, info.Docs); err != nil {
		return err
	}
	if !path.MatchString(t.Address) || len(ID(t)) > 512 {
		return hint.New(fmt.Sprintf("%s: %q is not a path", info.ID, display.Clean(t.Address)), says, info.Docs)
	}
	return nil
}

func (s Secrets) check(t setup.Target) error {
	return checkTarget(t, secretsInfo, secretPath, "Write it like astro/etl, with letters, digits and _+=.@- only.")
}

// described is what Secrets Manager says about a secret.
type described struct {
	ARN      string              `json:"ARN"`
	Changed  epoch               `json:"LastChangedDate"`
	Deleted  epoch               `json:"DeletedDate"`
	Versions map[string][]string `json:"VersionIdsToStages"`
}

// epoch is a time as AWS sends it: seconds since 1970, with a fraction.
type epoch struct{ time.Time }

// UnmarshalJSON implements json.Unmarshaler.
func (e *epoch) UnmarshalJSON(b []byte) error {
	var seconds float64
	if err := json.Unmarshal(b, &seconds); err != nil {
		return errors.New("not a time")
	}
	if seconds != 0 {
		e.Time = time.UnixMilli(int64(seconds * 1000))
	}
	return nil
}

func (s Secrets) describe(ctx context.Context, t setup.Target) (d described, exists bool, err error) {
	err = s.Client.Call(ctx, "secretsmanager", "DescribeSecret", map[string]any{"SecretId": ID(t)}, &d)
	if code(err) == "ResourceNotFoundException" {
		return d, false, nil
	}
	return d, err == nil, Explain(err, secretsInfo, "look at "+ID(t), "secretsmanager:DescribeSecret")
}

// Place is a path of the repository's own.
func (s Secrets) Place(r setup.Repository) providers.Place {
	at := "astro/" + providers.PlainPath(r)
	return providers.Place{Store: SecretsManager, Address: at, Name: note("AWS Secrets Manager, " + at), Note: note("with versions; about half a dollar a month")}
}

// CheckTarget refuses, without a request, a target that cannot be one.
func (s Secrets) CheckTarget(t setup.Target) error {
	return s.check(t)
}

// Check asks whether the target can be written, as far as AWS tells before a write.
func (s Secrets) Check(ctx context.Context, t setup.Target) (providers.Access, error) {
	if err := s.check(t); err != nil {
		return providers.Access{}, err
	}
	d, exists, err := s.describe(ctx, t)
	switch {
	case err != nil:
		return providers.Access{}, err
	case !d.Deleted.IsZero():
		return providers.Access{}, hint.New(secretsInfo.ID+": "+ID(t)+" is being deleted", "Its name is taken until then. Restore it with aws secretsmanager restore-secret, or use another path.", secretsInfo.Docs)
	case !exists:
		return providers.Access{Note: note("it is made; whether you may (secretsmanager:CreateSecret) shows only then")}, nil
	}
	return providers.Access{Note: note("it is there and gets a new version; whether you may (secretsmanager:PutSecretValue) shows only then")}, nil
}

func note(s string) display.Text { return display.Clean(s) }

// Put makes the secret, or gives it a new version. The version's id is ours, so that a request that
// arrives twice makes one version.
func (s Secrets) Put(ctx context.Context, t setup.Target, v *secret.Value, m providers.Meta) (providers.Receipt, error) {
	if err := s.check(t); err != nil {
		return providers.Receipt{}, err
	}
	if err := providers.CheckValue(v, secretsInfo.MaxValue); err != nil {
		return providers.Receipt{}, fmt.Errorf("%s: %s: %w", secretsInfo.ID, ID(t), err)
	}
	_, exists, err := s.describe(ctx, t)
	if err != nil {
		return providers.Receipt{}, err
	}
	mark := rand.Text() + rand.Text() // 52 characters of the 32 to 64 that are allowed
	body := map[string]any{"ClientRequestToken": mark}
	operation, right := "PutSecretValue", "secretsmanager:PutSecretValue"
	if exists {
		body["SecretId"] = ID(t)
	} else {
		operation, right = "CreateSecret", "secretsmanager:CreateSecret"
		body["Name"], body["Description"] = ID(t), describe(providers.Meta{Setup: m.Setup}) // it is never written again
	}
	var made struct {
		Version string `json:"VersionId"` // the mark, unless the service chose another one
	}
	err = providers.WithValue(v, body, "SecretString", func() error {
		return s.Client.Call(ctx, "secretsmanager", operation, body, &made)
	})
	if err != nil {
		return providers.Receipt{}, Explain(err, secretsInfo, "write "+ID(t), right)
	}
	mark = cmp.Or(made.Version, mark)
	out := providers.Receipt{Created: !exists, Version: mark, Proof: s.proof(ctx, t, mark, v)}
	// Tags go by a request of their own: with the write, the write would fail without the right to them.
	err = s.Client.Call(ctx, "secretsmanager", "TagResource", map[string]any{"SecretId": ID(t), "Tags": tags(m)}, nil)
	out.Note = providers.Untold("its tags", Explain(err, secretsInfo, "tag "+ID(t), "secretsmanager:TagResource"))
	return out, nil
}

// tags are those of providers.Tags, as AWS takes them.
func tags(m providers.Meta) (out []map[string]string) {
	for k, v := range providers.Tags(m) {
		out = append(out, map[string]string{"Key": k, "Value": v})
	}
	return out
}

// proof reads the version again; who may not, sees at least that it is the current one.
func (s Secrets) proof(ctx context.Context, t setup.Target, mark string, v *secret.Value) providers.Proof {
	var got struct {
		Version string         `json:"VersionId"`
		Value   providers.Text `json:"SecretString"`
	}
	if err := s.Client.Call(ctx, "secretsmanager", "GetSecretValue", map[string]any{"SecretId": ID(t)}, &got); err == nil && got.Version == mark && got.Value.V.Equal(v) {
		return providers.ReadBack
	}
	if d, _, err := s.describe(ctx, t); err == nil && strings.Contains(strings.Join(d.Versions[mark], " "), "AWSCURRENT") {
		return providers.Metadata
	}
	return providers.Written
}

// Stat says whether the secret is there.
func (s Secrets) Stat(ctx context.Context, t setup.Target) (providers.State, error) {
	if err := s.check(t); err != nil {
		return providers.State{}, err
	}
	d, exists, err := s.describe(ctx, t)
	state := providers.State{Exists: exists && d.Deleted.IsZero(), UpdatedAt: d.Changed.Time}
	for id, labels := range d.Versions {
		if slices.Contains(labels, "AWSCURRENT") {
			state.Version = id
		}
	}
	return state, err
}

// Earlier reads an earlier version.
func (s Secrets) Earlier(ctx context.Context, t setup.Target, version string) (*secret.Value, error) {
	if err := s.check(t); err != nil {
		return nil, err
	}
	var got struct {
		Value providers.Text `json:"SecretString"`
	}
	err := s.Client.Call(ctx, "secretsmanager", "GetSecretValue", map[string]any{"SecretId": ID(t), "VersionId": version}, &got)
	return got.Value.V, Explain(err, secretsInfo, "read version "+version+" of "+ID(t), "secretsmanager:GetSecretValue")
}

// Remove deletes the secret at once: nothing of ours is worth a month's wait, and the name is free.
func (s Secrets) Remove(ctx context.Context, t setup.Target) error {
	if err := s.check(t); err != nil {
		return err
	}
	err := s.Client.Call(ctx, "secretsmanager", "DeleteSecret", map[string]any{"SecretId": ID(t), "ForceDeleteWithoutRecovery": true}, nil)
	if code(err) == "ResourceNotFoundException" {
		return nil
	}
	return Explain(err, secretsInfo, "delete "+ID(t), "secretsmanager:DeleteSecret")
}

// describe is what a person reads beside the secret.
func describe(m providers.Meta) string {
	out := "Kept by astro-ci"
	if m.Setup != "" {
		out += ", setup " + m.Setup
	}
	if m.TokenID != "" {
		out += ", token " + m.TokenID
	}
	if !m.ExpiresAt.IsZero() {
		out += ", ends " + m.ExpiresAt.UTC().Format(time.DateOnly)
	}
	return out
}

func jsonInto(w io.Writer, v any) error { return json.NewEncoder(w).Encode(v) }
