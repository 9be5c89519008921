#!/bin/sh
# Runs the program given as $1 with an empty home folder: set up in the sandbox without a terminal,
# look at what it says and wrote, and see that a missing answer stops it.
set -eu
program=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
run() { (cd "$home" && env -i PATH="$PATH" HOME="$home" TERM=xterm-256color "$program" "$@"); }

run setup --sandbox --no-input --yes --credential workspace-token --workspace "Data Platform" \
	--role WORKSPACE_AUTHOR --expires-in 90d --platform github --repo acme/etl --deploy infer --json >"$home/out.json"
for word in '"shortToken"' '"WORKSPACE_AUTHOR"' '"github:acme/etl/ASTRO_API_TOKEN"' '"proof"'; do
	grep -q "$word" "$home/out.json" || { echo "the result lacks $word:"; cat "$home/out.json"; exit 1; }
done
file=$(find "$home" -path '*/.github/workflows/*.yml')
grep -q 'astro deploy' "$file" || { echo "no workflow file was written"; exit 1; }

code=0
run setup --sandbox --no-input --yes --json >"$home/missing.json" 2>/dev/null || code=$?
[ "$code" = 3 ] || { echo "a missing answer ended with $code instead of 3"; exit 1; }

if grep -rE 'eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.' "$home" >/dev/null; then echo "a token stands in a file"; exit 1; fi
echo "smoke: all fine"
