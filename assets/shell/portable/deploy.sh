# Deploys to one Deployment.
# In: DEPLOYMENT_ID, KIND (image, dags, image-only), WORKSPACE_ID (may be missing).

# Deploy: without --force an uncommitted change makes the CLI deploy nothing and report success.
set -- "$DEPLOYMENT_ID" --force
case "$KIND" in
  image) ;;
  dags) set -- "$@" --dags ;;
  image-only) set -- "$@" --image ;;
  *) fail "$KIND is not a kind of deploy." ;;
esac
[ -z "$WORKSPACE_ID" ] || set -- "$@" --workspace-id "$WORKSPACE_ID"
{ if astro deploy "$@" 2>&1; then touch "$work/done"; fi; } | tee "$work/log"
[ -f "$work/done" ] || fail "The deploy failed; what the Astro CLI said stands above."
# Here the CLI reports success as well although nothing was deployed.
if grep -q 'Invalid workspace id' "$work/log"; then
  fail "Nothing was deployed: the Deployment is in another Workspace than the token or WORKSPACE_ID says."
fi
