# Reads the token from Vault or OpenBao, as a role that trusts this run.
# In: ID_TOKEN, BACKEND_LOGIN, BACKEND_ROLE, BACKEND_SECRET (addresses), BACKEND_NAMESPACE (may be missing),
# SECRET (a key of the entry).

pass=$(echo '{"role":"'"$BACKEND_ROLE"'","jwt":"'"$ID_TOKEN"'"}' | call --data-binary @- --header 'Content-Type: application/json' --header "X-Vault-Namespace: $BACKEND_NAMESPACE" "$BACKEND_LOGIN" | field client_token)
ID_TOKEN=
[ -n "$pass" ] || fail "Vault does not take this run for $BACKEND_ROLE. Does the role there name this repository and branch?"
mask "$pass"
ASTRO_API_TOKEN=$(header "X-Vault-Token: $pass" | call --config - --header "X-Vault-Namespace: $BACKEND_NAMESPACE" "$BACKEND_SECRET" | field "$SECRET")
pass=
[ -n "$ASTRO_API_TOKEN" ] || fail "The run may not read $SECRET at $BACKEND_SECRET, or it is not there."
mask "$ASTRO_API_TOKEN"
