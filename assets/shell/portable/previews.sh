# Makes a Deployment for a request to merge, and deletes it when the request is closed.
# In: DEPLOYMENT_ID (the one that is copied), WORKSPACE_ID, PREVIEW (how the names begin), NUMBER (of the
# request), GONE (yes when it is closed). Out: DEPLOYMENT_ID of the preview, KIND.

# Find the preview of this request.
case "$NUMBER" in
  "" | *[!0-9]*) fail "This is not the number of a request: $NUMBER" ;;
esac
name="$PREVIEW-$NUMBER"
find_preview() {
  astro deployment inspect --deployment-name "$name" --workspace-id "$WORKSPACE_ID" --key metadata.deployment_id </dev/null 2>/dev/null | grep -E -x '[a-z0-9]{25}' || true
}
preview=$(find_preview)
[ "$preview" != "$DEPLOYMENT_ID" ] || fail "The Deployment that is copied must not be called $name."
if [ "$GONE" = yes ]; then
  if [ -z "$preview" ]; then
    echo "There is no Deployment $name to delete."
  else
    astro deployment delete "$preview" --workspace-id "$WORKSPACE_ID" --force
    echo "The Deployment $name is deleted."
  fi
  exit 0
fi
if [ -z "$preview" ]; then
  astro deployment inspect "$DEPLOYMENT_ID" --workspace-id "$WORKSPACE_ID" --template >"$work/template.yaml"
  awk -v name="$name" '!done && /^ +name:/ { sub(/name:.*/, "name: " name); done = 1 } { print }' "$work/template.yaml" >"$work/preview.yaml"
  grep -q "name: $name" "$work/preview.yaml" || fail "The Astro CLI gave no template of the Deployment $DEPLOYMENT_ID."
  astro deployment create --workspace-id "$WORKSPACE_ID" --deployment-file "$work/preview.yaml"
  preview=$(find_preview)
  [ -n "$preview" ] || fail "The Deployment $name was not created; what the Astro CLI said stands above."
fi
DEPLOYMENT_ID=$preview
KIND=image
