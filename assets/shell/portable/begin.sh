# The start of the script for every platform but GitHub. It is POSIX shell without backslashes and
# without braces around variables, because the files that hold it give those a meaning of their own.

set -e
fail() { echo "error: $1" >&2; exit 1; }
warn() { echo "warning: $1"; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
