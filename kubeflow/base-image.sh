#!/bin/sh
# Makes Debian 13 base images with debootstrap, where no image registry is reached.
#
#     sh kubeflow/base-image.sh [TAG]       default: gradgate-base:trixie
#
# TAG is a plain, small Debian. TAG-build, for the build stage alone (BUILD_BASE), has this machine's
# certificate authorities and its package index too, so that it reaches what this machine reaches.
# Needs root, debootstrap and a Docker engine (DOCKER_HOST).
set -eu
tag=${1:-gradgate-base:trixie}
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
root=$work/root
command -v debootstrap >/dev/null || { echo "base-image: apt-get install debootstrap" >&2; exit 1; }
debootstrap --variant=minbase --include=ca-certificates trixie "$root" >"$work/log" 2>&1 ||
    { tail -n 5 "$work/log" >&2; exit 1; }
# As in Debian's own slim images: no manuals, no translations, nothing of how it was made.
find "$root/usr/share/doc" -type f ! -name copyright -delete
rm -rf "$root"/usr/share/info/* "$root"/usr/share/man/* \
    "$root"/usr/share/locale/* "$root"/var/cache/apt/* "$root"/var/cache/debconf/* \
    "$root"/var/lib/apt/lists/* "$root"/var/log/* "$root"/dev/* "$root"/etc/hostname \
    "$root"/etc/resolv.conf "$root"/etc/machine-id
tar -C "$root" --numeric-owner -cf - . | docker import --change 'CMD ["bash"]' - "$tag"

# An index by its address only: a folder of this machine is not in there. What a person has set for
# this shell goes before what a file says.
index=${PIP_INDEX_URL:-$(python3 -m pip config get global.index-url 2>/dev/null || true)}
case $index in https://* | http://*) ;; *) index='' ;; esac
bundle=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}
mkdir "$work/context"
cp -L "$bundle" "$work/context/authorities.crt"
{
    echo "FROM $tag"
    echo "COPY authorities.crt /etc/ssl/authorities.crt"
    echo "ENV SSL_CERT_FILE=/etc/ssl/authorities.crt PIP_CERT=/etc/ssl/authorities.crt"
    [ -z "$index" ] || echo "ENV PIP_INDEX_URL=\"$index\" UV_DEFAULT_INDEX=\"$index\""
} >"$work/context/Dockerfile"
docker build --quiet --tag "$tag-build" "$work/context"
