# Runs the repository's own commands for Deployments, or shows that the log-in works.
# In: WORKSPACE_ID, ORGANIZATION_ID (only with an Organization API token).

# An Organization API token names no Workspace; the CLI wants one.
[ -z "$ORGANIZATION_ID" ] || astro workspace switch "$WORKSPACE_ID"
if [ -f scripts/astro-deployments.sh ]; then
  sh scripts/astro-deployments.sh
else
  warn "Put your commands into scripts/astro-deployments.sh. Until then a run only lists the Deployments."
  astro deployment list --workspace-id "$WORKSPACE_ID"
fi
