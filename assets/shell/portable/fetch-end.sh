# Hands the token that was read to the Astro CLI, and to nothing that ran before.
# In: ASTRO_API_TOKEN.

export ASTRO_API_TOKEN
