#!/usr/bin/env bash
# Puts the real servers of the tests on a Debian machine: packages by apt as root, InfluxDB into the cache.
#
#   deploy/native/services.sh          install what is missing (make services)
#   deploy/native/services.sh --list   only tell what is there
#
# It may be called again and again, and does only what is missing. No service is started, stopped, enabled or disabled:
# the tests start their own processes on ports of their own.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=deploy/native/common.sh
. "$here/common.sh"

influxd=$cache/influxdb-2.7.12/bin/influxd
PATH=$PATH:/usr/sbin:/usr/local/sbin

find_postgres() { find /usr/lib/postgresql -path '*/bin/postgres' 2>/dev/null | sort -V | tail -n 1 | grep . || type -P postgres; }

list() {
    local missing=0
    present() { # NAME PATH-OR-EMPTY HOW
        if [ -n "$2" ]; then say "$1" "present: $2"; else say "$1" "missing: $3" && missing=$((missing + 1)); fi
    }
    present mosquitto "$(command -v mosquitto || true)" "apt-get install mosquitto mosquitto-clients"
    present mosquitto_passwd "$(command -v mosquitto_passwd || true)" "apt-get install mosquitto"
    present PostgreSQL "$(find_postgres || true)" "apt-get install postgresql"
    present Chromium "$(command -v chromium || command -v google-chrome || true)" "apt-get install chromium"
    present openssl "$(command -v openssl || true)" "apt-get install openssl"
    present "InfluxDB 2.7" "$([ -x "$influxd" ] && echo "$influxd" || command -v influxd || true)" \
        "deploy/native/influxdb.sh"
    return "$missing"
}

# A package's own start of its service is held back for the time of this installation only.
install_quietly() {
    local policy=/usr/sbin/policy-rc.d made=
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod +x "$policy"
        made=yes
    fi
    # shellcheck disable=SC2064
    [ -z "$made" ] || trap "rm -f $policy" EXIT
    export DEBIAN_FRONTEND=noninteractive
    logged "$log" "apt-get update" apt-get update
    logged "$log" "apt-get install $*" apt-get install -y --no-install-recommends "$@"
    [ -z "$made" ] || rm -f "$policy"
    trap - EXIT
}

if [ "${1:-}" = --list ]; then
    printf '== servers\n'
    list || say "" "tests that need what is missing are left out and named; make services brings it"
    exit 0
fi

printf '== servers\n'
packages=()
command -v mosquitto >/dev/null && command -v mosquitto_passwd >/dev/null || packages+=(mosquitto)
command -v mosquitto_pub >/dev/null || packages+=(mosquitto-clients)
find_postgres >/dev/null || packages+=(postgresql)
command -v chromium >/dev/null || command -v google-chrome >/dev/null || packages+=(chromium)
command -v openssl >/dev/null || packages+=(openssl)
if ! [ -x "$influxd" ] && ! command -v influxd >/dev/null; then
    command -v clang >/dev/null || packages+=(clang)
    command -v protoc >/dev/null || packages+=(protobuf-compiler)
    command -v pkg-config >/dev/null || packages+=(pkg-config)
    command -v gcc >/dev/null || packages+=(gcc libc6-dev)
    command -v python3 >/dev/null && python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3 python3-venv)
    command -v git >/dev/null || packages+=(git ca-certificates)
    # Debian 12's own Rust is too old; it carries a newer one for the browsers.
    if ! command -v cargo >/dev/null; then
        if grep -q '^VERSION_ID="12"' /etc/os-release 2>/dev/null; then packages+=(cargo-web rustc-web); else packages+=(cargo rustc); fi
    fi
fi

if [ "${#packages[@]}" -gt 0 ]; then
    if ! command -v apt-get >/dev/null; then
        die "these are missing and this is not Debian: ${packages[*]}" \
            "install mosquitto, PostgreSQL, Chromium, clang, protoc, Go >= 1.23 and Rust with this system's package manager"
    fi
    if [ "$(id -u)" != 0 ]; then
        die "these are missing and only root can install them: ${packages[*]}" \
            "sudo apt-get install --no-install-recommends ${packages[*]} && make services"
    fi
    need_space_mb 2500 /usr
    mkdir -p "$cache"
    log=$cache/apt.log
    install_quietly "${packages[@]}"
fi
command -v influxd >/dev/null || "$here/influxdb.sh"
list || die "not every server is there" "see the lines above marked 'missing'"
