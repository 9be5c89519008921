package cli

import (
	"crypto/x509"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"os"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
)

// base is the transport below all clients, or below those of a service that trusts one file more; from
// says what names that file.
func (a *app) base(more, from string) (*http.Transport, error) {
	var roots *x509.CertPool
	for _, x := range [][2]string{{a.caFile, "--ca-file"}, {more, from}} {
		if x[0] == "" {
			continue
		}
		pem, err := os.ReadFile(x[0])
		if err != nil {
			return nil, hint.Wrap(err, "read "+x[1], "Give the path of a PEM file.", "")
		}
		if roots == nil {
			if roots, err = x509.SystemCertPool(); err != nil {
				roots = x509.NewCertPool()
			}
		}
		if !roots.AppendCertsFromPEM(pem) {
			return nil, hint.New(x[1]+" holds no certificate", "Give a PEM file with one or more certificates.", "")
		}
	}
	return httpx.NewBase(roots, http.ProxyFromEnvironment), nil
}

// wire is what every client has in common.
func (a *app) wire(base http.RoundTripper) httpx.Options {
	if a.around != nil {
		base = a.around(base)
	}
	o := httpx.Options{Base: base, Agent: "astro-ci/" + release(), Jitter: mathrand.Float64, Hosts: &a.hosts, Waiting: a.waiting}
	if a.debug {
		o.Debug = func(line string) { _, _ = fmt.Fprintln(a.err, line) }
	}
	return o
}
