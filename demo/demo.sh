#!/usr/bin/env bash
# A simulated pod of 64 cubes, from request to verified torus: starts podsim,
# podmgr and tpunetd on Unix sockets in a directory of its own, lets slices
# come alive, traces a link, swaps two fibres, and checks from the simulator's
# side that every mirror is dark in the end.  Exit 0 only if every step held.
# KEEP=1 leaves the pod running and prints how to reach it.
set -euo pipefail

bin=$(cd "${BUILD:-build}/bin" && pwd)
PATH=$bin:$PATH
dir=$(mktemp -d /tmp/podmgr-demo-XXXXXX)
pids=()
start_ms=$(date +%s%3N)

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$'\e[1m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
else
    bold='' green='' red='' plain=''
fi

say() {
    local ms=$(($(date +%s%3N) - start_ms))
    printf '%s%3d.%03d s%s  %s\n' "$bold" $((ms / 1000)) $((ms % 1000)) "$plain" "$*"
}

good() {
    say "${green}ok${plain}    $*"
}

stop_pod() {
    local pid
    for pid in "${pids[@]}"; do
        kill -TERM "$pid" 2>/dev/null || true
    done
    for pid in "${pids[@]}"; do
        wait "$pid" 2>/dev/null || true
    done
    pids=()
}

fail() {
    say "${red}FAILED${plain}  $*"
    for log in "$dir"/*.log; do
        printf -- '---- %s\n' "$log"
        tail -n 15 "$log"
    done
    exit 1
}

on_exit() {
    status=$?
    if [ -n "${KEEP:-}" ] && [ "$status" -eq 0 ]; then
        return
    fi
    stop_pod
    if [ "$status" -eq 0 ]; then
        rm -rf "$dir"
    else
        echo "logs and state are left in $dir"
    fi
    exit "$status"
}
trap on_exit EXIT

# spawn NAME ARG...: a daemon of ours, its output to NAME.log.
spawn() {
    local name=$1
    shift
    "$name" "$@" >"$dir/$name.log" 2>&1 &
    pids+=($!)
}

# await SECONDS WHAT COMMAND...: until the command succeeds.
await() {
    local limit_s=$1 what=$2
    shift 2
    local end=$(($(date +%s) + limit_s))
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -lt "$end" ] || fail "$what did not come about in $limit_s s"
        read -rt 0.02 <> <(:) || true
    done
}

# The value of a number or string in the JSON on stdin: field NAME (first match).
field() {
    sed -nE "s/.*\"$1\": ?\"?([^\",}]*)\"?.*/\1/p" | head -n 1
}

circuits() {
    simctl status | field circuits
}

pod_is_whole() {
    [ "$(podctl pod -o json | field hosts_healthy)" = 1024 ] &&
        [ "$(podctl pod -o json | field ocs_reachable)" = 48 ]
}

# create NAME TOPOLOGY: until ACTIVE; says how long it took.
create() {
    local out
    out=$(podctl -o json slice create "$2" --name "$1" --wait=30s) || fail "slice $1 ($2): $out"
    good "slice $1: $2 twisted=$(field twisted <<<"$out") is $(field state <<<"$out"):" \
        "switches $(field programmed_ms <<<"$out") ms, ACTIVE after $(field active_ms <<<"$out") ms;" \
        "$(field algorithm <<<"$out"), $(field vcs <<<"$out") VCs," \
        "at most $(field max_hops <<<"$out") hops, load $(field max_link_load <<<"$out")"
}

# in_state NAME STATE, and moved NAME CUBE: ACTIVE, and no longer on that cube.
in_state() {
    [ "$(podctl -o json slice show "$1" | field state)" = "$2" ]
}
moved() { # by one answer: between two the swap may begin
    local slice
    slice=$(podctl -o json slice show "$1")
    [ "$(field state <<<"$slice")" = ACTIVE ] && ! grep -qF "\"$2\"" <<<"$slice"
}

cat >"$dir/podsim.yaml" <<YAML
pod: demo
cubes: 64
mirror_time_ms: {median: 10, p99: 30}
ocs_url: "ipc://$dir/ocs-%u.sock"
fabric_url: "ipc://$dir/fabric.sock"
control_url: "ipc://$dir/control.sock"
YAML
cat >"$dir/podmgr.yaml" <<YAML
pod: {id: demo, cubes: 64}
ocs: {url: "ipc://$dir/ocs-%u.sock"}
agents: {url: "ipc://$dir/agents.sock"}
listen: {http: "127.0.0.1:0", socket: "$dir/podmgr.sock"}
state: {database: "$dir/podmgr.db"}
YAML
export PODCTL_SOCKET=$dir/podmgr.sock SIMCTL_URL=ipc://$dir/control.sock

