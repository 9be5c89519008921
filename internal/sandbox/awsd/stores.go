package awsd

import (
	"crypto/rand"
	"encoding/hex"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
)

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func (s *Server) arn(id string) string {
	return "arn:aws:secretsmanager:" + Region + ":" + Account + ":secret:" + id + "-" + s.state.Secrets[id].Suffix
}

var notFound = fail("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")

func (s *Server) describe(in input) embedded.Answer {
	x := s.state.Secrets[in.SecretID]
	if x == nil {
		return notFound
	}
	out := map[string]any{"ARN": s.arn(in.SecretID), "Name": in.SecretID, "Description": x.Description, "LastChangedDate": seconds(x.Changed)}
	if !x.Deleted.IsZero() {
		out["DeletedDate"] = seconds(x.Deleted)
	} else {
		out["VersionIdsToStages"] = map[string][]string{x.Current: {"AWSCURRENT"}}
		if x.Previous != "" {
			out["VersionIdsToStages"].(map[string][]string)[x.Previous] = []string{"AWSPREVIOUS"}
		}
	}
	return embedded.OK(out)
}

var validSecret = pattern.New(`^[A-Za-z0-9/_+=.@-]{1,512}$`)

// version adds a version; the same mark with the same value is the same version.
func (s *Server) version(id string, x *stored, in input) embedded.Answer {
	switch old, exists := x.Versions[in.Mark]; {
	case len(in.Mark) < 32 || len(in.Mark) > 64 || in.Secret == "" || len(in.Secret) > 65536:
		return fail("InvalidParameterException", "the mark or the value has a wrong length")
	case exists && s.state.Key.Open(old) != in.Secret:
		return fail("ResourceExistsException", "The version exists with another value.")
	case !exists:
		x.Versions[in.Mark] = s.state.Key.Seal(in.Secret)
		x.Previous, x.Current, x.Changed = x.Current, in.Mark, s.Now()
	}
	return embedded.OK(map[string]any{"ARN": s.arn(id), "Name": id, "VersionId": in.Mark})
}

func (s *Server) create(in input) embedded.Answer {
	x := s.state.Secrets[in.Name]
	switch {
	case s.Denied():
		return denied("secretsmanager:CreateSecret")
	case !validSecret.MatchString(in.Name):
		return fail("InvalidParameterException", "the name is invalid")
	case x != nil && !x.Deleted.IsZero():
		return fail("InvalidRequestException", "a secret with this name is already scheduled for deletion.")
	case x != nil && x.Versions[in.Mark] == nil:
		return fail("ResourceExistsException", "The operation failed because the secret already exists.")
	case x == nil:
		x = &stored{Description: in.Description, Suffix: rand.Text()[:6], Versions: map[string][]byte{}}
		s.state.Secrets[in.Name] = x
	}
	a := s.version(in.Name, x, in)
	if a.Status != 200 && len(x.Versions) == 0 {
		delete(s.state.Secrets, in.Name)
	}
	return a
}

func (s *Server) put(in input) embedded.Answer {
	x := s.state.Secrets[in.SecretID]
	switch {
	case s.Denied():
		return denied("secretsmanager:PutSecretValue")
	case x == nil:
		return notFound
	case !x.Deleted.IsZero():
		return fail("InvalidRequestException", "the secret was marked for deletion.")
	}
	return s.version(in.SecretID, x, in)
}

func (s *Server) get(in input) embedded.Answer {
	x := s.state.Secrets[in.SecretID]
	switch {
	case s.blind:
		return denied("secretsmanager:GetSecretValue")
	case x == nil || !x.Deleted.IsZero():
		return notFound
	}
	version, stages := x.Current, []string{"AWSCURRENT"}
	if in.VersionID != "" && in.VersionID != x.Current {
		if version, stages = in.VersionID, nil; x.Versions[version] == nil {
			return notFound
		}
	}
	return embedded.OK(map[string]any{"ARN": s.arn(in.SecretID), "Name": in.SecretID, "VersionId": version, "SecretString": s.state.Key.Open(x.Versions[version]), "VersionStages": stages})
}

func (s *Server) remove(in input) embedded.Answer {
	switch {
	case s.Denied():
		return denied("secretsmanager:DeleteSecret")
	case s.state.Secrets[in.SecretID] == nil:
		return notFound
	case !in.Force:
		s.state.Secrets[in.SecretID].Deleted = s.Now()
	default:
		delete(s.state.Secrets, in.SecretID)
	}
	return embedded.OK(map[string]any{"Name": in.SecretID})
}

