#!/bin/sh
# Finds any Python that runs and hands over to requirements/bootstrap, which does the set-up.
# That Python only has to run the set-up: the product's own Python is chosen there.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

# A pyenv shim exists for every version ever installed and fails for all but the selected one,
# so each candidate must prove that it runs.
for python in /usr/bin/python3 python3 python3.13 python3.12 python3.11 python3.10 \
    "${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/3.*/bin/python3; do
    if "$python" -I -S -c 'import sys; sys.exit(sys.version_info < (3, 8))' >/dev/null 2>&1; then
        exec "$python" -I "$here/bootstrap" "$@"
    fi
done

echo "gradgate: no Python runs here, and the set-up itself needs one (3.8 or newer)." >&2
echo "Install it, then run the same command again:" >&2
if command -v apt-get >/dev/null 2>&1; then
    echo "  apt-get install -y python3 python3-venv" >&2
elif command -v dnf >/dev/null 2>&1; then
    echo "  dnf install -y python3" >&2
else
    echo "  python3, with your system's package manager" >&2
fi
exit 1