say "${bold}pod up${plain}: 64 cubes, 1024 hosts, 4096 chips, 48 optical switches"
spawn podsim --config "$dir/podsim.yaml"
spawn podmgr --config "$dir/podmgr.yaml"
spawn tpunetd --pod demo --name demo --hosts all --cubes 64 \
    --fabric "ipc://$dir/fabric.sock" --podmgr "ipc://$dir/agents.sock" --epoch-file "$dir/epoch"
await 20 "the pod" pod_is_whole
good "all switches attached, all hosts have a lease"

say "${bold}three slices${plain}"
create small 4x4x8
create cube8 8x8x8
create one 4x4x4
podctl slice list
[ "$(circuits)" = $((11 * 48)) ] || fail "11 cubes need $((11 * 48)) circuits, there are $(circuits)"
good "$(circuits) mirrors are set, 48 a cube"

say "${bold}one link, from chip to chip${plain}"
podctl slice links cube8 --trace chip/2-3-1-2+x || fail "the link was not found"
simctl send chip/2-0-0-0 chip/9-3-3-3 >"$dir/flit.json" || fail "a flit was lost"
good "a flit from chip/2-0-0-0 to chip/9-3-3-3 took $(field hops <"$dir/flit.json") hops"

say "${bold}two fibres are swapped before a fourth slice${plain}"
simctl inject swapped-fibres fibre/11+x-2-1 --set with=fibre/12+x-2-1 >/dev/null
status=0
podctl slice create 8x8x8 --name crossed --wait=30s >"$dir/crossed.txt" 2>&1 || status=$?
[ "$status" -eq 4 ] || fail "the crossed slice should have FAILED (exit 4), not $status"
podctl -o json slice show crossed >"$dir/crossed.json"
for fibre in fibre/11+x-2-1 fibre/12+x-2-1; do
    grep -qF "$fibre" "$dir/crossed.json" || fail "the reason does not name $fibre"
done
good "it FAILED: $(sed -nE 's/.*"reason": ?"([^"]*)".*/\1/p' "$dir/crossed.json")"
podctl slice delete crossed --wait=30s >/dev/null || fail "the crossed slice stays"
simctl heal all >/dev/null
good "deleted; the fibres are back in their places"

say "${bold}a host dies under cube8${plain}"
simctl inject host host/3-4 >/dev/null
await 20 "a swap of cube/3" moved cube8 cube/3
good "cube/3 was swapped by itself, cube8 is ACTIVE again"
simctl heal all >/dev/null

say "${bold}a switch loses its power${plain}"
simctl inject power-loss ocs/17 >/dev/null
await 20 "routes around ocs/17" in_state cube8 ACTIVE_DEGRADED
good "cube8 goes around it: all-to-all throughput retained" \
    "$(podctl -o json slice show cube8 | field retained)"
simctl heal ocs/17 >/dev/null
await 60 "full routes" in_state cube8 ACTIVE
good "replaced: full routes again"
podctl incident list
podctl repair list

say "${bold}all released${plain}"
podctl slice delete small cube8 one --wait=30s >/dev/null || fail "a slice stays"
[ "$(circuits)" = 0 ] || fail "$(circuits) mirrors are still set"
good "every mirror is dark, seen from the simulator's side"

say "${bold}what happened${plain} (podctl event)"
podctl event | grep -E 'slice\.(active|degraded|reconfiguring|failed|deleted)|incident\.opened|epoch' | cut -c -120 || fail "no events"

if [ -n "${KEEP:-}" ]; then
    echo
    echo "The pod stays up (processes ${pids[*]}). Try:"
    echo "  export PODCTL_SOCKET=$PODCTL_SOCKET SIMCTL_URL=$SIMCTL_URL"
    echo "  $bin/podctl pod"
    sed -nE 's|.*(http://127.0.0.1:[0-9]+).*|  curl \1/v1/pod|p' "$dir/podmgr.log" | head -n 1
    echo "  kill ${pids[*]}    # ends it"
    exit 0
fi
stop_pod
good "stopped; every step held"
