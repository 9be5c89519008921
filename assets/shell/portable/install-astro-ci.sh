# Installs astro-ci itself from its release, for the rest of the script.
# In: CLI_URL, CLI_VERSION, CLI_SHA256_X64, CLI_SHA256_ARM64 (may be missing).

# Install astro-ci: this version, with this SHA-256, or nothing.
case "$(uname -s) $(uname -m)" in
  "Linux x86_64") arch=amd64 sum=$CLI_SHA256_X64 ;;
  "Linux aarch64" | "Linux arm64") arch=arm64 sum=$CLI_SHA256_ARM64 ;;
  *) fail "There is no astro-ci for this runner: $(uname -s) $(uname -m)." ;;
esac
[ -n "$sum" ] || fail "No SHA-256 of astro-ci $CLI_VERSION for $arch is known here."
from="$CLI_URL/v$CLI_VERSION/astro-ci-linux-$arch"
if command -v curl >/dev/null; then
  curl --proto '=https' --fail --silent --show-error --location --retry 3 --output "$work/astro-ci" "$from"
else
  wget -q -O "$work/astro-ci" "$from"
fi
echo "$sum  $work/astro-ci" | sha256sum -c - >/dev/null || fail "This astro-ci is not the one that was pinned."
chmod +x "$work/astro-ci"
