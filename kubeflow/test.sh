#!/bin/sh
# Runs the compiled package in real containers: `make test-kubeflow`. Logs and what the runs made are
# kept in .cache/kubeflow. Without DOCKER_HOST it starts an engine of its own, and stops it.
#
#     BASE=IMAGE   Debian 13 to build on; without it, one is made by debootstrap
#     GRADGATE_IMAGE=IMAGE   an image that is there already; without it, one is built
set -eu
cd "$(dirname "$0")/.."
kept=$PWD/.cache/kubeflow
mkdir -p "$kept"
if [ -z "${DOCKER_HOST-}" ]; then
    engine=$kept/engine
    trap 'sh kubeflow/engine.sh stop "$engine"' EXIT
    DOCKER_HOST=$(sh kubeflow/engine.sh start "$engine")
    export DOCKER_HOST
fi
if [ -z "${GRADGATE_IMAGE-}" ]; then
    base=${BASE-}
    if [ -z "$base" ]; then
        base=gradgate-base:trixie
        docker image inspect "$base-build" >/dev/null 2>&1 || sh kubeflow/base-image.sh "$base"
        export BUILD_BASE="$base-build"
    fi
    echo "test-kubeflow: building the image; its log: $kept/build.log"
    sh kubeflow/build.sh cpu "$base" >"$kept/build.log" 2>&1 || { tail -n 20 "$kept/build.log" >&2; exit 1; }
    GRADGATE_IMAGE=$(tail -n 1 "$kept/build.log")
fi
export GRADGATE_IMAGE GRADGATE_SHARED="$kept/shared"
echo "test-kubeflow: $GRADGATE_IMAGE, runs and their logs in $GRADGATE_SHARED"
PYTHONPATH=components:. .venv-kubeflow/bin/python -m pytest --noconftest -p no:cacheprovider \
    tests/kubeflow/test_containers.py "$@"
