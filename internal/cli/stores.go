package cli

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/agefile"
	"github.com/astro-ci/astro-ci/internal/providers/aws"
	"github.com/astro-ci/astro-ci/internal/providers/doppler"
	"github.com/astro-ci/astro-ci/internal/providers/google"
	"github.com/astro-ci/astro-ci/internal/providers/keyring"
	"github.com/astro-ci/astro-ci/internal/providers/keyvault"
	"github.com/astro-ci/astro-ci/internal/providers/onepassword"
	"github.com/astro-ci/astro-ci/internal/providers/sops"
	"github.com/astro-ci/astro-ci/internal/providers/vault"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/steps"
)

// backend is one secrets backend that the wizard works with.
type backend struct {
	id    string
	found func(w *world) bool // a log-in seems to be there; it costs no request to look
	open  func(ctx context.Context, w *world) (b providers.Backend, source string, err error)
}

// backends lists the secrets backends in the order in which they are offered.
func (w *world) backends() []backend {
	return []backend{
		{vault.ID, func(w *world) bool { _, err := vault.FindLogin(w.app.host()); return err == nil }, openVault},
		{aws.SecretsManager, hasAWS, openAWS(func(c *aws.Client) providers.Backend { return aws.Secrets{Client: c} })},
		{aws.SSM, hasAWS, openAWS(func(c *aws.Client) providers.Backend { return aws.Parameters{Client: c} })},
		{google.SecretManager, func(w *world) bool {
			_, _, err := google.FindLogin(w.app.host(), google.Options{})
			return err == nil
		}, openGoogle},
		{keyvault.KeyVault, func(w *world) bool {
			_, _, err := keyvault.FindLogin(w.app.host(), keyvault.Options{Run: w.app.az()})
			return err == nil
		}, openKeyVault},
		{doppler.ID, never, openDoppler},
		{onepassword.ID, never, openOnePassword},
		{agefile.ID, never, openAge},
		{sops.ID, never, openSops},
		{keyring.ID, never, openKeyring},
	}
}

// never says that no pipeline reads from the backend: it is for copies.
func never(*world) bool { return false }

func openGoogle(_ context.Context, w *world) (providers.Backend, string, error) {
	o := google.Options{Wire: w.app.wire(w.base)}
	source := "the sandbox"
	if w.sandbox != nil {
		address, project, token := w.sandbox.Service(google.SecretManager)
		var err error
		if o.Endpoint, err = apiURL("SECRET_MANAGER_EMULATOR_HOST", address); err != nil {
			return nil, "", err
		}
		o.Project, o.Token = project, func(context.Context) (*secret.Value, error) { return token, nil }
	} else {
		var err error
		if o, source, err = google.FindLogin(w.app.host(), o); err != nil {
			return nil, "", err
		}
	}
	o.Token = w.app.noted(o.Token)
	return google.New(o), strings.TrimSuffix(source+", "+o.Project, ", "), nil
}

func openKeyVault(_ context.Context, w *world) (providers.Backend, string, error) {
	o := keyvault.Options{Wire: w.app.wire(w.base), Run: w.app.az()}
	source := "the sandbox"
	if w.sandbox != nil {
		address, vault, token := w.sandbox.Service(keyvault.KeyVault)
		var err error
		if o.Endpoint, err = apiURL("AZURE_KEY_VAULT_URL", address); err != nil {
			return nil, "", err
		}
		o.Vault, o.Token = vault, func(context.Context) (*secret.Value, error) { return token, nil }
	} else {
		var err error
		if o, source, err = keyvault.FindLogin(w.app.host(), o); err != nil {
			return nil, "", err
		}
	}
	o.Token = w.app.noted(o.Token)
	return keyvault.New(o), strings.TrimSuffix(source+", "+o.Vault, ", "), nil
}

