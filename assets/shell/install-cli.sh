# Installs the Astro CLI from its release archive and puts it on the PATH of the following steps.
# In: CLI_URL, CLI_VERSION, CLI_SHA256_X64, CLI_SHA256_ARM64 (may be missing).

set -euo pipefail
fail() { echo "::error title=Astro CLI::$1"; exit 1; }

case "$RUNNER_ARCH" in
  X64) arch=amd64 sum=$CLI_SHA256_X64 ;;
  ARM64) arch=arm64 sum=${CLI_SHA256_ARM64:-} ;;
  *) fail "There is no Astro CLI for a runner with $RUNNER_ARCH." ;;
esac
if [[ -z "$sum" ]]; then
  fail "This workflow knows no SHA-256 of the Astro CLI $CLI_VERSION for $arch."
fi

bin=$RUNNER_TEMP/astro-ci/bin
archive=$RUNNER_TEMP/astro-ci/astro.tar.gz
mkdir -p "$bin"
curl --proto '=https' --fail --silent --show-error --location --retry 3 \
  --output "$archive" "$CLI_URL/v$CLI_VERSION/astro_${CLI_VERSION}_linux_$arch.tar.gz"
if ! echo "$sum  $archive" | sha256sum --check --strict --status; then
  fail "The archive of the Astro CLI $CLI_VERSION is not the one that was pinned. Run nothing of it; look for what changed it."
fi
tar --extract --gzip --file "$archive" --directory "$bin" astro
echo "$bin" >> "$GITHUB_PATH"
