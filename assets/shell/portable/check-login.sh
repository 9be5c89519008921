# Looks at the log-in to the platform, by which new tokens are stored. Nothing of it is printed.
# In: LOGIN (the name of its variable), LOGIN_SECRET (the name of its secret), PLACE.

# Check the log-in to the platform: it is there. A macro that nothing replaced is none.
# shellcheck disable=SC2016
case "$(printenv "$LOGIN")" in
  "" | '$('*) fail "The secret $LOGIN_SECRET is empty. It is expected in $PLACE." ;;
esac
