#!/usr/bin/env bash
# run.sh PROGRAM SECONDS: every target in turn for so long, from its seeds, each
# bounded in time an input and in memory.  One line a target; what libFuzzer
# says and what broke a target is under the program's directory.
set -uo pipefail

program=$1 limit_s=$2
here=$(cd "$(dirname "$0")" && pwd)
out=$(dirname "$program")/out
failed=0
export LSAN_OPTIONS="suppressions=$here/../lsan.supp:print_suppressions=0"

for seeds in "$here"/corpus/*/; do
    name=$(basename "$seeds")
    mkdir -p "$out/$name"
    FUZZ_TARGET=$name "$program" -max_total_time="$limit_s" -timeout=20 -rss_limit_mb=1024 \
        -max_len=4096 -print_final_stats=1 -artifact_prefix="$out/$name-" "$out/$name" "$seeds" \
        >"$out/$name.log" 2>&1
    status=$?
    printf '%-16s %9s runs %7s/s %6s covered  %s\n' "$name" \
        "$(sed -n 's/^stat::number_of_executed_units: *//p' "$out/$name.log")" \
        "$(sed -n 's/^stat::average_exec_per_sec: *//p' "$out/$name.log")" \
        "$(grep -o 'cov: [0-9]*' "$out/$name.log" | tail -1 | cut -c6-)" \
        "$([ "$status" -eq 0 ] && echo ok || echo "FAILED, see $out/$name.log")"
    [ "$status" -eq 0 ] || failed=$((failed + 1))
done
echo "$failed targets failed"
[ "$failed" -eq 0 ]
