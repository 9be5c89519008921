# Looks at the token before anything is checked out or installed. Needs jq and GNU date.
# In: ASTRO_API_TOKEN, SECRET (its name), PLACE (where it is kept).

set -euo pipefail
fail() { echo "::error title=Astro API token::$1"; exit 1; }

if [[ -z "${ASTRO_API_TOKEN:-}" ]]; then
  fail "The secret $SECRET is empty. It is expected in $PLACE. Runs for forks and for Dependabot get no secrets."
fi

# The end date stands in the token itself. Nothing of the token is printed, not even by a failing jq.
part='[A-Za-z0-9_-]+'
read_end='split(".")[1] | gsub("-"; "+") | gsub("_"; "/") | @base64d | fromjson | .exp // 0 | floor'
if [[ ! "$ASTRO_API_TOKEN" =~ ^$part\.$part\.$part$ ]] ||
  ! end=$(printf '%s' "$ASTRO_API_TOKEN" | jq --raw-input --raw-output "$read_end" 2>/dev/null) ||
  [[ ! "$end" =~ ^[0-9]{1,11}$ ]]; then
  fail "The secret $SECRET does not hold an Astro API token. Write it to $PLACE again."
fi

now=$(date +%s)
day=$(date --utc --date="@$end" +%F)
left=$(((end - now) / 86400))
if ((end == 0)); then
  echo "The token has no end date."
elif ((end <= now)); then
  fail "The token in $SECRET ended on $day. Renew it with astro-ci."
elif ((left < 14)); then
  echo "::warning title=Astro API token::The token in $SECRET ends on $day, days left: $left. Renew it with astro-ci."
else
  echo "The token is good until $day."
fi
