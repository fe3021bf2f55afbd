#!/bin/sh
# Builds the image of the steps.
#
#     sh kubeflow/build.sh [cpu|gpu] [BASE]     tags gradgate:VERSION, or gradgate:VERSION-gpu
set -eu
cd "$(dirname "$0")/.."
variant=${1:-cpu} base=${2:-debian:trixie-slim}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
tag=gradgate:$version
case $variant in
cpu) ;;
gpu) tag=$tag-gpu ;;
*) echo "build: cpu or gpu, got $variant" >&2; exit 2 ;;
esac
docker build --network=host --file kubeflow/Dockerfile --tag "$tag" \
    --build-arg BASE="$base" --build-arg VARIANT="$variant" --build-arg VERSION="$version" \
    --build-arg REVISION="$(git rev-parse HEAD 2>/dev/null || echo unknown)" .
echo "$tag"
