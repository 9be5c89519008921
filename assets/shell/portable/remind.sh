# Makes the faults and warnings that follow an issue, unless one is open already.
# In: ISSUE_TOKEN, ISSUE (a title and a body, as JSON), TITLE (the same title, between double quotes),
# and what every run of these platforms has: GITHUB_API_URL, GITHUB_REPOSITORY.

ask() { printf 'Authorization: Bearer %s' "$ISSUE_TOKEN" | curl --fail --silent --show-error --header @- --header 'Content-Type: application/json' "$@"; }
issue() {
  ask "$GITHUB_API_URL/repos/$GITHUB_REPOSITORY/issues?state=open&type=issues&per_page=100&limit=50" >"$work/open"
  if grep -qF "$TITLE" "$work/open"; then
    echo "An issue about it is open."
  else
    ask --data "$ISSUE" "$GITHUB_API_URL/repos/$GITHUB_REPOSITORY/issues" >/dev/null
    echo "An issue was opened."
  fi
}
warn() { echo "warning: $1"; issue; }
fail() { echo "error: $1" >&2; issue; exit 1; }
