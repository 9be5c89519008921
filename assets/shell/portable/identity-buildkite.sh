# Asks Buildkite to vouch for the build.
# In: AUDIENCE. Out: ID_TOKEN.

ID_TOKEN=$(buildkite-agent oidc request-token --audience "$AUDIENCE") || fail "Buildkite gave this build no identity; what it answered stands above."
