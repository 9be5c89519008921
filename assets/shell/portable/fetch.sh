# What reading the token from a secrets backend takes. What is secret goes to curl by its standard input,
# so that no list of processes shows it, and is masked where the platform can do that.

# The token is not kept by this platform: the run reads it where it is, by an identity of its own.
command -v curl >/dev/null || { command -v apk >/dev/null && apk add --quiet --no-cache curl; } || fail "To read the token from its backend takes curl, which this runner does not have."
call() { curl --proto '=https' --silent --show-error --fail --retry 3 --max-time 60 "$@"; }
field() { tr -d '[:cntrl:]' | grep -o '"'"$1"'" *: *"[^"]*"' | head -n 1 | cut -d '"' -f 4; }
header() { echo 'header = "'"$1"'"'; }
mask() { if [ -n "$GITHUB_ACTIONS" ]; then echo "::add-mask::$1"; fi; }
