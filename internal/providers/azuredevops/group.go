package azuredevops

import (
	"context"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// object is a variable group or a pipeline's definition as the API gave it. A write replaces the whole
// of it: what is not understood here goes back as it came.
type object map[string]any

func (o object) variables() map[string]any {
	vars, ok := o["variables"].(map[string]any)
	if !ok {
		vars = map[string]any{}
		o["variables"] = vars
	}
	return vars
}

// variable is the name under which a variable stands; case does not count.
func (o object) variable(name string) (key string, exists bool) {
	for k := range o.variables() {
		if strings.EqualFold(k, name) {
			return k, true
		}
	}
	return name, false
}

// changed is when the object was last changed: modifiedOn of a group, createdDate of a definition's
// present revision.
func (o object) changed() time.Time {
	for _, k := range []string{"modifiedOn", "createdDate"} {
		if s, ok := o[k].(string); ok {
			if at, err := time.Parse(time.RFC3339Nano, s); err == nil {
				return at
			}
		}
	}
	return time.Time{}
}

// with puts a secret variable into the object for as long as f runs.
func (o object) with(name string, v *secret.Value, f func() error) error {
	key, _ := o.variable(name)
	vars := o.variables()
	for _, x := range vars { // a secret without a value keeps its own
		if m, ok := x.(map[string]any); ok && m["value"] == nil {
			delete(m, "value")
		}
	}
	body := map[string]any{"isSecret": true}
	vars[key] = body
	return providers.WithValue(v, body, "value", f)
}

// holder is the group or definition of a target, nil when there is none.
func (p *Provider) holder(ctx context.Context, t setup.Target) (object, address, error) {
	a, err := parseAddress(t.Address)
	if err != nil {
		return nil, a, err
	}
	if a.group == "" {
		o, err := p.api.definition(ctx, a, a.pipeline)
		return o, a, err
	}
	all, err := p.api.groups(ctx, a, "")
	if err != nil || len(all) == 0 {
		return nil, a, err
	}
	return all[0], a, nil
}

// putInGroup reads the group, changes the one variable, writes the group, and looks whether the others
// are still there: Azure DevOps keeps only what it is sent, and knows no conditions.
func (p *Provider) putInGroup(ctx context.Context, a address, name string, v *secret.Value, m providers.Meta) (providers.Receipt, error) {
	project, err := p.api.project(ctx, a)
	if err != nil {
		return providers.Receipt{}, err
	}
	find := func() (object, error) {
		all, err := p.api.groups(ctx, a, "")
		if err != nil || len(all) == 0 {
			return nil, err
		}
		return all[0], nil
	}
	group, err := find()
	if err != nil {
		return providers.Receipt{}, err
	}
	var before time.Time
	created := true
	sent := group
	if group == nil {
		sent = object{
			"name": a.group, "type": "Vsts", "description": describe(m),
			"variableGroupProjectReferences": []any{map[string]any{"name": a.group, "projectReference": map[string]any{"id": project.ID, "name": project.Name}}},
		}
		err = sent.with(name, v, func() error { return p.api.createGroup(ctx, a, sent) })
		if err != nil { // a second one of the name is refused: perhaps the first answer was lost
			var looked error
			if group, looked = find(); looked != nil || group == nil {
				return providers.Receipt{}, err
			}
		}
	}
	if group != nil {
		if kind, _ := group["type"].(string); kind != "Vsts" {
			return providers.Receipt{}, hint.New("azure-devops: the variable group "+a.group+" takes its values from elsewhere", "Choose another group; this one is not edited.", docsSecrets)
		}
		_, exists := group.variable(name)
		created, before = !exists, group.changed()
		if _, ok := group["variableGroupProjectReferences"]; !ok { // without, a write is refused as unauthorized
			group["variableGroupProjectReferences"] = []any{map[string]any{"name": a.group, "projectReference": map[string]any{"id": project.ID, "name": project.Name}}}
		}
		if err := group.with(name, v, func() error { return p.api.putGroup(ctx, a, group) }); err != nil {
			return providers.Receipt{}, err
		}
	}
	now, err := find()
	if err != nil {
		return providers.Receipt{}, err
	}
	if now == nil {
		now = object{}
	}
	if err := sameNames(a, sent, now, name); err != nil {
		return providers.Receipt{}, err
	}
	done := providers.Receipt{Created: created, Proof: providers.Written}
	if now.changed().After(before) && now.hides(name) {
		done.Proof = providers.Metadata
	}
	return done, p.authorize(ctx, a, now, m)
}

// hides reports whether the variable is there, as a secret without a value.
func (o object) hides(name string) bool {
	key, exists := o.variable(name)
	v, _ := o.variables()[key].(map[string]any)
	isSecret, _ := v["isSecret"].(bool)
	return exists && isSecret && v["value"] == nil
}

// sameNames refuses to go on when a variable got lost, for somebody wrote at the same time.
func sameNames(a address, sent, now object, name string) error {
	lost := ""
	for k := range sent.variables() {
		if _, ok := now.variable(k); !ok {
			lost = k
		}
	}
	if _, ok := now.variable(name); !ok {
		lost = name
	}
	if lost != "" {
		return hint.New(fmt.Sprintf("azure-devops: the variable %s is missing in the group %s after the write", text("%s", lost), a.group), "Somebody changed the group at the same time. Look at it in Pipelines, Library, then run this again.", docsSecrets)
	}
	return nil
}

// authorize lets the pipeline of the repository use the group, and no other. A pipeline of code that
// lies elsewhere needs a service connection and is made by a person.
func (p *Provider) authorize(ctx context.Context, a address, group object, m providers.Meta) error {
	organization, project, name, err := split(m.Repository.Path)
	if err != nil || m.File == "" || !strings.EqualFold(organization+"/"+project, a.organization+"/"+a.project) {
		return nil //nolint:nilerr // its first run asks for the permission
	}
	definition, err := p.ensure(ctx, a, name, "astro-"+strings.ReplaceAll(name, " ", "-"), m.File)
	if err != nil {
		return err
	}
	return p.api.authorize(ctx, a, group["id"], definition["id"])
}

// find looks for the pipeline that runs a file of a repository; nil when there is none.
func (p *Provider) find(ctx context.Context, a address, repository, file string) (object, error) {
	r, err := p.api.repository(ctx, a, repository)
	if err != nil {
		return nil, err
	}
	all, err := p.api.definitions(ctx, a, r.ID)
	for _, d := range all {
		process, _ := d["process"].(map[string]any)
		if path, _ := process["yamlFilename"].(string); strings.EqualFold(strings.TrimPrefix(path, "/"), file) {
			return d, nil
		}
	}
	return nil, err
}

// ensure finds the pipeline that runs a file of a repository, and makes it when there is none.
func (p *Provider) ensure(ctx context.Context, a address, repository, name, file string) (object, error) {
	if d, err := p.find(ctx, a, repository, file); err != nil || d != nil {
		return d, err
	}
	r, err := p.api.repository(ctx, a, repository)
	if err != nil {
		return nil, err
	}
	taken, err := p.api.definition(ctx, a, name)
	if err != nil {
		return nil, err
	}
	if taken != nil { // it runs another file
		name += "-" + strings.TrimSuffix(path.Base(file), path.Ext(file))
	}
	failed := p.api.createPipeline(ctx, a, name, file, r.ID)
	d, err := p.api.definition(ctx, a, name)
	if err == nil && d == nil {
		err = failed
	}
	return d, err
}

// putInPipeline writes a secret variable of a pipeline; the pipeline is made when it is not there.
func (p *Provider) putInPipeline(ctx context.Context, a address, name string, v *secret.Value, m providers.Meta) (providers.Receipt, error) {
	d, err := p.api.definition(ctx, a, a.pipeline)
	if err != nil {
		return providers.Receipt{}, err
	}
	if d == nil {
		_, project, repository, err := split(m.Repository.Path)
		if err != nil || m.File == "" || !strings.EqualFold(project, a.project) {
			return providers.Receipt{}, hint.New("azure-devops: there is no pipeline "+a.pipeline, "Make it in Azure DevOps, or keep the secret in a variable group.", docsSecrets)
		}
		r, err := p.api.repository(ctx, a, repository)
		if err != nil {
			return providers.Receipt{}, err
		}
		failed := p.api.createPipeline(ctx, a, a.pipeline, m.File, r.ID)
		if d, err = p.api.definition(ctx, a, a.pipeline); err != nil || d == nil {
			return providers.Receipt{}, cmpError(err, failed)
		}
	}
	_, exists := d.variable(name)
	before := d["revision"]
	if err := d.with(name, v, func() error { return p.api.putDefinition(ctx, a, d) }); err != nil {
		return providers.Receipt{}, err
	}
	done := providers.Receipt{Created: !exists, Proof: providers.Written}
	if now, err := p.api.definition(ctx, a, a.pipeline); err == nil && now != nil && now["revision"] != before && now.hides(name) {
		done.Proof = providers.Metadata
	}
	return done, nil
}

func cmpError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// describe is what a person reads beside the group.
func describe(m providers.Meta) string {
	if m.Setup == "" {
		return "Kept by astro-ci"
	}
	return "Kept by astro-ci for the setup " + m.Setup
}
