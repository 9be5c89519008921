// Package azuredevops renders pipelines for Azure DevOps.
package azuredevops

import (
	"fmt"
	"strings"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/keyvault"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// vmImage is the runner: an exact one, because "latest" moves.
const vmImage = "ubuntu-24.04"

// Render writes the plan's pipeline. The plan has to be valid. A secret is no environment variable
// by itself here: each one is mapped to the one step that needs it.
func Render(p setup.Plan) ([]byte, error) {
	inVault := p.Target().Store == keyvault.KeyVault
	place := "the variable group or the pipeline's variables"
	if inVault {
		place = p.Target().String()
	}
	x, err := pipeline.NewPortable(p, place, false)
	if p.Job == setup.RotateTokens {
		x, err = rotation(p, place)
	}
	if err != nil {
		return nil, fmt.Errorf("azure-devops: pipeline: %w", err)
	}
	env := pipeline.Map{}
	var names []string // of the secrets of a vault
	for _, t := range p.Reads() {
		name := t.Secret
		if inVault {
			_, name = keyvault.ID(t)
			names = append(names, name)
		}
		env = append(env, pipeline.Pair{Key: t.Feeds(), Value: pipeline.Plain("$(" + name + ")")})
	}
	steps := pipeline.List{
		pipeline.Map{{Key: "checkout", Value: pipeline.Plain("self")}, {Key: "persistCredentials", Value: "false"}},
	}
	if inVault {
		read, err := fromVault(p, names)
		if err != nil {
			return nil, err
		}
		steps = append(steps, read)
	}
	title, work := pipeline.Work(p)
	steps = append(steps, pipeline.Map{
		{Key: "bash", Value: x.Script},
		{Key: "displayName", Value: pipeline.Plain(work)},
		{Key: "env", Value: append(env, x.Env...)},
	})
	trigger := pipeline.Map{
		{Key: "batch", Value: "true", Above: []string{"Pushes that come while a run is under way are deployed together, afterwards."}},
		{Key: "branches", Value: pipeline.Map{{Key: "include", Value: pipeline.List{p.Pipeline.Branch}}}},
	}
	if p.Pipeline.Folder != "" {
		trigger = append(trigger, pipeline.Pair{Key: "paths", Value: pipeline.Map{{Key: "include", Value: pipeline.List{p.Pipeline.Folder}}}})
	}
	doc := pipeline.Map{
		{Key: "trigger", Value: trigger},
		{Key: "pr", Value: pipeline.Plain("none")},
	}
	if p.Job.Scheduled() {
		doc = onSchedule(p)
	}
	if group, ok := groupOf(p.Target().Address); ok {
		if err := pipeline.CheckText(group); err != nil {
			return nil, fmt.Errorf("azure-devops: pipeline: variable group: %w", err)
		}
		doc = append(doc, pipeline.Pair{Key: "variables", Value: pipeline.List{pipeline.Map{{Key: "group", Value: group}}}})
	}
	doc = append(doc, pipeline.Pair{Key: "jobs", Value: pipeline.List{pipeline.Map{
		{Key: "job", Value: pipeline.Plain("astro")},
		{Key: "displayName", Value: pipeline.Plain(title)},
		{Key: "timeoutInMinutes", Value: "30"},
		{Key: "pool", Value: pipeline.Map{{Key: "vmImage", Value: pipeline.Plain(vmImage)}}},
		{Key: "steps", Value: steps},
	}}})
	raw, err := pipeline.YAML(x.Header(p), doc)
	if err != nil {
		return nil, fmt.Errorf("azure-devops: pipeline: %w", err)
	}
	return raw, nil
}

// connection is the name of a service connection, without what a macro begins with.
var connection = pattern.New(`^[\pL\pN_][\pL\pN_ .()-]{0,255}$`)

// fromVault is the step that reads secrets of a vault into variables, which no other step gets unless it
// asks for them.
func fromVault(p setup.Plan, names []string) (pipeline.Map, error) {
	by := p.Pipeline.Reader.Server
	if !connection.MatchString(by) {
		return nil, hint.New(fmt.Sprintf("azure-devops: %q is no service connection", display.Clean(by)), "Give the name of a service connection of the type Azure Resource Manager, with --reader-server.", docsConnections)
	}
	if err := keyvault.CheckTarget(p.Target()); err != nil {
		return nil, err
	}
	vault, _ := keyvault.ID(p.Target())
	return pipeline.Map{
		{Key: "task", Value: pipeline.Plain("AzureKeyVault@2")},
		{Key: "displayName", Value: pipeline.Plain("Read the secret from Key Vault")},
		{Key: "inputs", Value: pipeline.Map{
			{Key: "azureSubscription", Value: by},
			{Key: "KeyVaultName", Value: vault},
			{Key: "SecretsFilter", Value: strings.Join(names, ",")},
			{Key: "RunAsPreJob", Value: false},
		}},
	}, nil
}

// Policy is what lets the application of the service connection read the secret; one of Azure DevOps
// itself needs nothing.
func (p *Provider) Policy(plan setup.Plan) (file providers.File, say string) {
	if plan.Target().Store != keyvault.KeyVault {
		return file, ""
	}
	name := "astro-ci-" + plan.Name + "-grant.sh"
	return providers.File{Path: name, Content: Policy(plan), Whole: true},
		"Have somebody who administers the vault read " + name + " and run it once, with the client id of the service connection"
}

// Policy is the script alone.
func Policy(plan setup.Plan) []byte {
	var b strings.Builder
	vault, _ := keyvault.ID(plan.Target())
	fmt.Fprintf(&b, "#!/bin/sh\n# Lets the service connection of Azure DevOps read %s, and nothing else.\n# Give the client id of its application. Made by astro-ci for the setup %s.\nset -eu\n\nvault=$(az keyvault show --name %s --query id --output tsv)\n", plan.Target(), plan.Name, vault)
	for _, t := range plan.Reads() {
		_, name := keyvault.ID(t)
		fmt.Fprintf(&b, "az role assignment create --assignee \"$1\" --role 'Key Vault Secrets User' --scope \"$vault/secrets/%s\"\n", name)
	}
	return []byte(b.String())
}

// groupOf is the variable group that an address points at: ORG/PROJECT/group:NAME.
func groupOf(address string) (string, bool) {
	_, group, ok := strings.Cut(address, "/group:")
	return group, ok
}
