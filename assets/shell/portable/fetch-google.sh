# Reads the token from Google Secret Manager, as an identity that its project trusts.
# In: ID_TOKEN, BACKEND_LOGIN, BACKEND_ROLE, BACKEND_SECRET (address of the newest version).

pass=$(echo "subject_token=$ID_TOKEN" | call --data @- --data-urlencode "audience=$BACKEND_ROLE" --data-urlencode 'grant_type=urn:ietf:params:oauth:grant-type:token-exchange' --data-urlencode 'requested_token_type=urn:ietf:params:oauth:token-type:access_token' --data-urlencode 'subject_token_type=urn:ietf:params:oauth:token-type:jwt' --data-urlencode 'scope=https://www.googleapis.com/auth/cloud-platform' "$BACKEND_LOGIN" | field access_token)
ID_TOKEN=
[ -n "$pass" ] || fail "Google does not take this run for an identity of $BACKEND_ROLE. Does the provider there know this repository?"
mask "$pass"
ASTRO_API_TOKEN=$(header "Authorization: Bearer $pass" | call --config - "$BACKEND_SECRET" | field data | base64 -d)
pass=
[ -n "$ASTRO_API_TOKEN" ] || fail "The run may not read $BACKEND_SECRET, or it is not there. Does its binding name this repository and branch?"
mask "$ASTRO_API_TOKEN"