func openDoppler(_ context.Context, w *world) (providers.Backend, string, error) {
	o := doppler.Options{}
	server := ""
	var err error
	if w.sandbox != nil {
		server, o.Project, o.Login.Value = w.sandbox.Service(doppler.ID)
		o.Login.Source = "the sandbox"
	} else if o, server, err = doppler.FindLogin(w.app.host(), w.files.Root(), o); err != nil {
		return nil, "", err
	}
	if o.Server, err = apiURL("DOPPLER_API_HOST", server); err != nil {
		return nil, "", err
	}
	o.Wire = w.app.wire(w.base)
	w.app.redactor.Add(o.Login.Value)
	return doppler.New(o), o.Login.Source, nil
}

func openOnePassword(_ context.Context, w *world) (providers.Backend, string, error) {
	o := providers.Options{Wire: w.app.wire(w.base)}
	server := ""
	var err error
	if w.sandbox != nil {
		server, _, o.Login.Value = w.sandbox.Service(onepassword.ID)
		o.Login.Source = "the sandbox"
	} else if server, o.Login, err = onepassword.FindLogin(w.app.host()); err != nil {
		return nil, "", err
	}
	if o.Server, err = apiURL("OP_CONNECT_HOST", server); err != nil {
		return nil, "", err
	}
	w.app.redactor.Add(o.Login.Value)
	return onepassword.New(o), o.Login.Source + ", " + o.Server.Host, nil
}

// noted tells the redacting writers about every token that is got; nil stays nil.
func (a *app) noted(token func(context.Context) (*secret.Value, error)) func(context.Context) (*secret.Value, error) {
	if token == nil {
		return nil
	}
	return func(ctx context.Context) (*secret.Value, error) {
		v, err := token(ctx)
		if err == nil {
			a.redactor.Add(v)
		}
		return v, err
	}
}

// az runs the az CLI; nil where there is none.
func (a *app) az() func(ctx context.Context, name string, args ...string) ([]byte, error) {
	path, err := exec.LookPath("az")
	if err != nil {
		return nil
	}
	return func(ctx context.Context, _ string, args ...string) ([]byte, error) {
		return a.program(path, "", "AZURE_")(ctx, nil, args...)
	}
}

func openAge(_ context.Context, w *world) (providers.Backend, string, error) {
	o := agefile.FindKeys(w.app.host())
	_ = o.Identities.Use(func(keys []byte) error { // an error says that there are none
		for line := range bytes.Lines(keys) {
			if k := bytes.TrimSpace(line); bytes.HasPrefix(k, []byte("AGE-")) {
				w.app.redactor.Add(secret.New(k))
			}
		}
		return nil
	})
	o.Root = w.files.Root()
	return agefile.New(o), "files in " + o.Root, nil
}

func openSops(_ context.Context, w *world) (providers.Backend, string, error) {
	path, err := exec.LookPath("sops")
	if err != nil {
		return nil, "", hint.New("there is no program sops", "Install it, 3.10 or newer, or choose another store.", "https://getsops.io/docs/")
	}
	return sops.New(sops.Options{Root: w.files.Root(), Run: w.app.program(path, w.files.Root(), "SOPS_", "AWS_", "GOOGLE_", "CLOUDSDK_", "AZURE_", "VAULT_", "GNUPGHOME")}), path + " in " + w.files.Root(), nil
}

func openKeyring(_ context.Context, w *world) (providers.Backend, string, error) {
	if w.sandbox != nil {
		return nil, "", hint.New("the sandbox has no keyring", "Your keyring is left alone there. Choose another store to try.", "")
	}
	return keyring.Store{}, "of this session", nil
}

