# Gives the Astro CLI a folder of its own: it writes the token into its configuration.

ASTRO_HOME="$work/home"
ASTRO_TELEMETRY_DISABLED=1
export ASTRO_HOME ASTRO_TELEMETRY_DISABLED
mkdir "$ASTRO_HOME"
