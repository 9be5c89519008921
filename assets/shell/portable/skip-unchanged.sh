# Ends when a push changed nothing in the project's folder, which is the present one.
# In: FOLDER (its name), BEFORE (may be empty), AFTER.

# Look whether the push concerns this project.
if [ -n "$BEFORE" ] && [ "$BEFORE" != "$AFTER" ] &&
  git cat-file -e "$BEFORE^{commit}" 2>/dev/null && git merge-base --is-ancestor "$BEFORE" "$AFTER" &&
  git diff --quiet --ignore-submodules=none "$BEFORE" "$AFTER" -- .; then
  echo "Nothing to deploy: the push changed nothing in $FOLDER."
  exit 0
fi
