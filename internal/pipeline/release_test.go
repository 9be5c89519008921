package pipeline_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pipeline"
)

func TestPins(t *testing.T) {
	t.Parallel()
	hex64, hex40 := regexp.MustCompile(`^[0-9a-f]{64}$`), regexp.MustCompile(`^[0-9a-f]{40}$`)
	pins := pipeline.Pins()
	seen := map[string]string{}
	for version, sums := range pins.CLI {
		for _, platform := range []string{"linux_amd64", "linux_arm64", "darwin_amd64", "darwin_arm64"} {
			s := sums[platform]
			if !hex64.MatchString(s) {
				t.Errorf("%s %s: %q", version, platform, s)
			}
			if other := seen[s]; other != "" {
				t.Errorf("%s %s has the sum of %s", version, platform, other)
			}
			seen[s] = version + " " + platform
		}
	}
	for name, a := range pins.Actions {
		if !hex40.MatchString(a.Commit) || !strings.HasPrefix(a.Tag, "v") {
			t.Errorf("%s: %+v", name, a)
		}
	}
	if pins.Actions["actions/checkout"].Commit == "" {
		t.Error("no pin for actions/checkout")
	}
	for name, image := range pins.Images {
		if !regexp.MustCompile(`^[a-z/]+:[0-9][0-9.]*-[a-z]+@sha256:[0-9a-f]{64}$`).MatchString(image) {
			t.Errorf("%s: %s", name, image)
		}
	}
	for _, kind := range []string{"cli", "dind"} {
		if pipeline.DockerImage(kind) == "" {
			t.Errorf("no image of docker-%s", kind)
		}
	}
	if got := pipeline.Newest(); got != "1.40.1" {
		t.Errorf("newest is %s", got)
	}
	clear(pins.CLI)
	if len(pipeline.Pins().CLI) == 0 {
		t.Error("a caller can change the table")
	}
}

// release serves updates and checksums; sums maps a version to its checksums file, "" answers 404.
func release(t *testing.T, updates string, sums map[string]string) *pipeline.Releases {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /updates", func(w http.ResponseWriter, _ *http.Request) {
		if updates == "" {
			http.Error(w, "gone", http.StatusBadGateway)
			return
		}
		_, _ = fmt.Fprint(w, updates)
	})
	for v, text := range sums {
		mux.HandleFunc("GET /dl/v"+v+"/astro_"+v+"_checksums.txt", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, text) })
	}
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return &pipeline.Releases{Client: srv.Client(), BaseURL: srv.URL + "/dl", UpdatesURL: srv.URL + "/updates"}
}

func checksums(version string, sums map[string]string) string {
	var b strings.Builder
	for platform, sum := range sums {
		fmt.Fprintf(&b, "%s  astro_%s_%s.tar.gz\n", sum, version, platform)
	}
	return b.String()
}

func sumOf(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

func list(versions ...string) string {
	for i, v := range versions {
		versions[i] = `{"version":"` + v + `"}`
	}
	return `{"available_releases":[` + strings.Join(versions, ",") + `]}`
}

func TestNewest(t *testing.T) {
	t.Parallel()
	for updates, want := range map[string]string{
		list("1.9.0", "1.45.0", "1.10.3"):                                  "1.45.0",
		list("2.0.0", "1.45.0", "v2.1.0"):                                  "1.45.0",
		list("1.46.0-rc.1", "1.45.0", "1.47.0-nightly.20260522", "1.2.3"):  "1.45.0",
		list("v1.45.1", "1.45.0"):                                          "1.45.1",
		list("1.45.0", "1.99", "1.99.0.1", "01.99.0", "1.99.0 ", "11.0.0"): "1.45.0",
		list("2.0.0"): "",
		list():        "",
		`[]`:          "",
		`<html>`:      "",
		``:            "",
	} {
		got, err := release(t, updates, nil).Newest(t.Context())
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%s: got %q, %v, want %q", updates, got, err, want)
		}
	}
}

