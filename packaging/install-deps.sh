#!/usr/bin/env bash
# Installs the Debian packages listed in FILE that are missing, and says so.
# Does nothing, quietly and without the network, when all are there.
set -euo pipefail

mapfile -t wanted < <(grep -Ev '^[[:space:]]*(#|$)' "$1")
# One call for all.  dpkg-query names unknown packages on stderr only (and then
# fails), so what counts is who is listed as installed.
mapfile -t missing < <(comm -23 \
    <(printf '%s\n' "${wanted[@]}" | sort -u) \
    <(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>/dev/null |
        sed -n 's/^installed //p' | sort -u))
[ ${#missing[@]} -eq 0 ] && exit 0

echo "installing missing Debian packages: ${missing[*]}" >&2
sudo=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "not root and no sudo: run 'apt-get install ${missing[*]}' as root" >&2
        exit 1
    fi
    sudo=(sudo)
fi
export DEBIAN_FRONTEND=noninteractive
"${sudo[@]}" apt-get update -qq
"${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
