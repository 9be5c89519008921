# Reads the token from Secrets Manager.
# In: signed, BACKEND_SECRET (its name), BACKEND_ROLE.

ASTRO_API_TOKEN=$(signed secretsmanager secretsmanager.GetSecretValue '{"SecretId":"'"$BACKEND_SECRET"'"}' | field SecretString)
sign=
session=
[ -n "$ASTRO_API_TOKEN" ] || fail "The role $BACKEND_ROLE may not read $BACKEND_SECRET, or it is not there."
mask "$ASTRO_API_TOKEN"
