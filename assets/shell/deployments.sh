# Runs the repository's own commands for Deployments, or shows that the log-in works.
# In: ASTRO_API_TOKEN, WORKSPACE_ID, ORGANIZATION_ID (only with an Organization API token).

set -euo pipefail

# The CLI writes the token into its configuration: it gets a folder of its own, which is removed.
ASTRO_HOME=$(mktemp -d "$RUNNER_TEMP/astro-home.XXXXXX")
export ASTRO_HOME
trap 'rm -rf -- "$ASTRO_HOME"' EXIT

# An Organization API token names no Workspace; the CLI wants one.
if [[ -n "${ORGANIZATION_ID:-}" ]]; then
  astro workspace switch "$WORKSPACE_ID"
fi

if [[ -f scripts/astro-deployments.sh ]]; then
  bash scripts/astro-deployments.sh
else
  echo "::notice title=Deployments::Put your commands into scripts/astro-deployments.sh. Until then a run only lists the Deployments."
  astro deployment list --workspace-id "$WORKSPACE_ID"
fi
