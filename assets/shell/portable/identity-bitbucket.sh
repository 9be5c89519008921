# Takes the identity that Bitbucket gave the step, out of the environment of everything that runs later.
# In: BITBUCKET_STEP_OIDC_TOKEN. Out: ID_TOKEN.

ID_TOKEN=$BITBUCKET_STEP_OIDC_TOKEN
unset BITBUCKET_STEP_OIDC_TOKEN
[ -n "$ID_TOKEN" ] || fail "Bitbucket gave this step no identity: it lacks oidc: true."
