# Installs the Astro CLI from its release archive, for the rest of the script.
# In: CLI_URL, CLI_VERSION, CLI_SHA256_X64, CLI_SHA256_ARM64 (may be missing).

# Install the Astro CLI: this version, with this SHA-256, or nothing.
case "$(uname -s) $(uname -m)" in
  "Linux x86_64") arch=amd64 sum=$CLI_SHA256_X64 ;;
  "Linux aarch64" | "Linux arm64") arch=arm64 sum=$CLI_SHA256_ARM64 ;;
  *) fail "There is no Astro CLI for this runner: $(uname -s) $(uname -m)." ;;
esac
[ -n "$sum" ] || fail "No SHA-256 of the Astro CLI $CLI_VERSION for $arch is known here."
from="$CLI_URL/v$CLI_VERSION/astro_$CLI_VERSION""_linux_$arch.tar.gz"
if command -v curl >/dev/null; then
  curl --proto '=https' --fail --silent --show-error --location --retry 3 --output "$work/astro.tar.gz" "$from"
else
  wget -q -O "$work/astro.tar.gz" "$from"
fi
echo "$sum  $work/astro.tar.gz" | sha256sum -c - >/dev/null || fail "The archive of the Astro CLI is not the one that was pinned."
tar -xzf "$work/astro.tar.gz" -C "$work" astro
PATH="$work:$PATH"
export PATH
