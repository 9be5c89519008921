# Runs the repository's own commands for users, or shows that the log-in works.
# In: ASTRO_API_TOKEN and either WORKSPACE_ID or ORGANIZATION_ID, after the scope of the token.

set -euo pipefail

# The CLI writes the token into its configuration: it gets a folder of its own, which is removed.
ASTRO_HOME=$(mktemp -d "$RUNNER_TEMP/astro-home.XXXXXX")
export ASTRO_HOME
trap 'rm -rf -- "$ASTRO_HOME"' EXIT

if [[ -f scripts/astro-users.sh ]]; then
  bash scripts/astro-users.sh
else
  echo "::notice title=Users::Put your commands into scripts/astro-users.sh. Until then a run only lists the users."
  if [[ -n "${WORKSPACE_ID:-}" ]]; then
    astro workspace user list --workspace-id "$WORKSPACE_ID"
  else
    astro organization user list
  fi
fi
