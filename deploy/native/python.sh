#!/usr/bin/env bash
# Makes the Python environment of the checkout and installs the bridge into it.
#
#   deploy/native/python.sh FOLDER run|dev
#
# `run` is what the service needs, `dev` adds what the tests need. It does nothing if neither pyproject.toml nor
# .constraints.txt changed since the last time, so the Makefile calls it before everything.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
# shellcheck source=deploy/native/common.sh
. "$here/common.sh"

venv=$1
kind=$2
case "$kind" in
    run) what=. && need_mb=1500 ;;
    dev) what='.[dev]' && need_mb=2200 ;;
    *) die "no such kind of environment: $kind" "name run or dev" ;;
esac
cd "$root"

# The stamp holds what was installed; `dev` holds all that `run` does.
wanted=$(cat pyproject.toml .constraints.txt | cksum)
have() { [ -f "$venv/$1.ready" ] && [ "$(cat "$venv/$1.ready")" = "$wanted" ] && "$venv/bin/python" -c '' 2>/dev/null; }
if have dev || { [ "$kind" = run ] && have run; }; then
    exit 0
fi

fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
python=
for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
    if command -v "$candidate" >/dev/null && fits "$candidate"; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || die "no Python 3.11 or newer on PATH ($(python3 --version 2>&1 || true))" \
    "install one (Debian 12 or newer: apt-get install python3 python3-venv), or name one: make PYTHON=python3.12 ..."
"$python" -c 'import ensurepip, venv' 2>/dev/null || die "$python cannot make environments" \
    "as root: apt-get install python3-venv"
need_space_mb "$need_mb" "$(dirname "$venv")"

say "python" "$("$python" --version 2>&1) in $venv"
if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    "$python" -m venv --clear "$venv" || die "$python -m venv $venv" \
        "remove $venv and call again; if that does not help, as root: apt-get install python3-venv"
fi

log=$venv/install.log
say "packages" "installing $what; the first time this takes one to three minutes"
# One line that is written over on a terminal; elsewhere one line for every twenty packages.
progress() {
    local count=0 line
    while IFS= read -r line; do
        printf '%s\n' "$line" >>"$log"
        case "$line" in
            Collecting*) count=$((count + 1)) ;;
            Installing\ collected*) line="unpacking all of them" ;;
            *) continue ;;
        esac
        if [ -t 1 ]; then
            printf '\r\033[K  %-18s %3d %s' "" "$count" "${line:0:60}"
        elif [ $((count % 20)) = 0 ] || [ "${line#unpacking}" != "$line" ]; then
            printf '  %-18s %3d %s\n' "" "$count" "${line:0:60}"
        fi
    done
    if [ -t 1 ]; then printf '\r\033[K'; fi
}
: >"$log"
if ! "$venv/bin/python" -m pip install --disable-pip-version-check --no-input \
    -c .constraints.txt -e "$what" 2>&1 | progress; then
    tail -n 15 "$log" >&2
    die "pip could not install $what" \
        "without a network the package index cannot answer, and a full disk ends a download (df -h $venv); the log is $log"
fi
"$venv/bin/python" -m pip check --disable-pip-version-check >>"$log" || die "the packages contradict each other" \
    "see the end of $log; rm -rf $venv and call again"
printf '%s' "$wanted" >"$venv/$kind.ready"
say "packages" "installed ($SECONDS s)"