// tagged adds tags to those that are there.
func (s *Server) tagged(in input, right string, there *map[string]string) embedded.Answer {
	if s.bare || s.Denied() {
		return denied(right)
	}
	next := maps.Clone(*there)
	if next == nil {
		next = map[string]string{}
	}
	for _, t := range in.Tags {
		if t.Key == "" || len(t.Key) > 128 || len(t.Value) > 256 || strings.HasPrefix(strings.ToLower(t.Key), "aws:") {
			return fail("InvalidParameterException", "a tag is invalid")
		}
		next[t.Key] = t.Value
	}
	if len(in.Tags) == 0 || len(next) > 50 {
		return fail("InvalidParameterException", "no tags, or too many")
	}
	*there = next
	return embedded.OK(map[string]any{})
}

func (s *Server) tag(in input) embedded.Answer {
	x := s.state.Secrets[in.SecretID]
	if x == nil {
		return notFound
	}
	a := s.tagged(in, "secretsmanager:TagResource", &x.Tags)
	if a.Status == 200 {
		a.Body = nil
	}
	return a
}

func (s *Server) tagParameter(in input) embedded.Answer {
	x := s.state.Parameters[in.ResourceID]
	if x == nil || in.ResourceType != "Parameter" {
		return fail("InvalidResourceId", "")
	}
	return s.tagged(in, "ssm:AddTagsToResource", &x.Tags)
}

var validParameter = pattern.New(`^(/[A-Za-z0-9_.-]+){1,15}$`)

func (s *Server) putParameter(in input) embedded.Answer {
	x := s.state.Parameters[in.Name]
	switch {
	case s.Denied():
		return denied("ssm:PutParameter")
	case !validParameter.MatchString(in.Name) || strings.HasPrefix(strings.ToLower(in.Name), "/aws") || strings.HasPrefix(strings.ToLower(in.Name), "/ssm"):
		return fail("ValidationException", "the name is invalid")
	case in.Value == "" || len(in.Value) > 4096 || strings.Contains(in.Value, "{{"):
		return fail("ValidationException", "the value is invalid")
	case x != nil && !in.Overwrite:
		return fail("ParameterAlreadyExists", "The parameter already exists.")
	case x != nil && x.Type != in.Type:
		return fail("HierarchyTypeMismatchException", "the type cannot be changed")
	}
	if x == nil {
		x = &parameter{Type: in.Type}
		s.state.Parameters[in.Name] = x
	} else {
		x.Earlier = append(x.Earlier, x.Sealed)
	}
	x.Sealed, x.Version, x.Changed, x.About = s.state.Key.Seal(in.Value), x.Version+1, s.Now(), in.Description
	return embedded.OK(map[string]any{"Version": x.Version, "Tier": "Standard"})
}

func (s *Server) getParameter(in input) embedded.Answer {
	name, version, _ := strings.Cut(in.Name, ":")
	x := s.state.Parameters[name]
	if n, err := strconv.Atoi(version); err == nil && x != nil && n != x.Version {
		if n < 1 || n > len(x.Earlier) {
			return fail("ParameterVersionNotFound", "")
		}
		x = &parameter{Type: x.Type, Sealed: x.Earlier[n-1], Version: n, Changed: x.Changed}
	}
	switch {
	case x == nil:
		return fail("ParameterNotFound", "")
	case in.Decrypt && s.blind:
		return denied("kms:Decrypt")
	}
	value := hex.EncodeToString(x.Sealed)
	if in.Decrypt || x.Type != "SecureString" {
		value = s.state.Key.Open(x.Sealed)
	}
	return embedded.OK(map[string]any{"Parameter": map[string]any{
		"Name": in.Name, "Type": x.Type, "Value": value, "Version": x.Version, "LastModifiedDate": seconds(x.Changed), "DataType": "text",
		"ARN": "arn:aws:ssm:" + Region + ":" + Account + ":parameter" + in.Name,
	}})
}

func (s *Server) deleteParameter(in input) embedded.Answer {
	if s.Denied() {
		return denied("ssm:DeleteParameter")
	}
	if s.state.Parameters[in.Name] == nil {
		return fail("ParameterNotFound", "")
	}
	delete(s.state.Parameters, in.Name)
	return embedded.OK(map[string]any{})
}
