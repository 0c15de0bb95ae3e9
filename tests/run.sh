#!/usr/bin/env bash
# Runs test programs one after the other, each bounded in time, and ends with
# "N passed, N failed".  A program that dies without naming a failed test
# counts as one failure.
set -uo pipefail

limit_s=${TEST_LIMIT_S:-300}
passed=0 failed=0
export CMOCKA_MESSAGE_OUTPUT=TAP
here=$(dirname "$0")
export LSAN_OPTIONS="suppressions=$here/lsan.supp:print_suppressions=0"
log=$(mktemp)
trap 'rm -f "$log"' EXIT

for program in "$@"; do
    start=$(date +%s%N)
    timeout --kill-after=10 "$limit_s" "$program" >"$log" 2>&1
    status=$?
    ok=$(grep -c '^ok ' "$log")
    bad=$(grep -c '^not ok ' "$log")
    if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then
        bad=1
    fi
    passed=$((passed + ok)) failed=$((failed + bad))
    printf '%-44s %4d ok %3d failed  %6d ms\n' "${program#"${BUILD:-build}"/tests/}" "$ok" "$bad" \
        $((($(date +%s%N) - start) / 1000000))
    if [ "$bad" -ne 0 ]; then
        echo "---- $program (exit $status)"
        grep -v '^ok ' "$log" | tail -n 60
        echo "----"
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
