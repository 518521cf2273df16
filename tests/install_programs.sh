#!/bin/sh
# The programs that the tests drive: a browser to call from, a voice to speak with, a linter for metrics, a database,
# proxies, a relay, the memory of Ray's head.
# Installed where this may be done (Debian, root); elsewhere what is missing is named, and its tests skip,
# but with CI=true nothing may be missing.
set -eu
PATH="$PATH:/usr/sbin" # where Debian keeps servers

missing=""
for pair in chromium:chromium flite:flite promtool:prometheus nginx:nginx-light caddy:caddy turnserver:coturn redis-server:redis-server; do
    command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair##*:}"
done
# Debian keeps the server's programs off the path, in a folder of their version.
command -v initdb >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
[ -z "$missing" ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # shellcheck disable=SC2086 # a list of names
    apt-get install -y -qq --no-install-recommends $missing >/dev/null
    exit 0
fi

echo "not installed:$missing (on Debian: sudo apt-get install$missing)" >&2
[ "${CI:-}" != true ]
