"""What a training was fed, by digest, for its record."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tfx.types import artifact_utils
from tfx.types import standard_component_specs as stock
from tfx.types.artifact import Artifact

from gradgate.contracts import DataSource, TreeError, bind_tree, canonical_json, sha256

_LARGEST = 1 << 30  # bytes; above it only names and sizes are read


def data_sources(inputs: Mapping[str, Sequence[Artifact]]) -> tuple[DataSource, ...]:
    """Returns one source a split of the examples, and those of the schema and Transform graph.

    The digest is that of the files. A split above 1 GiB is not read through for this: its digest
    is then of the names and sizes alone, and its name says so.
    """
    return tuple(_source(name, path) for name, path in _folders(inputs))


def _folders(inputs: Mapping[str, Sequence[Artifact]]) -> Iterator[tuple[str, Path]]:
    for number, examples in enumerate(inputs.get(stock.EXAMPLES_KEY, ())):
        prefix = "examples" if number == 0 else f"examples-{number}"
        for split in artifact_utils.decode_split_names(examples.split_names):
            yield f"{prefix}/{split}", Path(artifact_utils.get_split_uris([examples], split)[0])
    for key in (stock.SCHEMA_KEY, stock.TRANSFORM_GRAPH_KEY):
        for artifact in inputs.get(key, ()):
            yield key, Path(artifact.uri)


def _source(name: str, folder: Path) -> DataSource:
    sizes = sorted(
        (str(path.relative_to(folder)), path.stat().st_size)
        for path in (Path(root, file) for root, _, files in os.walk(folder) for file in files)
    )
    if sum(size for _, size in sizes) > _LARGEST:
        listing = sha256(canonical_json(sizes))
        return DataSource(name=f"{name} (names and sizes)", digest=listing)
    try:
        return DataSource(name=name, digest=bind_tree(folder).digest)
    except TreeError:  # not on a local disk, empty, or linked: nothing to name it by
        return DataSource(name=name, digest="unknown")
