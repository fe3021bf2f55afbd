"""The mark that an exported model carries: which training made it.

The record names the model by its digest, and the model names the training by this file, which its
digest covers. So neither can be exchanged alone.
"""

import os
from pathlib import Path

from gradgate.contracts.canonical import canonical_json, parse_json
from gradgate.contracts.health import BoundModel
from gradgate.contracts.tree import bind_tree

MARK = "assets.extra/gradgate.json"


def mark_and_bind(directory: str | os.PathLike[str], training_uid: str) -> BoundModel:
    """Writes the mark into an exported model, and returns the digest of what is there then.

    Raises:
        TreeError: If the directory holds no model; then nothing is written.
    """
    bind_tree(directory)
    path = Path(directory, MARK)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(canonical_json({"training_uid": training_uid}))
    return bind_tree(directory)


def read_mark(directory: str | os.PathLike[str]) -> str | None:
    """Returns the uid of the training that made the model; None when it does not say."""
    try:
        mark = parse_json(Path(directory, MARK).read_bytes())
    except (OSError, ValueError):
        return None
    uid = mark.get("training_uid") if isinstance(mark, dict) else None
    return uid if isinstance(uid, str) else None
