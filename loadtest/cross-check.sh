#!/usr/bin/env bash
# Compares the load tester with wrk: they alternately send the same picture over 64 connections in a closed loop. Medians are
# compared.
#
# usage: loadtest/cross-check.sh URL PICTURE SERVER_PID [ROUNDS] [SECONDS]
#
# Rounds in which processes other than the server and the generator took more than 5 % of the processor are shown but not
# counted, since they are disturbed.
set -euo pipefail

url=$1 server_pid=$3 rounds=${4:-5} seconds=${5:-5}
export PICTURE=$2
program=${LOADTEST:-target/release/stillhouse-loadtest}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/post.lua" <<'LUA'
wrk.method = "POST"
wrk.headers["content-type"] = "image/png"
wrk.body = assert(io.open(os.getenv("PICTURE"), "rb")):read("*a")
LUA

by_wrk() { wrk -t1 -c64 -d"$seconds" -s "$work/post.lua" "$url" | awk '/^Requests\/sec/ { print $2 }'; }

by_us() {
    "$program" run --url "$url" --pictures "$PICTURE" --callers 64 --warmup 0s --duration "${seconds}s" --json |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["phases"][-1]["answered_per_second"])'
}

# Ticks of 10 ms: all cores together, the server, and children of this shell that have ended.
busy_ticks() { awk '/^cpu / { print $2 + $3 + $4 + $7 + $8 + $9 }' /proc/stat; }
server_ticks() { awk '{ print $14 + $15 }' "/proc/$server_pid/stat"; }
own_ticks() { awk '{ print $16 + $17 }' "/proc/$$/stat"; }

# measure NAME FUNCTION: prints a line, and records the values for the medians if the round was undisturbed.
measure() {
    local busy server own rate others share
    busy=$(busy_ticks) server=$(server_ticks) own=$(own_ticks)
    rate=$("$2")
    busy=$(($(busy_ticks) - busy)) server=$(($(server_ticks) - server)) own=$(($(own_ticks) - own))
    others=$((busy - server - own))
    share=$((100 * others / (seconds * 100 * $(nproc))))
    printf '%-4s %10.0f requests/s; generator %3d, server %4d, others %4d ticks (%d %%)\n' \
        "$1" "$rate" "$own" "$server" "$others" "$share"
    if [ "$share" -le 5 ]; then echo "$rate" >>"$work/$1"; fi
}

median() { sort -n "$1" | awk '{ value[NR] = $1 } END { print value[int((NR + 1) / 2)] }'; }

for _ in $(seq "$rounds"); do
    measure wrk by_wrk
    measure own by_us
done
for name in wrk own; do
    [ -s "$work/$name" ] || { echo "no round of $name was undisturbed: try again on a quieter machine" >&2; exit 1; }
done
awk -v wrk="$(median "$work/wrk")" -v own="$(median "$work/own")" -v of_wrk="$(wc -l <"$work/wrk")" -v of_own="$(wc -l <"$work/own")" \
    'BEGIN {
        difference = 100 * (own / wrk - 1)
        printf "medians of %d and %d undisturbed rounds: wrk %.0f, stillhouse-loadtest %.0f requests/s (%+.1f %%)\n",
            of_wrk, of_own, wrk, own, difference
        exit difference < -5 || difference > 5
    }'
