#!/usr/bin/env bash
# Plants one bug after the other in a copy of the sources, and tells after how
# many seeds the simulation finds it.  A bug is a patch beside this file; one
# that no longer applies or compiles is a failure too, so that the list stays
# true.  Exit status 0 when all are found.  With arguments: these patches only.
set -uo pipefail
cd "$(dirname "$0")/../../.." || exit 1

build=${BUILD:-build}
seeds=${SEEDS:-60}
work=$build/planted
rm -rf "$work"
mkdir -p "$work/build"
cp -a Makefile common wire libtpunet podmgr podctl simulator proto tools packaging tests "$work"
for part in gen lib obj tools; do # what is compiled already need not be again
    [ -d "$build/$part" ] && cp -a "$build/$part" "$work/build"
done

planted=0 needed=()
[ $# -gt 0 ] || set -- tests/sim/planted/*.patch
for bug in "$@"; do
    name=$(basename "$bug" .patch)
    planted=$((planted + 1))
    log=$work/$name.log
    if ! patch -d "$work" -p1 --silent <"$bug"; then
        echo "$name: does not apply"
        continue
    fi
    if ! make -C "$work" BUILD=build build/tests/sim/sim >"$log" 2>&1; then
        echo "$name: does not compile, see $log"
    else
        timeout 300 "$work/build/tests/sim/sim" "$seeds" 1 first >"$log" 2>&1
        found=$(sed -nE 's/^seed ([0-9]+): (.*)/\1 \2/p' "$log" | head -n 1)
        if [ -n "$found" ]; then
            needed+=("${found%% *}")
            printf '%-34s seed %3d: %.90s\n' "$name" "${found%% *}" "${found#* }"
        else
            printf '%-34s not found in %d seeds\n' "$name" "$seeds"
        fi
    fi
    patch -d "$work" -p1 -R --silent <"$bug"
done
median=$(printf "%s\n" "${needed[@]:-0}" | sort -n | sed -n "$(((${#needed[@]} + 1) / 2 + (${#needed[@]} == 0)))p")
echo "${#needed[@]} of $planted planted bugs found, median after ${median:-0} seeds"
[ "${#needed[@]}" -eq "$planted" ]
