#!/usr/bin/env bash
# Makes what compose.yaml expects in deploy/secrets/, once: passwords, tokens, and a certificate for the broker.
#
#   deploy/secrets.sh [NAME-OF-THE-BROKER]     the name devices connect to; default: this machine's
#
# What is there already stays as it is. Replace tls/ by a certificate of your own authority if you have one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
name=${1:-$(hostname)}
umask 077
mkdir -p secrets/mosquitto/tls

secret() { [ -s "secrets/$1" ] || openssl rand -hex 24 | tr -d '\n' >"secrets/$1"; }
secret postgres_password
secret influxdb_password
secret influxdb_token
secret mqtt_password
secret bridge_secret_key

(
    cd secrets/mosquitto/tls
    [ -s ca.crt ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 \
        -subj "/CN=bridge broker authority" -keyout ca.key -out ca.crt 2>/dev/null
    if ! [ -s server.crt ]; then
        openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
            -subj "/CN=$name" -keyout server.key -out server.csr 2>/dev/null
        openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 825 -out server.crt \
            -extfile <(printf 'subjectAltName=DNS:%s,DNS:mosquitto\n' "$name") 2>/dev/null
        rm -f server.csr
    fi
)

if ! [ -s secrets/mosquitto/passwords ]; then
    touch secrets/mosquitto/passwords
    mosquitto_passwd -b secrets/mosquitto/passwords bridge "$(cat secrets/mqtt_password)"
fi
[ -s secrets/mosquitto/acl ] || cp mosquitto/acl secrets/mosquitto/acl

cat <<END
deploy/secrets/ is complete; keep it out of every repository and backup that others read.
  a device:     mosquitto_passwd -b deploy/secrets/mosquitto/passwords NAME PASSWORD, and its block in .../acl
  its trust:    deploy/secrets/mosquitto/tls/ca.crt
  start:        docker compose -f deploy/compose.yaml up -d
END
