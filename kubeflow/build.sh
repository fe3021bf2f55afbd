#!/bin/sh
# Builds the image of the steps.
#
#     sh kubeflow/build.sh [cpu|gpu] [BASE]     tags gradgate:VERSION, or gradgate:VERSION-gpu
#
# IMAGE=NAME names it otherwise. BUILD_BASE=IMAGE is another base for the build stage alone, with this
# machine's authorities and index: base-image.sh makes one.
set -eu
cd "$(dirname "$0")/.."
variant=${1:-cpu} base=${2:-debian:trixie-slim}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
tag=${IMAGE:-gradgate}:$version
case $variant in
cpu) ;;
gpu) tag=$tag-gpu ;;
*) echo "build: cpu or gpu, got $variant" >&2; exit 2 ;;
esac
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
[ -z "$(git status --porcelain 2>/dev/null)" ] || revision=$revision-modified
# When it was committed, not when it was built: the same tree has the same labels.
created=$(TZ=UTC0 git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd 2>/dev/null ||
    echo 1970-01-01T00:00:00Z)
docker build --network=host --file kubeflow/Dockerfile --tag "$tag" \
    --build-arg BASE="$base" --build-arg BUILD_BASE="${BUILD_BASE:-$base}" \
    --build-arg VARIANT="$variant" --build-arg VERSION="$version" \
    --build-arg REVISION="$revision" --build-arg CREATED="$created" .
echo "$tag"
