package aws

import (
	"context"
	"fmt"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Parameters is the store in the SSM Parameter Store.
type Parameters struct{ Client *Client }

var parametersInfo = providers.Info{
	Rights:  "`ssm:GetParameter` and `ssm:PutParameter`; `ssm:AddTagsToResource` for tags that tell the setup, the token's id and its end, `ssm:DeleteParameter` to take it back. AWS does not say before a write whether you may.",
	Login:   loginWords,
	Address: "`aws-ssm:/PATH` (/astro/etl); the secret's name is the last part.",
	Limits:  "Always a SecureString. A parameter that stands in clear is not replaced: its type cannot be changed.",
	ID:      SSM, Name: "AWS SSM Parameter Store", Docs: "https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-securestring.html",
	MaxValue: 4096, Proof: providers.ReadBack, ProofNote: "who may not read the value sees the version that the write made",
}

// Info describes the store.
func (s Parameters) Info() providers.Info { return parametersInfo }

var (
	parameterPath = pattern.New(`^(/[A-Za-z0-9_.-]+){1,14}$`)
	reserved      = pattern.New(`(?i)^/(aws|ssm)`)
)

func (s Parameters) check(t setup.Target) error {
	const says = "Write it like /astro/etl, with letters, digits and _.- only; it must not begin with /aws or /ssm."
	if reserved.MatchString(t.Address) {
		return hint.New(SSM+": names that begin with aws or ssm belong to AWS", says, parametersInfo.Docs)
	}
	return checkTarget(t, parametersInfo, parameterPath, says)
}

// parameter is what the store says about a parameter.
type parameter struct {
	Type    string         `json:"Type"`
	Value   providers.Text `json:"Value"`
	Version int64          `json:"Version"`
	Changed epoch          `json:"LastModifiedDate"`
}

// get reads a parameter, still encrypted unless it is asked for.
func (s Parameters) get(ctx context.Context, t setup.Target, decrypt bool) (p parameter, exists bool, err error) {
	var out struct{ Parameter parameter }
	err = s.Client.Call(ctx, "ssm", "GetParameter", map[string]any{"Name": ID(t), "WithDecryption": decrypt}, &out)
	if code(err) == "ParameterNotFound" {
		return p, false, nil
	}
	return out.Parameter, err == nil, Explain(err, parametersInfo, "look at "+ID(t), "ssm:GetParameter")
}

// Place is a path of the repository's own.
func (s Parameters) Place(r setup.Repository) providers.Place {
	at := "/astro/" + providers.PlainPath(r)
	return providers.Place{Store: SSM, Address: at, Name: note("AWS Parameter Store, " + at), Note: note("a SecureString; without charge")}
}

// CheckTarget refuses, without a request, a target that cannot be one.
func (s Parameters) CheckTarget(t setup.Target) error {
	return s.check(t)
}

// Check asks whether the target can be written, as far as AWS tells before a write.
func (s Parameters) Check(ctx context.Context, t setup.Target) (providers.Access, error) {
	if err := s.check(t); err != nil {
		return providers.Access{}, err
	}
	p, exists, err := s.get(ctx, t, false)
	switch {
	case err != nil:
		return providers.Access{}, err
	case exists && p.Type != "SecureString":
		return providers.Access{}, hint.New(SSM+": "+ID(t)+" is there in clear, as a "+p.Type, "Delete it, or use another path; its kind cannot be changed.", parametersInfo.Docs)
	}
	return providers.Access{Note: note("whether you may write (ssm:PutParameter) shows only at the write")}, nil
}

// Put writes the parameter.
func (s Parameters) Put(ctx context.Context, t setup.Target, v *secret.Value, m providers.Meta) (providers.Receipt, error) {
	if err := s.check(t); err != nil {
		return providers.Receipt{}, err
	}
	if err := providers.CheckValue(v, parametersInfo.MaxValue); err != nil {
		return providers.Receipt{}, fmt.Errorf("%s: %s: %w", SSM, ID(t), err)
	}
	_, exists, err := s.get(ctx, t, false)
	if err != nil {
		return providers.Receipt{}, err
	}
	var out struct{ Version int64 }
	body := map[string]any{"Name": ID(t), "Type": "SecureString", "Overwrite": true, "Description": describe(m)}
	err = providers.WithValue(v, body, "Value", func() error { return s.Client.Call(ctx, "ssm", "PutParameter", body, &out) })
	if err != nil {
		return providers.Receipt{}, Explain(err, parametersInfo, "write "+ID(t), "ssm:PutParameter, and kms:Encrypt for a key of your own")
	}
	done := providers.Receipt{Created: !exists, Version: fmt.Sprint(out.Version), Proof: providers.Written}
	if p, _, err := s.get(ctx, t, true); err == nil && p.Version == out.Version && p.Value.V.Equal(v) {
		done.Proof = providers.ReadBack
	} else if p, _, err := s.get(ctx, t, false); err == nil && p.Version == out.Version {
		done.Proof = providers.Metadata
	}
	// A write over another one takes no tags.
	err = s.Client.Call(ctx, "ssm", "AddTagsToResource", map[string]any{"ResourceType": "Parameter", "ResourceId": ID(t), "Tags": tags(m)}, nil)
	done.Note = providers.Untold("its tags", Explain(err, parametersInfo, "tag "+ID(t), "ssm:AddTagsToResource"))
	return done, nil
}

// Stat says whether the parameter is there.
func (s Parameters) Stat(ctx context.Context, t setup.Target) (providers.State, error) {
	if err := s.check(t); err != nil {
		return providers.State{}, err
	}
	p, exists, err := s.get(ctx, t, false)
	if !exists {
		return providers.State{}, err
	}
	return providers.State{Exists: true, UpdatedAt: p.Changed.Time, Version: fmt.Sprint(p.Version)}, err
}

// Earlier reads an earlier version.
func (s Parameters) Earlier(ctx context.Context, t setup.Target, version string) (*secret.Value, error) {
	if err := s.check(t); err != nil {
		return nil, err
	}
	var out struct{ Parameter parameter }
	err := s.Client.Call(ctx, "ssm", "GetParameter", map[string]any{"Name": ID(t) + ":" + version, "WithDecryption": true}, &out)
	return out.Parameter.Value.V, Explain(err, parametersInfo, "read version "+version+" of "+ID(t), "ssm:GetParameter")
}

// Remove deletes the parameter.
func (s Parameters) Remove(ctx context.Context, t setup.Target) error {
	if err := s.check(t); err != nil {
		return err
	}
	err := s.Client.Call(ctx, "ssm", "DeleteParameter", map[string]any{"Name": ID(t)}, nil)
	if code(err) == "ParameterNotFound" {
		return nil
	}
	return Explain(err, parametersInfo, "delete "+ID(t), "ssm:DeleteParameter")
}
