# Takes the identity that CircleCI gave the job, out of the environment of everything that runs later.
# In: CIRCLE_OIDC_TOKEN_V2, CIRCLE_OIDC_TOKEN. Out: ID_TOKEN.

ID_TOKEN=$CIRCLE_OIDC_TOKEN_V2
unset CIRCLE_OIDC_TOKEN_V2 CIRCLE_OIDC_TOKEN
[ -n "$ID_TOKEN" ] || fail "CircleCI gave this job no identity: it runs for a fork, or this CircleCI vouches for no jobs."
