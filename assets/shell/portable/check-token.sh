# Looks at the token before anything is installed; nothing of it is printed.
# In: ASTRO_API_TOKEN, SECRET (its name), PLACE (where it is kept).

# Check the token: its end date stands in the token itself.
no_token="The secret $SECRET does not hold an Astro API token. Write it to $PLACE again."
case "$ASTRO_API_TOKEN" in
  "") fail "The secret $SECRET is empty. It is expected in $PLACE. Runs for forks get no secrets." ;;
  *[!A-Za-z0-9_.-]* | *.*.*.*) fail "$no_token" ;;
  ?*.?*.?*) ;;
  *) fail "$no_token" ;;
esac
claims=$(printf %s "$ASTRO_API_TOKEN" | cut -d. -f2 | tr '_-' '/+')
case $(($(printf %s "$claims" | wc -c) % 4)) in
  2) claims="$claims==" ;;
  3) claims="$claims=" ;;
esac
claims=$(printf %s "$claims" | base64 -d 2>/dev/null | tr -d ' ' || true)
case "$claims" in
  "{"*"}") ;;
  *) fail "$no_token" ;;
esac
end=$(printf %s "$claims" | grep -o '"exp":[0-9]*' | tail -n 1 | cut -d: -f2 || true)
claims=
now=$(date +%s)
case "$end" in
  "") echo "The token has no end date." ;;
  ????????????*) fail "$no_token" ;;
  *)
    day=$(date -u -d "@$end" +%F 2>/dev/null || date -u -r "$end" +%F)
    left=$(((end - now) / 86400))
    if [ "$end" -le "$now" ]; then
      fail "The token in $SECRET ended on $day. Renew it with astro-ci."
    elif [ "$left" -lt 14 ]; then
      warn "The token in $SECRET ends on $day, days left: $left. Renew it with astro-ci."
    else
      echo "The token is good until $day."
    fi
    ;;
esac
