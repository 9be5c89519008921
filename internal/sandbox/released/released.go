// Package released stands in for the place where the Astro CLI and astro-ci are released: checksums,
// archives, and the list of versions.
package released

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// StandIn is a version of both that exists only here: the archive of the Astro CLI holds a small script that writes down
// how it was called into the file named by ASTRO_STANDIN_LOG.
const StandIn = "1.99.0"

const script = `#!/bin/sh
# Stands in for the Astro CLI. It writes down its arguments, never its environment.
if [ -n "${ASTRO_STANDIN_LOG:-}" ]; then
  printf '%s\n' "$*" >>"$ASTRO_STANDIN_LOG"
fi
echo "astro (stand-in) $*"
`

const program = `#!/bin/sh
# Stands in for astro-ci itself, where a scheduled run installs it.
echo "astro-ci (stand-in) $*"
`

// Handler serves sums for the known versions (version -> os_arch -> SHA-256), and archives of
// StandIn.
func Handler(known map[string]map[string]string) http.Handler {
	archive := standIn()
	sum := sha256.Sum256(archive)
	mine := map[string]string{}
	for _, target := range []string{"linux_amd64", "linux_arm64", "darwin_amd64", "darwin_arm64"} {
		mine[target] = hex.EncodeToString(sum[:])
	}
	sums := maps.Clone(known)
	if sums == nil {
		sums = map[string]map[string]string{}
	}
	sums[StandIn] = mine

	m := http.NewServeMux()
	m.HandleFunc("GET /astro-cli", func(w http.ResponseWriter, _ *http.Request) {
		type release struct {
			Version string `json:"version"`
		}
		list := []release{}
		for _, v := range slices.Sorted(maps.Keys(known)) {
			list = append(list, release{v})
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"available_releases": list})
	})
	m.HandleFunc("GET /releases/download/{tag}/{file}", func(w http.ResponseWriter, r *http.Request) {
		version := strings.TrimPrefix(r.PathValue("tag"), "v")
		file := r.PathValue("file")
		if sums[version] == nil {
			http.NotFound(w, r)
			return
		}
		if version == StandIn && file == "SHA256SUMS" {
			sum := sha256.Sum256([]byte(program))
			for _, target := range []string{"linux-amd64", "linux-arm64"} {
				_, _ = fmt.Fprintf(w, "%s  astro-ci-%s\n", hex.EncodeToString(sum[:]), target)
			}
			return
		}
		if version == StandIn && strings.HasPrefix(file, "astro-ci-linux-") {
			_, _ = w.Write([]byte(program))
			return
		}
		if file == "astro_"+version+"_checksums.txt" {
			for _, target := range slices.Sorted(maps.Keys(sums[version])) {
				_, _ = fmt.Fprintf(w, "%s  astro_%s_%s.tar.gz\n", sums[version][target], version, target)
			}
			return
		}
		target := strings.TrimSuffix(strings.TrimPrefix(file, "astro_"+version+"_"), ".tar.gz")
		if version != StandIn || mine[target] == "" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/gzip")
		_, _ = w.Write(archive)
	})
	return m
}

// standIn makes the archive; the same bytes every time.
func standIn() []byte {
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	t := tar.NewWriter(zip)
	for name, text := range map[string]string{"astro": script} {
		if err := t.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(text)), ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR}); err != nil {
			panic(err) // a buffer takes everything
		}
		_, _ = t.Write([]byte(text))
	}
	if err := t.Close(); err != nil {
		panic(err)
	}
	if err := zip.Close(); err != nil {
		panic(err)
	}
	return out.Bytes()
}
