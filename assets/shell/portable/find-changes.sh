# Decides what a push deploys, by everything that changed since the commit in BEFORE.
# In: BEFORE (may be empty), AFTER. Out: KIND=image or KIND=dags.

# Find what changed: everything since the commit before, not only the last one.
KIND=image
if [ -z "$BEFORE" ] || [ -z "$(printf %s "$BEFORE" | tr -d 0)" ]; then
  why="the commit before is not known"
elif ! git cat-file -e "$BEFORE^{commit}" 2>/dev/null; then
  why="the commit before is not in the history"
elif ! git merge-base --is-ancestor "$BEFORE" "$AFTER"; then
  why="the push was forced"
elif ! git diff --quiet --ignore-submodules=none "$BEFORE" "$AFTER" -- . ':(exclude)dags/'; then
  why="more than DAGs changed"
elif ! git diff --quiet --ignore-submodules=none "$BEFORE" "$AFTER" -- dags/; then
  KIND=dags
  why="DAGs changed and nothing else"
else
  why="no file changed"
fi
echo "Deploy $KIND: $why."
