# Takes the identity that GitLab gave the job, out of the environment of everything that runs later.
# In: GITLAB_ID_TOKEN. Out: ID_TOKEN.

ID_TOKEN=$GITLAB_ID_TOKEN
unset GITLAB_ID_TOKEN
[ -n "$ID_TOKEN" ] || fail "GitLab gave this job no identity; id_tokens needs GitLab 15.7 or newer."
