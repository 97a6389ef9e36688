#!/usr/bin/env bash
# Makes what compose.yaml expects in deploy/secrets/, once: passwords, tokens, and a certificate for the broker.
#
#   deploy/secrets.sh [NAME-OF-THE-BROKER]     the name that devices connect to; default: this machine's
#
# What is there already stays as it is. Replace tls/ by a certificate of your own authority if you have one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
name=${1:-$(hostname)}
for tool in openssl mosquitto_passwd; do
    command -v "$tool" >/dev/null || {
        echo "$tool is needed: as root, apt-get install openssl mosquitto" >&2
        exit 1
    }
done

# The containers' users have numbers of their own and must read the files; the folder around them is closed to others.
mkdir -p secrets
chmod 700 secrets
umask 022
mkdir -p secrets/mosquitto/{tls,conf.d,data}

secret() { [ -s "secrets/$1" ] || printf '%s' "$2" >"secrets/$1"; }
secret postgres_password "$(openssl rand -hex 24)"
secret influxdb_password "$(openssl rand -hex 24)"
secret influxdb_token "$(openssl rand -hex 32)"
secret mqtt_password "$(openssl rand -hex 24)"
secret records_url "postgresql+psycopg://bridge:$(cat secrets/postgres_password)@postgres:5432/bridge"

curve=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
if ! [ -s secrets/mosquitto/tls/server.crt ]; then
    # The authority's key never enters the broker's folder.
    [ -s secrets/ca.crt ] || openssl req -x509 "${curve[@]}" -days 3650 -subj "/CN=bridge broker authority" \
        -keyout secrets/ca.key -out secrets/ca.crt 2>/dev/null
    openssl req -new "${curve[@]}" -subj "/CN=$name" \
        -keyout secrets/mosquitto/tls/server.key -out secrets/server.csr 2>/dev/null
    openssl x509 -req -in secrets/server.csr -CA secrets/ca.crt -CAkey secrets/ca.key -CAcreateserial -days 825 \
        -out secrets/mosquitto/tls/server.crt \
        -extfile <(printf 'subjectAltName=DNS:%s,DNS:mosquitto\n' "$name") 2>/dev/null
    rm -f secrets/server.csr
    chmod 644 secrets/mosquitto/tls/server.key
fi

if ! [ -s secrets/mosquitto/passwords ]; then
    : >secrets/mosquitto/passwords
    mosquitto_passwd -b secrets/mosquitto/passwords bridge "$(cat secrets/mqtt_password)"
    chmod 644 secrets/mosquitto/passwords
fi
[ -s secrets/mosquitto/acl ] || cp mosquitto/acl secrets/mosquitto/acl
cp mosquitto/conf.d/*.conf secrets/mosquitto/conf.d/

cat <<END
deploy/secrets/ is complete. Keep it out of every repository, and out of backups that others read.
  a device     mosquitto_passwd -b deploy/secrets/mosquitto/passwords NAME PASSWORD; its block in .../mosquitto/acl;
               docker compose -f deploy/compose.yaml kill -s HUP mosquitto
  its trust    deploy/secrets/ca.crt
  start        docker compose -f deploy/compose.yaml up -d --build
END
