#!/bin/bash
# Runs a command on a copy of this tree in a Debian 13 root (glibc 2.41, Python 3.13).
#
#     bash .ci/debian13.sh make test
#
# The root is made by debootstrap on first use and kept in ~/.cache/gradgate between runs, with
# the environments that the set-up made in it. The copy is laid anew each time. Everything that
# the command starts lives in a process namespace that ends with it.
set -Eeuo pipefail
tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
suite=trixie
packages=python3,python3-venv,python3-dev,g++,make,ca-certificates
cache=${XDG_CACHE_HOME:-$HOME/.cache}/gradgate
root=$cache/debian13
bundle_there=/etc/ssl/certs/ca-certificates.crt
bundle=${SSL_CERT_FILE:-$bundle_there}
recipe="$suite $packages"

fail() {
    echo "debian13: $*" >&2
    exit 1
}

make_root() {
    if ! command -v debootstrap >/dev/null; then
        echo "debian13: installing debootstrap"
        { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy debootstrap; } ||
            fail "debootstrap is missing and could not be installed: apt-get install debootstrap"
    fi
    local partial=$root.partial
    rm -rf --one-file-system "$root" "$partial"
    echo "debian13: making the root in $root"
    if ! debootstrap --variant=minbase --include="$packages" "$suite" "$partial"; then
        tail -n 5 "$partial/debootstrap/debootstrap.log" 2>/dev/null >&2 || true
        rm -rf --one-file-system "$partial"
        fail "debootstrap failed (is Debian's archive reached from here?)"
    fi
    rm -rf "$partial"/var/cache/apt/archives/*.deb
    mkdir -p "$partial/src/gradgate" "$partial/var/cache/uv" "$partial/var/cache/pip"
    echo "$recipe" >"$partial/.recipe"
    mv "$partial" "$root"
}

# Lays the tree anew; the environments stay, and the set-up brings them up to their locks.
lay_tree() {
    local copy=$root/src/gradgate
    find "$copy" -mindepth 1 -maxdepth 1 ! -name .venv ! -name .venv-base ! -name .cache \
        -exec rm -rf --one-file-system {} +
    if [ -d "$copy/.cache" ]; then
        find "$copy/.cache" -mindepth 1 -maxdepth 1 ! -name uv -exec rm -rf --one-file-system {} +
    fi
    git -C "$tree" -c safe.directory="$tree" ls-files -z --cached --others --exclude-standard |
        (cd "$tree" && tar --null --ignore-failed-read -cf - --files-from=-) | tar -xf - -C "$copy"
}

lay_network() {
    local file
    [ ! -r "$bundle" ] || cp -L "$bundle" "$root$bundle_there"
    for file in /etc/resolv.conf /etc/hosts; do
        [ ! -r "$file" ] || cp -L "$file" "$root$file"
    done
}

[ "$(id -u)" -eq 0 ] || fail "must run as root: debootstrap and chroot need it. Nothing was tested."
git -c safe.directory="$tree" -C "$tree" rev-parse --git-dir >/dev/null 2>&1 ||
    fail "$tree is no git clone: git says which files belong to the tree."
command -v unshare >/dev/null || fail "unshare is missing: apt-get install util-linux"
unshare --mount --pid --fork true ||
    fail "this machine does not let root make mount and process namespaces (unshare)."
mkdir -p "$cache"
# One run at a time: a second one on this machine waits here.
exec 9>"$cache/debian13.lock"
flock 9
[ "$(cat "$root/.recipe" 2>/dev/null)" = "$recipe" ] || make_root
lay_tree
lay_network

# Proxy, certificate and installer settings go in as they are, but for what names this machine.
for name in $(compgen -e); do
    case $name in
    PYENV_* | VIRTUAL_ENV | CONDA_* | XDG_* | PYTHON* | TMPDIR | UV_PYTHON* | UV_PROJECT* | GRADGATE_*)
        unset "$name"
        ;;
    *)
        [ ! -f "${!name}" ] || ! cmp -s "${!name}" "$bundle" || export "$name=$bundle_there"
        ;;
    esac
done
export GRADGATE_HOST_UV_CACHE=${UV_CACHE_DIR:-$HOME/.cache/uv}
export GRADGATE_HOST_PIP_CACHE=${PIP_CACHE_DIR:-$HOME/.cache/pip}
mkdir -p "$GRADGATE_HOST_UV_CACHE" "$GRADGATE_HOST_PIP_CACHE"
exec unshare --mount --pid --fork --kill-child bash -c '
    set -eu
    root=$1
    shift
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount --bind "$GRADGATE_HOST_UV_CACHE" "$root/var/cache/uv"
    mount --bind "$GRADGATE_HOST_PIP_CACHE" "$root/var/cache/pip"
    unset GRADGATE_HOST_UV_CACHE GRADGATE_HOST_PIP_CACHE
    export HOME=/root USER=root LANG=C.UTF-8
    export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    # The cache is on another mount: files are copied from it, and uv need not warn of that.
    export UV_CACHE_DIR=/var/cache/uv PIP_CACHE_DIR=/var/cache/pip UV_LINK_MODE=copy
    exec chroot "$root" /bin/sh -c "cd /src/gradgate && exec \"\$@\"" sh "$@"
' bash "$root" "$@"
