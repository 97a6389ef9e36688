# What the scripts of this folder share: the cache's place, and how they speak. Sourced, never run.
# shellcheck shell=bash

# shellcheck disable=SC2034 # read by the scripts that source this one
cache=${BRIDGE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bridge}

# say WHAT HOW: one aligned line of progress.
say() {
    printf '  %-18s %s\n' "$1" "$2"
}

# die WHAT REMEDY: what failed and what to do about it, then stop.
die() {
    printf '\n  failed: %s\n  remedy: %s\n' "$1" "$2" >&2
    exit 1
}

# need_space_mb MEGABYTES FOLDER: refuse to begin what the disk cannot hold.
need_space_mb() {
    local folder=$2 free
    while [ ! -d "$folder" ]; do folder=$(dirname "$folder"); done
    free=$(df -Pm "$folder" | awk 'NR == 2 { print $4 }')
    [ "$free" -ge "$1" ] || die "$folder has $free MB free, $1 MB are needed" \
        "make room, or name another place: make VENV=FOLDER for Python, export BRIDGE_CACHE=FOLDER for servers"
}

# logged LOG WHAT COMMAND...: run quietly, tell how long it took; show the log's end when it fails.
logged() {
    local log=$1 what=$2 begun=$SECONDS
    shift 2
    if ! "$@" >>"$log" 2>&1 </dev/null; then
        tail -n 25 "$log" >&2
        die "$what" "read $log; without a network the package sources cannot answer: call again when there is one"
    fi
    say "" "$what ($((SECONDS - begun)) s)"
}
