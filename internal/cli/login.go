package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/keyring"
	"github.com/astro-ci/astro-ci/internal/sandbox"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/ui/report"
)

func (a *app) loginCommands() []*cobra.Command {
	var link bool
	in := &cobra.Command{
		Use: "login", Short: "Log in to Astro with the browser", Args: noArgs,
		Long: "Logs in with the browser and keeps the log-in in the keyring of the operating system, never in a file.\n" +
			"A log-in of the astro CLI is found as well; then this one is not needed. The astro CLI's own files are\n" +
			"never changed.",
		RunE: func(cmd *cobra.Command, _ []string) error { return a.logIn(cmd.Context(), link) },
	}
	in.Flags().BoolVar(&link, "login-link", false, "print the address instead of opening the browser")
	return []*cobra.Command{
		in,
		{
			Use: "logout", Short: "Forget the log-in that login keeps", Args: noArgs,
			RunE: func(*cobra.Command, []string) error { return a.logOut() },
		},
		{
			Use: "whoami", Short: "Say which log-in to Astro is used", Args: noArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return a.whoAmI(cmd.Context()) },
		},
	}
}

// login is the log-in to Astro: the sandbox's own, or the one that is found.
func (a *app) login(ctx context.Context, base http.RoundTripper, s *sandbox.Sandbox) (astro.Login, error) {
	if s == nil {
		return astro.FindLogin(ctx, a.astroHost(base))
	}
	u, err := url.Parse(s.AstroURL())
	return astro.Fixed(u, s.Login(), "the sandbox", display.Clean(sandbox.User), a.redactor.Add), err
}

// astroHost is what the search for a log-in may look at.
func (a *app) astroHost(base http.RoundTripper) astro.Host {
	return astro.Host{
		Getenv: a.env.get, Home: a.env.home(), ReadFile: os.ReadFile, Now: time.Now,
		AstroCLI: func(ctx context.Context, args ...string) ([]byte, error) {
			ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
			defer cancel()
			cmd := exec.CommandContext(ctx, "astro", args...)
			cmd.Env = a.env.child()
			return cmd.Output()
		},
		Keyring: a.keyring(), Wire: a.wire(base), Live: a.redactor.Add,
	}
}

// systemKeyring is the keyring of the operating system, nil where there is none: without a session
// bus the library would start one.
func (a *app) systemKeyring() astro.Keyring {
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" || a.env.get("DBUS_SESSION_BUS_ADDRESS") != "" {
		return keyring.Ring{}
	}
	if _, err := os.Stat(filepath.Join("/run/user", strconv.Itoa(os.Getuid()), "bus")); err == nil {
		return keyring.Ring{}
	}
	return nil
}

func (a *app) logIn(ctx context.Context, link bool) error {
	if a.sandbox {
		_, err := fmt.Fprintln(a.err, "The sandbox is always logged in, as "+sandbox.User+".")
		return err
	}
	base, err := a.base("", "")
	if err != nil {
		return err
	}
	login, err := astro.LogIn(ctx, a.astroHost(base), func(address string) {
		opened := !link && a.openBrowser(ctx, address) == nil
		if !opened {
			_, _ = fmt.Fprintln(a.err, "Open this address in a browser on this computer:\n\n  "+address+"\n")
		}
		_, _ = fmt.Fprintln(a.err, "Waiting for the browser. Ctrl-C cancels.")
	})
	if err != nil {
		return err
	}
	if a.json != "" {
		return a.whoAmI(ctx)
	}
	_, err = fmt.Fprintf(a.out, "Logged in to %s as %s.\n", login.Base.Host, login.User)
	return err
}

// openBrowser opens an address with what the operating system has for that. The address holds no
// secret: the code that comes back is worth nothing without what stays here.
func (a *app) openBrowser(ctx context.Context, address string) error {
	program, args := "xdg-open", []string{address}
	switch runtime.GOOS {
	case "darwin":
		program = "open"
	case "windows":
		program, args = "rundll32", []string{"url.dll,FileProtocolHandler", address}
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), program, args...)
	cmd.Env = a.env.child("DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "BROWSER", "XDG_CURRENT_DESKTOP", "XDG_DATA_DIRS")
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		return err
	case <-time.After(3 * time.Second): // a browser that stays is a browser that opened
		return nil
	}
}

func (a *app) logOut() error {
	if a.sandbox {
		_, err := fmt.Fprintln(a.err, "The sandbox is always logged in, as "+sandbox.User+".")
		return err
	}
	base, had, err := astro.LogOut(a.astroHost(nil))
	if err != nil {
		return err
	}
	word := "There was no log-in of astro-ci to %s.\n"
	if had {
		word = "The log-in of astro-ci to %s is forgotten.\n"
	}
	_, err = fmt.Fprintf(a.err, word, base.Host)
	return err
}

// session is a client of Astro for a command that needs nothing else.
func (a *app) session(ctx context.Context, do func(astro.Login, *astro.Client) error) (err error) {
	base, err := a.base("", "")
	if err != nil {
		return err
	}
	var s *sandbox.Sandbox
	if a.sandbox {
		if s, err = a.startSandbox(nil, nil, nil); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.Close()) }()
	}
	login, err := a.login(ctx, base, s)
	if err != nil {
		return err
	}
	c := astro.New(login.Base, login.Auth, a.wire(base))
	a.remember(c, login.Base)
	return do(login, c)
}

func (a *app) whoAmI(ctx context.Context) error {
	return a.session(ctx, func(l astro.Login, c *astro.Client) error {
		who, err := c.WhoAmI(ctx, l)
		if err != nil {
			return err
		}
		if a.json != "" {
			return report.WhoJSON(a.out, who)
		}
		report.Who(a.out, who)
		return nil
	})
}

// key is the Deployment API key that was given: by its variables, or on stdin in two lines.
func (a *app) key() (k setup.Key, err error) {
	add := func(to **secret.Value, text string) {
		if text = strings.TrimSpace(text); text != "" {
			*to = secret.New([]byte(text))
			a.redactor.Add(*to)
		}
	}
	add(&k.ID, a.env.get(setup.KeyIDVariable))
	add(&k.Secret, a.env.get(setup.KeySecretVariable))
	if !a.setup.keyStdin {
		return k, nil
	}
	switch {
	case a.setup.loginStdin:
		return k, usageError{hint.New("--key-stdin and --platform-token-stdin cannot both read stdin", "Give one of them by its variables: "+setup.KeyIDVariable+" and "+setup.KeySecretVariable+", or "+setup.LoginSecret+".", "")}
	case a.tty && !a.noInput:
		return k, usageError{hint.New("--key-stdin reads from a pipe, and this is a terminal", "Leave it out: on a terminal the key is asked for.", "")}
	}
	lines := bufio.NewScanner(a.in)
	for _, to := range []**secret.Value{&k.ID, &k.Secret} {
		if lines.Scan() {
			add(to, lines.Text())
		}
	}
	if err := lines.Err(); err != nil || !k.Given() {
		return k, hint.New("stdin does not hold a Deployment API key", "Give two lines: the id of the key, then its secret.", "")
	}
	return k, nil
}
