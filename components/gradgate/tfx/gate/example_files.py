"""The files of an `Examples` artifact that the model is asked with."""

from collections.abc import Sequence
from pathlib import Path

from tfx.types import artifact_utils
from tfx.types.artifact import Artifact

_SPLIT = "eval"


def example_files(examples: Sequence[Artifact]) -> list[Path]:
    """Returns the files of the eval split, or of the last one where there is no such split."""
    files: list[Path] = []
    for artifact in examples:
        splits = artifact_utils.decode_split_names(artifact.split_names)
        if splits:
            split = _SPLIT if _SPLIT in splits else splits[-1]
            files += Path(artifact_utils.get_split_uri([artifact], split)).glob("*")
    return sorted(file for file in files if file.is_file())
