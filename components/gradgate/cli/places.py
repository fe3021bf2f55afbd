"""Where what a verdict was made of lies, as TFX lays it: `<root>/<node>/<output>/<execution>`."""

import os
from pathlib import Path
from typing import Final

from gradgate.cli.read import model_beside
from gradgate.contracts import Verdict, sha256

_BESIDE: Final = {"POLICY": "policy.yaml", "WAIVERS": "waivers.yaml", "REPORT": "report.html"}


def places_of(verdict: Verdict, file: Path) -> dict[str, str]:
    """Returns the paths of RECORD, MODEL, POLICY, WAIVERS and REPORT, as far as they are found.

    A record is the verdict's if its manifest has the digest that the verdict names; nothing else
    is looked at, since `gradgate check` looks at it all.

    Args:
        verdict: The verdict.
        file: Where it lies.
    """
    folder = file.absolute().parent
    places = {
        name: _shown(folder / beside)
        for name, beside in _BESIDE.items()
        if (folder / beside).is_file()
    }
    record = _record(folder, verdict.inputs.record_digest)
    if record is not None:
        places["RECORD"] = _shown(record)
        model = model_beside(record)
        if model is not None:
            places["MODEL"] = _shown(model)
    return places


def _record(folder: Path, digest: str | None) -> Path | None:
    if digest is None or len(folder.parents) < 3:
        return None
    for manifest in sorted(folder.parents[2].glob("*/gradient_health/*/manifest.json")):
        try:
            if sha256(manifest.read_bytes()) == digest:
                return manifest.parent
        except OSError:
            continue
    return None


def _shown(path: Path) -> str:
    """As one would type it here."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
