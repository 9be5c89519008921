# Looks whether both halves of the Deployment API key are there.
# In: ASTRONOMER_KEY_ID, ASTRONOMER_KEY_SECRET, PLACE (where they are kept).

# Check the key: both halves have to be there; how long it lives cannot be seen.
if [ -z "$ASTRONOMER_KEY_ID" ] || [ -z "$ASTRONOMER_KEY_SECRET" ]; then
  fail "A half of the Deployment API key is empty. Both are expected in $PLACE. Runs for forks get no secrets."
fi
warn "The hosted Astro has refused Deployment API keys since June 2024. Replace this one with: astro-ci setup --credential deployment-token"
