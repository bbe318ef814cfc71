#!/bin/sh
# Make the secrets that compose.yaml names and that are not there yet, each in a file of deploy/secrets. There is no
# default password. The CRM's key is yours: write it to deploy/secrets/crm-api-key first.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets
chmod 0700 secrets
if [ ! -s secrets/crm-api-key ]; then
    echo "write the CRM's API key to deploy/secrets/crm-api-key, in one line" >&2
    exit 2
fi
for name in postgres-password viewer-secret analyst-secret admin-secret webhook-secret; do
    [ -s "secrets/$name" ] || openssl rand -hex 32 >"secrets/$name"
done
rm -f secrets/dagster-postgres-url
printf 'postgresql://crm:%s@postgres:5432/crm\n' "$(cat secrets/postgres-password)" >secrets/dagster-postgres-url
# Containers run as others than who owns the files; the folder keeps everybody else of this machine out.
chmod 0444 secrets/*
