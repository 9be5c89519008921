# Asks GitHub to vouch for the run.
# In: AUDIENCE. Out: ID_TOKEN.

[ -n "$ACTIONS_ID_TOKEN_REQUEST_URL" ] || fail "GitHub does not vouch for this run: its job lacks the permission id-token: write, or it runs for a fork."
ID_TOKEN=$(header "Authorization: Bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN" | call --config - --get --data-urlencode "audience=$AUDIENCE" "$ACTIONS_ID_TOKEN_REQUEST_URL" | field value)
[ -n "$ID_TOKEN" ] || fail "GitHub gave this run no identity; what it answered stands above."
mask "$ID_TOKEN"
