# Reads the token from the Parameter Store.
# In: signed, BACKEND_SECRET (its name), BACKEND_ROLE.

ASTRO_API_TOKEN=$(signed ssm AmazonSSM.GetParameter '{"Name":"'"$BACKEND_SECRET"'","WithDecryption":true}' | field Value)
sign=
session=
[ -n "$ASTRO_API_TOKEN" ] || fail "The role $BACKEND_ROLE may not read $BACKEND_SECRET, or it is not there."
mask "$ASTRO_API_TOKEN"