func TestSums(t *testing.T) {
	t.Parallel()
	a, b := sumOf("a"), sumOf("b")
	good := a + "  astro_1.45.0_linux_amd64.tar.gz\n"
	for name, c := range map[string]struct {
		text string
		want map[string]string // nil: refused
	}{
		"good":            {good + b + "  astro_1.45.0_darwin_arm64.tar.gz\n", map[string]string{"linux_amd64": a, "darwin_arm64": b}},
		"CRLF":            {strings.ReplaceAll(good, "\n", "\r\n"), map[string]string{"linux_amd64": a}},
		"other files":     {good + b + "  astro_1.45.0_windows_amd64.exe\n" + b + "  astro_1.44.0_linux_arm64.tar.gz\n", map[string]string{"linux_amd64": a}},
		"twice":           {good + good, nil},
		"short sum":       {good + a[1:] + "  astro_1.45.0_linux_arm64.tar.gz\n", nil},
		"upper case":      {strings.ToUpper(a) + good[64:], nil},
		"one space":       {a + " astro_1.45.0_linux_amd64.tar.gz\n", nil},
		"web page":        {"<html>\n", nil},
		"no linux":        {b + "  astro_1.45.0_darwin_arm64.tar.gz\n", nil},
		"empty":           {"", nil},
		"without end":     {strings.TrimSuffix(good, "\n"), map[string]string{"linux_amd64": a}},
		"something after": {strings.TrimSuffix(good, "\n") + " x\n", nil},
	} {
		got, err := release(t, "", map[string]string{"1.45.0": c.text}).Sums(t.Context(), "1.45.0")
		if !maps.Equal(got, c.want) || (err == nil) != (c.want != nil) {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
}

func TestPin(t *testing.T) {
	t.Parallel()
	known := pipeline.Pins().CLI
	other := map[string]string{"linux_amd64": sumOf("x"), "linux_arm64": sumOf("y")}
	spoiled := maps.Clone(known["1.40.0"])
	spoiled["linux_arm64"] = sumOf("evil")
	for name, c := range map[string]struct {
		wanted  string
		updates string
		sums    map[string]string

		version string            // "" when refused
		want    map[string]string // the sums
		note    string            // part of it
		next    string            // part of the hint
	}{
		"newest":                      {"", list("1.45.0"), map[string]string{"1.45.0": checksums("1.45.0", other)}, "1.45.0", other, "its release publishes", ""},
		"newest, known":               {"", list("1.40.1"), map[string]string{"1.40.1": checksums("1.40.1", known["1.40.1"])}, "1.40.1", known["1.40.1"], "as astro-ci knows them", ""},
		"no list":                     {"", "", nil, "1.40.1", known["1.40.1"], "could not be read", ""},
		"no list, but the release":    {"", "", map[string]string{"1.40.1": checksums("1.40.1", known["1.40.1"])}, "1.40.1", known["1.40.1"], "list of releases could not be read", ""},
		"list, but not the release":   {"", list("1.45.0"), nil, "1.40.1", known["1.40.1"], "release of 1.45.0 could not be read", ""},
		"list, and a broken release":  {"", list("1.45.0"), map[string]string{"1.45.0": "<html>"}, "1.40.1", known["1.40.1"], "could not be read", ""},
		"wanted and known":            {"1.39.0", "", nil, "1.39.0", known["1.39.0"], "the ones that astro-ci knows", ""},
		"wanted, the release has it":  {"1.41.0", "", map[string]string{"1.41.0": checksums("1.41.0", other)}, "1.41.0", other, "its release publishes", ""},
		"wanted, nobody knows it":     {"1.41.0", list("1.45.0"), nil, "", nil, "", "--cli-sha256"},
		"the sums differ":             {"1.40.0", "", map[string]string{"1.40.0": checksums("1.40.0", spoiled)}, "", nil, "", "another version"},
		"the newest one's sum differ": {"", list("1.40.0"), map[string]string{"1.40.0": checksums("1.40.0", spoiled)}, "", nil, "", "another version"},
		"version 2":                   {"2.0.0", "", nil, "", nil, "", "--cli-version"},
		"pre-release":                 {"1.46.0-rc.1", "", nil, "", nil, "", "--cli-version"},
		"a word":                      {"latest", "", nil, "", nil, "", "--cli-version"},
		"a path":                      {"../1.40.1", "", nil, "", nil, "", "--cli-version"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := release(t, c.updates, c.sums)
			cli, note, err := r.Pin(t.Context(), c.wanted)
			if cli.Version != c.version || !maps.Equal(cli.SHA256, c.want) || !strings.Contains(note, c.note) {
				t.Errorf("got %+v, %q, %v", cli, note, err)
			}
			if (err == nil) != (c.version != "") || err != nil && !strings.Contains(hint.Of(err).Next, c.next) {
				t.Errorf("error %v, next %q", err, hint.Of(err).Next)
			}
			if err == nil && cli.BaseURL != r.BaseURL {
				t.Errorf("downloads come from %s", cli.BaseURL)
			}
		})
	}
}

func TestPinSaysWhatDiffers(t *testing.T) {
	t.Parallel()
	bad := map[string]string{"linux_amd64": sumOf("evil")}
	_, _, err := release(t, "", map[string]string{"1.40.0": checksums("1.40.0", bad)}).Pin(t.Context(), "1.40.0")
	if err == nil || !strings.Contains(err.Error(), "the published sum of the Astro CLI 1.40.0 for linux_amd64 differs from the one astro-ci knows") {
		t.Errorf("got %v", err)
	}
}

func TestPinWithoutAnAddressIsTheOfficialOne(t *testing.T) {
	t.Parallel()
	// A transport that always fails stands for a machine without network.
	r := &pipeline.Releases{Client: &http.Client{Transport: refuse{}}}
	cli, note, err := r.Pin(t.Context(), "")
	if err != nil || cli.BaseURL != "https://github.com/astronomer/astro-cli/releases/download" || note == "" {
		t.Errorf("got %+v, %q, %v", cli, note, err)
	}
}

func TestPinStops(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if cli, _, err := release(t, list("1.45.0"), nil).Pin(ctx, ""); err == nil {
		t.Errorf("got %+v", cli)
	}
}

type refuse struct{}

func (refuse) RoundTrip(*http.Request) (*http.Response, error) { return nil, http.ErrHandlerTimeout }

func TestOnlyHTTPSOrLoopback(t *testing.T) {
	t.Parallel()
	asked := func(r *pipeline.Releases) error {
		_, err := r.Newest(t.Context())
		return err
	}
	for _, bad := range []string{"http://updates.example", "ftp://127.0.0.1/x", "http://localhost:80@updates.example/", "https://a:b@updates.example/", ""} {
		if bad == "" {
			continue
		}
		if err := asked(&pipeline.Releases{Client: &http.Client{Transport: refuse{}}, UpdatesURL: bad}); err == nil || strings.Contains(err.Error(), "Handler") {
			t.Errorf("%s was asked: %v", bad, err)
		}
	}
	if _, _, err := (&pipeline.Releases{Client: &http.Client{Transport: refuse{}}, BaseURL: "http://mirror.example"}).Pin(t.Context(), "1.40.1"); err == nil {
		t.Error("a mirror without https was accepted")
	}

	away := false
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch req.URL.Path {
		case "/home":
			http.Redirect(w, req, "/list", http.StatusFound)
		case "/away":
			away = true
			http.Redirect(w, req, "http://updates.example/list", http.StatusFound)
		case "/round":
			http.Redirect(w, req, "/round", http.StatusFound)
		default:
			_, _ = fmt.Fprint(w, list("1.45.0"))
		}
	}))
	t.Cleanup(srv.Close)
	for path, ok := range map[string]bool{"/home": true, "/away": false, "/round": false} {
		if err := asked(&pipeline.Releases{Client: srv.Client(), UpdatesURL: srv.URL + path}); (err == nil) != ok {
			t.Errorf("%s: %v", path, err)
		}
	}
	if !away {
		t.Error("the redirect was not tried")
	}
}
