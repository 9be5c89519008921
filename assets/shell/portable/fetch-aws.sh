# Takes a role of AWS that trusts this run, for a quarter of an hour.
# In: ID_TOKEN, BACKEND_LOGIN (address), BACKEND_ROLE, BACKEND_URL, BACKEND_REGION. Out: signed.

curl --version | awk 'NR == 1 { split($2, v, "."); exit !(v[1] > 7 || v[1] == 7 && v[2] >= 86) }' || fail "To read the token from AWS takes curl 7.86 or newer; an older one signs too little of a request."
element() { tr -d '[:cntrl:]' | grep -o "<$1>[^<]*</$1>" | head -n 1 | cut -d '>' -f 2 | cut -d '<' -f 1; }
answer=$(echo "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleSessionName=astro-ci&DurationSeconds=900&WebIdentityToken=$ID_TOKEN" | call --data @- --data-urlencode "RoleArn=$BACKEND_ROLE" --header 'Accept: application/xml' "$BACKEND_LOGIN") || true
ID_TOKEN=
key=$(echo "$answer" | element AccessKeyId)
sign=$(echo "$answer" | element SecretAccessKey)
session=$(echo "$answer" | element SessionToken)
answer=
[ -n "$session" ] || fail "AWS does not let this run take $BACKEND_ROLE. Does the role trust this repository and branch?"
mask "$sign"
mask "$session"
# Calls a service of AWS with a signature: its name, the operation, the body.
signed() {
  {
    echo 'user = "'"$key:$sign"'"'
    header "X-Amz-Security-Token: $session"
  } | call --config - --aws-sigv4 "aws:amz:$BACKEND_REGION:$1" --header "X-Amz-Target: $2" --header 'Content-Type: application/x-amz-json-1.1' --data "$3" "$BACKEND_URL"
}
