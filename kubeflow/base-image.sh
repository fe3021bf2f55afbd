#!/bin/sh
# Makes a Debian 13 base image with debootstrap, where no image registry is reached.
#
#     sh kubeflow/base-image.sh [TAG]       default: gradgate-base:trixie
#
# The machine's certificates and pip configuration go along, so that the build reaches what this
# machine reaches. Needs root, debootstrap and a Docker engine (DOCKER_HOST).
set -eu
tag=${1:-gradgate-base:trixie}
folder=$(mktemp -d)
trap 'rm -rf --one-file-system "$folder"' EXIT
command -v debootstrap >/dev/null || { echo "base-image: apt-get install debootstrap" >&2; exit 1; }
debootstrap --variant=minbase --include=ca-certificates trixie "$folder" >"$folder.log" 2>&1 ||
    { tail -n 5 "$folder.log" >&2; exit 1; }
rm -rf "$folder"/var/cache/apt/archives/*.deb "$folder"/var/lib/apt/lists/* "$folder.log"
bundle=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}
[ ! -r "$bundle" ] || cp -L "$bundle" "$folder/etc/ssl/certs/ca-certificates.crt"
[ ! -r /etc/pip.conf ] || cp -L /etc/pip.conf "$folder/etc/pip.conf"
tar -C "$folder" -cf - . | docker import - "$tag"
