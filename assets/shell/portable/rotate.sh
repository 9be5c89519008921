# Replaces the token of a setup when it is due, and then, last, the one that the run is logged in with.
# In: ASTRO_API_TOKEN, the platform's log-in, RENEWS (the setup), SETUP (the one of this pipeline).

# Rotate. Exit code 5 says that something waits, until no run uses an old token any more: the next
# scheduled run goes on with it.
ASTRO_CI_STATE_DIR="$work/state"
export ASTRO_CI_STATE_DIR
code=0
"$work/astro-ci" rotate "$RENEWS" "$SETUP" --due --no-input --yes --json || code=$?
case "$code" in
  0) echo "Nothing is left to do." ;;
  5) warn "Something waits; the next run goes on with it." ;;
  *) fail "The rotation failed with code $code. Every secret still holds a token that works, until it ends." ;;
esac
