# Goes into the folder of the Astro project; the repository holds more than that.
# In: FOLDER.

cd "$FOLDER" 2>/dev/null || fail "There is no folder $FOLDER here. Set the project up again with astro-ci."
