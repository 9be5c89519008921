# Looks whether both halves of the Deployment API key are there; how long they live cannot be seen.
# In: ASTRONOMER_KEY_ID, ASTRONOMER_KEY_SECRET, PLACE (where they are kept).

set -euo pipefail

if [[ -z "${ASTRONOMER_KEY_ID:-}" || -z "${ASTRONOMER_KEY_SECRET:-}" ]]; then
  echo "::error title=Deployment API key::A half of the key is empty. Both are expected in $PLACE. Runs for forks and for Dependabot get no secrets."
  exit 1
fi
echo "::warning title=Deployment API key::The hosted Astro has refused Deployment API keys since June 2024. Replace this one with: astro-ci setup --credential deployment-token"
