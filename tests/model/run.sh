#!/usr/bin/env bash
# Has spin look at every state of the models beside this file, and at the same
# models without one of their safeguards, where an assertion has to fail.  Exit
# status 0 when both is so.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

build=$(realpath -m "${BUILD:-build}/model")
limit_s=${LIMIT_S:-900}
mkdir -p "$build"
test=0 failed=0

# search MODEL DEFINES...: all states, to the first assertion that fails.
search() {
    local model=$PWD/tests/model/$1
    shift
    (cd "$build" && spin -a "${@/#/-D}" "$model" &&
        "${CC:-gcc}" -O2 -w -DSAFETY -DCOLLAPSE -DMEMLIM=4000 -o pan pan.c &&
        timeout "$limit_s" ./pan -E -m2000000) >"$build/log" 2>&1
}

# tell GOOD TEXT: one line of TAP, and what spin said if it is not good.
tell() {
    test=$((test + 1))
    if [ "$1" = yes ]; then
        echo "ok $test - $2"
    else
        echo "not ok $test - $2"
        sed 's/^/# /' "$build/log"
        failed=$((failed + 1))
    fi
}

holds() {
    local good=no states
    search "$@"
    grep -q 'errors: 0$' "$build/log" && ! grep -q 'Search not completed' "$build/log" && good=yes
    states=$(sed -nE 's/^ *([0-9.e+]+) states, stored.*/\1/p' "$build/log")
    tell $good "$* holds in all ${states:-0} states"
}

fails() {
    local good=no
    search "$@"
    grep -q 'assertion violated' "$build/log" && good=yes
    tell $good "$* fails: $(sed -nE 's/^pan:1: assertion violated (.*) \(at.*/\1/p' "$build/log")"
}

began=$SECONDS
holds takeover.pml SWITCHES=2 STARTS=2 LETTERS=2
holds takeover.pml SWITCHES=2 STARTS=3 LETTERS=1
holds takeover.pml SWITCHES=1 STARTS=3 LETTERS=3
holds takeover.pml SWITCHES=1 STARTS=4 LETTERS=2
for without in NO_FENCE FORGETFUL EPOCH_ALONE NO_LOCK BLIND EFFECTS_FIRST FREED_EARLY REACHED; do
    fails takeover.pml $without SWITCHES=2 STARTS=2 LETTERS=2
done
echo "1..$test"
echo "# $((SECONDS - began)) s"
[ "$failed" -eq 0 ]
