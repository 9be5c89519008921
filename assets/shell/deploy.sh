# Deploys to one Deployment.
# In: ASTRO_API_TOKEN, DEPLOYMENT_ID, KIND (image, dags, image-only, none), WORKSPACE_ID (may be missing).

set -euo pipefail
if [[ "$KIND" == none ]]; then
  echo "Nothing to deploy: the push changed nothing in this project."
  exit 0
fi

# The CLI writes the token into its configuration: it gets a folder of its own, which is removed.
ASTRO_HOME=$(mktemp -d "$RUNNER_TEMP/astro-home.XXXXXX")
export ASTRO_HOME
trap 'rm -rf -- "$ASTRO_HOME"' EXIT

# Without --force an uncommitted change makes the CLI deploy nothing and report success.
args=("$DEPLOYMENT_ID" --force)
case "$KIND" in
  image) ;; # image and DAGs
  dags) args+=(--dags) ;;
  image-only) args+=(--image) ;;
  *) echo "::error title=Deploy::\"$KIND\" is not a kind of deploy."; exit 1 ;;
esac
if [[ -n "${WORKSPACE_ID:-}" ]]; then
  args+=(--workspace-id "$WORKSPACE_ID")
fi

astro deploy "${args[@]}" 2>&1 | tee "$ASTRO_HOME/deploy.log"

# Here the CLI reports success as well although nothing was deployed.
if grep --quiet 'Invalid workspace id' "$ASTRO_HOME/deploy.log"; then
  echo "::error title=Deploy::Nothing was deployed: the Deployment is in another Workspace than the token or WORKSPACE_ID says."
  exit 1
fi
