package pipeline

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Where the Astro CLI is published.
const (
	ReleaseURL = "https://github.com/astronomer/astro-cli/releases/download"
	UpdatesURL = "https://updates.astronomer.io/astro-cli"
	releaseDoc = "https://github.com/astronomer/astro-cli/releases"
)

// Releases looks Astro CLI releases up. It sends no credential.
type Releases struct {
	// Client makes the requests; nil stands for a plain one. Its redirect rule is replaced.
	Client *http.Client
	// BaseURL is the folder that holds v<version>/astro_<version>_<os>_<arch>.tar.gz; "" stands for
	// ReleaseURL. It is also where the pipeline will download from.
	BaseURL string
	// UpdatesURL is the document that lists all versions; "" stands for the constant of that name.
	UpdatesURL string
}

// Newest asks for the newest final 1.x release. A 2.x release or a pre-release is never answered.
func (r *Releases) Newest(ctx context.Context) (string, error) {
	raw, err := r.get(ctx, cmp.Or(r.UpdatesURL, UpdatesURL))
	if err != nil {
		return "", fmt.Errorf("list Astro CLI releases: %w", err)
	}
	var doc struct {
		Available []struct {
			Version string `json:"version"`
		} `json:"available_releases"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return "", errors.New("list Astro CLI releases: the answer is not the expected JSON")
	}
	newest := ""
	for _, a := range doc.Available {
		if v := strings.TrimPrefix(a.Version, "v"); Newer(v, newest) {
			newest = v
		}
	}
	if newest == "" {
		return "", errors.New("list Astro CLI releases: no final 1.x release in the list")
	}
	return newest, nil
}

var (
	sumLine  = pattern.New(`^([0-9a-f]{64})  ([A-Za-z0-9._-]+)$`)
	archives = pattern.New(`^astro_([0-9.]+)_([a-z0-9]+_[a-z0-9]+)\.tar\.gz$`)
)

// Sums reads the release's own list of checksums: the SHA-256 of the archive per "os_arch".
func (r *Releases) Sums(ctx context.Context, version string) (map[string]string, error) {
	if !finalOne.MatchString(version) {
		return nil, fmt.Errorf("sums of the Astro CLI: %q is not a final 1.x release", version)
	}
	raw, err := r.get(ctx, fmt.Sprintf("%s/v%s/astro_%s_checksums.txt", r.base(), version, version))
	if err != nil {
		return nil, fmt.Errorf("sums of the Astro CLI %s: %w", version, err)
	}
	sums := map[string]string{}
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			continue
		}
		m := sumLine.FindStringSubmatch(line)
		if m == nil {
			return nil, fmt.Errorf("sums of the Astro CLI %s: a line is not a sum and a file name", version)
		}
		a := archives.FindStringSubmatch(m[2])
		if a == nil || a[1] != version {
			continue // programs for Windows, packages
		}
		if _, twice := sums[a[2]]; twice {
			return nil, fmt.Errorf("sums of the Astro CLI %s: %s is there twice", version, m[2])
		}
		sums[a[2]] = m[1]
	}
	if sums["linux_amd64"] == "" {
		return nil, fmt.Errorf("sums of the Astro CLI %s: there is none for linux_amd64", version)
	}
	return sums, nil
}

// Pin finds the release to install. wanted "" stands for the newest 1.x. The sums come from the
// release and must agree with the built-in table where that knows the version; where the release
// cannot be reached the table alone is enough, and note says so.
func (r *Releases) Pin(ctx context.Context, wanted string) (cli setup.CLI, note string, err error) {
	if base := r.base(); !allowed(base) {
		return setup.CLI{}, "", hint.New("pin the Astro CLI: "+base+" is not an https address", "Give an https address with --cli-url.", "")
	}
	if wanted != "" && !finalOne.MatchString(wanted) {
		return setup.CLI{}, "", hint.New(fmt.Sprintf("pin the Astro CLI: %q is not a final 1.x version", wanted),
			"Give one like "+Newest()+" with --cli-version. Version 2 does not take the projects of version 1.", releaseDoc)
	}
	known := Pins().CLI
	version := wanted
	if version == "" {
		if version, err = r.Newest(ctx); err != nil {
			if ctx.Err() != nil {
				return setup.CLI{}, "", err
			}
			version = Newest()
			note = "the list of releases could not be read, this is the newest one that astro-ci knows"
		}
	}
	sums, err := r.Sums(ctx, version)
	switch {
	case err == nil:
		if err := agree(version, sums, known[version]); err != nil {
			return setup.CLI{}, "", err
		}
		if note == "" && known[version] != nil {
			note = "its sums are published as astro-ci knows them"
		} else if note == "" {
			note = "with the sums that its release publishes"
		}
		return r.cli(version, sums), note, nil
	case ctx.Err() != nil:
		return setup.CLI{}, "", err
	case known[version] != nil:
		return r.cli(version, known[version]), "the release could not be read, the sums are the ones that astro-ci knows", nil
	case wanted == "":
		v := Newest()
		return r.cli(v, known[v]), fmt.Sprintf("the release of %s could not be read, this is the newest one that astro-ci knows", version), nil
	}
	return setup.CLI{}, "", hint.Wrap(err, "pin the Astro CLI "+wanted,
		"Check the version and the network, or give both --cli-version and --cli-sha256.", releaseDoc)
}

// agree compares what a release publishes with what the table knows of it.
func agree(version string, published, known map[string]string) error {
	var differ []string
	for platform, want := range known {
		if got := published[platform]; got != "" && got != want {
			differ = append(differ, platform)
		}
	}
	if len(differ) == 0 {
		return nil
	}
	slices.Sort(differ)
	return hint.New(fmt.Sprintf("the published sum of the Astro CLI %s for %s differs from the one astro-ci knows", version, strings.Join(differ, ", ")),
		"Somebody may have replaced the release. Choose another version with --cli-version, and tell the publisher.", releaseDoc)
}

func (r *Releases) cli(version string, sums map[string]string) setup.CLI {
	return setup.CLI{Version: version, BaseURL: r.base(), SHA256: sums}
}

func (r *Releases) base() string { return strings.TrimRight(cmp.Or(r.BaseURL, ReleaseURL), "/") }

// get reads a small public document. Redirects are followed, because release archives live behind
// one, but never to a place that allowed refuses.
func (r *Releases) get(ctx context.Context, address string) ([]byte, error) {
	if !allowed(address) {
		return nil, errors.New("the address is not https")
	}
	client := http.Client{Timeout: 30 * time.Second}
	if r.Client != nil {
		client = *r.Client
	}
	client.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if !allowed(req.URL.String()) {
			return errors.New("redirected to an address that is not https")
		}
		if len(via) >= 5 {
			return errors.New("redirected too often")
		}
		return nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		if ue, ok := errors.AsType[*url.Error](err); ok {
			err = ue.Err // the address a redirect led to can be long and signed
		}
		return nil, fmt.Errorf("ask %s: %w", req.URL.Host, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask %s: %d %s", req.URL.Host, resp.StatusCode, http.StatusText(resp.StatusCode))
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxSize+1))
	if err == nil && len(raw) > maxSize {
		err = errors.New("the answer is too long")
	}
	return raw, err
}

// allowed reports whether an address is https, or plain http that stays on this machine.
func allowed(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.User == nil && u.Host != "" && (u.Scheme == "https" || setup.Loopback(address))
}
