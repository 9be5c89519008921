# Decides what a push deploys, by everything that it changed. Needs the whole history.
# In: BEFORE (the branch's commit before the push), FORCED; FOLDER when the project is in one, which is
# the present one then, FIXED when only that decides. Out: kind=image, dags, image-only or none.

set -euo pipefail
changed() { ! git diff --quiet --ignore-submodules=none "$BEFORE" "$GITHUB_SHA" -- "$@"; }

kind=image
if [[ "$GITHUB_EVENT_NAME" != push ]]; then
  why="the run was not started by a push"
elif [[ "$FORCED" == true ]]; then
  why="the push was forced"
elif [[ "$BEFORE" =~ ^0*$ ]]; then
  why="the branch is new"
elif ! git cat-file -e "$BEFORE^{commit}" 2>/dev/null; then
  why="the commit before the push is not known"
elif [[ -n "${FOLDER:-}" ]] && ! changed .; then
  kind=none
  why="the push changed nothing in $FOLDER"
elif changed . ':(exclude)dags/'; then
  why="the push changed more than DAGs"
elif changed dags/; then
  kind=dags
  why="the push changed DAGs and nothing else"
else
  why="the push changed no file"
fi

if [[ -n "${FIXED:-}" && "$kind" != none ]]; then
  kind=$FIXED
fi
echo "Deploy $kind: $why."
echo "kind=$kind" >> "$GITHUB_OUTPUT"
