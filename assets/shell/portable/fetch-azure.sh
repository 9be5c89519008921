# Reads the token from Azure Key Vault, as an application that trusts this run.
# In: ID_TOKEN, BACKEND_LOGIN, BACKEND_ROLE (id of the application), BACKEND_SECRET (address).

pass=$(echo "client_assertion=$ID_TOKEN" | call --data @- --data-urlencode "client_id=$BACKEND_ROLE" --data-urlencode 'grant_type=client_credentials' --data-urlencode 'scope=https://vault.azure.net/.default' --data-urlencode 'client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer' "$BACKEND_LOGIN" | field access_token)
ID_TOKEN=
[ -n "$pass" ] || fail "Microsoft Entra does not take this run for the application $BACKEND_ROLE. Does a federated credential there name this repository and branch?"
mask "$pass"
ASTRO_API_TOKEN=$(header "Authorization: Bearer $pass" | call --config - "$BACKEND_SECRET" | field value)
pass=
[ -n "$ASTRO_API_TOKEN" ] || fail "The application $BACKEND_ROLE may not read $BACKEND_SECRET, or it is not there."
mask "$ASTRO_API_TOKEN"