// program runs another program in a folder. Of the environment it gets what a child needs, and what begins
// with one of the prefixes; what it says goes into the error.
func (a *app) program(path, dir string, prefixes ...string) func(ctx context.Context, stdin []byte, args ...string) ([]byte, error) {
	var more []string
	for name := range a.env {
		if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) }) {
			more = append(more, name)
		}
	}
	return func(ctx context.Context, stdin []byte, args ...string) ([]byte, error) {
		cmd := exec.CommandContext(ctx, path, args...)
		cmd.Dir, cmd.Stdin, cmd.Env = dir, bytes.NewReader(stdin), a.env.child(more...)
		var said bytes.Buffer
		cmd.Stderr = &said
		out, err := cmd.Output()
		if err != nil {
			lines := strings.Split(strings.TrimSpace(said.String()), "\n")
			err = fmt.Errorf("%s: %w: %s", filepath.Base(path), err, display.Clean(strings.Join(lines[max(0, len(lines)-3):], "; ")))
		}
		return out, err
	}
}

// found are the ids of the backends for which a log-in seems to be there.
func (w *world) found() (out []string) {
	for _, b := range w.backends() {
		if w.sandbox != nil || b.found(w) {
			out = append(out, b.id)
		}
	}
	return out
}

// backend makes a secrets backend ready, once.
func (w *world) backend(ctx context.Context, id string) (providers.Backend, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if b := w.ready[id]; b != nil {
		return b, nil
	}
	for _, b := range w.backends() {
		if b.id != id {
			continue
		}
		x, source, err := b.open(ctx, w)
		if err != nil {
			return nil, err
		}
		w.sources[id] = source
		w.fact(x.Info().Name, "%s", source)
		w.ready[id] = x
		return x, nil
	}
	var all []string
	for _, b := range w.backends() {
		all = append(all, b.id)
	}
	return nil, hint.New(fmt.Sprintf("%q is no store", display.Clean(id)), "Use the platform's own, or one of: "+strings.Join(all, ", ")+".", "")
}

func openVault(_ context.Context, w *world) (providers.Backend, string, error) {
	found := vault.Found{Login: providers.Login{Source: "the sandbox"}}
	var err error
	if w.sandbox != nil {
		found.Server, _, found.Login.Value = w.sandbox.Service(vault.ID)
	} else if found, err = vault.FindLogin(w.app.host()); err != nil {
		return nil, "", err
	}
	base := w.base
	if found.CAFile != "" {
		if base, err = w.app.base(found.CAFile, found.CASource); err != nil {
			return nil, "", err
		}
	}
	o := vault.Options{Namespace: found.Namespace, Options: providers.Options{Login: found.Login, Wire: w.app.wire(base)}}
	if o.Server, err = apiURL("VAULT_ADDR", found.Server); err != nil {
		return nil, "", err
	}
	w.app.redactor.Add(found.Login.Value)
	return vault.New(o), found.Login.Source + ", " + o.Server.Host, nil
}

// store makes the store of a target ready: that of a CI platform, or a secrets backend.
func (w *world) store(ctx context.Context, p setup.Plan, id string) (providers.Store, error) {
	if !slices.ContainsFunc(w.platforms(), func(x steps.Platform) bool { return x.ID == id }) {
		return w.backend(ctx, id)
	}
	host := ""
	if id == p.Platform {
		host = p.Repository.Host
	}
	x, err := w.openAt(ctx, id, host)
	if err != nil {
		return nil, err
	}
	if s, ok := x.(providers.Store); ok {
		return s, nil
	}
	return nil, hint.New(x.Info().Name+" keeps no secrets", "Keep the secret in one of: "+strings.Join(x.Info().Backends, ", ")+".", x.Info().Docs)
}

// stores are those of the plan's targets.
func (w *world) stores(ctx context.Context, p setup.Plan) (map[string]providers.Store, error) {
	out := map[string]providers.Store{}
	for _, t := range slices.Concat(p.Targets, p.Retire.Secrets) {
		if out[t.Store] != nil {
			continue
		}
		s, err := w.store(ctx, p, t.Store)
		if err != nil {
			return nil, err
		}
		out[t.Store] = s
	}
	return out, nil
}
