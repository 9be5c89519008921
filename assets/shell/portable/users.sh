# Runs the repository's own commands for users, or shows that the log-in works.
# In: either WORKSPACE_ID or ORGANIZATION_ID, after the scope of the token.

# Users: the repository's own commands.
if [ -f scripts/astro-users.sh ]; then
  sh scripts/astro-users.sh
elif [ -n "$WORKSPACE_ID" ]; then
  warn "Put your commands into scripts/astro-users.sh. Until then a run only lists the users."
  astro workspace user list --workspace-id "$WORKSPACE_ID"
else
  warn "Put your commands into scripts/astro-users.sh. Until then a run only lists the users."
  astro organization user list
fi
