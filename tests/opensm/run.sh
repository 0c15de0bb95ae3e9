#!/usr/bin/env bash
# `make bench-opensm`: one failed link of a torus, OpenSM (torus-2QoS, on a fabric
# that ibsim emulates) and libtpunet side by side.
#
#   tests/opensm/run.sh [SHAPE...]     4x4x4 8x8x8 16x16x16 if none is named
#
# BOUND seconds (300) for each of OpenSM's two sweeps; a shape that takes longer is
# reported as such and the script ends with status 1.
#
# OpenSM's times are those of its own log: from the order to ibsim to unlink, to
#   found    the trap has come and the fabric was discovered anew,
#   routed   torus-2QoS has made new tables,
#   up       the tables are at the switches ("SUBNET UP").
# Ours are those that `tpunet routes` prints: to route around the same link, and to
# prove these routes.  Discovery and installation are not among them.
set -uo pipefail

here=$(dirname "$(readlink -f "$0")")
tpunet=${BUILD:-build}/bin/tpunet
bound=${BOUND:-300}
umad=$(dpkg -L libumad2sim0 | grep -m1 '/libumad2sim\.so$') || exit 1

dir=$(mktemp -d)
export IBSIM_SOCKNAME=torus-$$ # else two runs at once would meet
sim='' sm=''

# end PID: SIGTERM, and SIGKILL when that has not helped within five seconds.
end() {
    [ -n "$1" ] || return 0
    kill "$1" 2>/dev/null
    timeout 5 tail --pid="$1" -f /dev/null || kill -KILL "$1" 2>/dev/null
    wait "$1" 2>/dev/null
    return 0
}

end_both() {
    end "$sm"
    end "$sim"
    exec 3>&-
    sim='' sm=''
}
trap 'end_both; rm -rf "$dir"' EXIT

# await COUNT TEXT FILE: until TEXT is in COUNT lines of FILE, within the bound and
# while ibsim lives.  tail ends as soon as grep has read the last of them.
await() {
    local n
    n=$(timeout "$bound" tail -n +1 -s 0.1 -F --pid="$sim" -- "$3" 2>/dev/null |
        grep -m "$1" -cF -- "$2")
    [ "$n" -ge "$1" ]
}

# ms_after WHEN TEXT: from WHEN (seconds) to the last line of the log with TEXT.
ms_after() {
    local month day clock micros
    read -r month day clock micros _ < <(grep -F -- "$2" "$dir/osm.log" | tail -n 1)
    awk -v a="$1" -v b="$(date -d "$month $day $clock" +%s)" -v us="$micros" \
        'BEGIN { printf "%.0f", (b - a) * 1000 + us / 1000 }'
}

# opensm_times SHAPE: sets sweep, found, routed and up, in ms.
opensm_times() {
    local x y z n began failed
    IFS=x read -r x y z <<<"$1"
    n=$((x * y * z))
    awk -v X="$x" -v Y="$y" -v Z="$z" -v FILE="$dir/torus" -f "$here/torus.awk"
    printf 'force_log_flush TRUE\n' >"$dir/opensm.conf"
    rm -f "$dir/orders" "$dir/osm.log"
    mkfifo "$dir/orders"
    ibsim -s -N $((2 * n + 8)) -S $((n + 8)) -P $((11 * n + 64)) "$dir/torus.net" \
        <"$dir/orders" >"$dir/ibsim.out" 2>&1 &
    sim=$!
    exec 3>"$dir/orders"
    await 1 'simulator ready' "$dir/ibsim.out" || return 1

    began=$(date +%s.%N)
    SIM_HOST=H0 OSM_TMP_DIR=$dir OSM_CACHE_DIR=$dir LD_PRELOAD=$umad opensm -F "$dir/opensm.conf" \
        -R torus-2QoS --torus_config "$dir/torus.conf" -Q -s 0 -f "$dir/osm.log" \
        3>&- >"$dir/osm.out" 2>&1 &
    sm=$!
    await 1 'SUBNET UP' "$dir/osm.log" || return 1
    sweep=$(ms_after "$began" 'SUBNET UP')

    failed=$(date +%s.%N)
    echo 'unlink "S0"[1]' >&3
    await 2 'SUBNET UP' "$dir/osm.log" || return 1
    found=$(ms_after "$failed" 'Found fabric')
    routed=$(ms_after "$failed" 'tables configured on all switches')
    up=$(ms_after "$failed" 'SUBNET UP')
    grep -q 'Missing torus +x link on switch 0,0,0' "$dir/osm.log" # it was that link
}

# our_times SHAPE: "route proof", in ms.
our_times() {
    "$tpunet" routes "$1" --fault link:0+x |
        sed -nE 's/^time +([0-9.]+) +ms to route, ([0-9.]+) ms to prove.*/\1 \2/p'
}

[ $# -gt 0 ] || set -- 4x4x4 8x8x8 16x16x16
failures=0
echo "one failed link, ms           OpenSM torus-2QoS on ibsim          libtpunet"
echo "slice       first sweep     found    routed        up       routed    proved"
for shape; do
    if opensm_times "$shape"; then
        read -r route proof < <(our_times "$shape")
        awk -v s="$shape" -v a="$sweep" -v b="$found" -v c="$routed" -v d="$up" \
            -v r="$route" -v p="$proof" 'BEGIN {
                printf "%-10s %12d %9d %9d %9d %12.1f %9.1f\n", s, a, b, c, d, r, r + p }'
    else
        echo "$shape: OpenSM or ibsim did not come to an end within $bound s a sweep:"
        tail -n 3 "$dir/ibsim.out" "$dir/osm.log" 2>/dev/null
        failures=1
    fi
    end_both
done
exit $failures
