"""Where what a verdict was made of lies: near it, or as TFX lays it out.

TFX's way is `<root>/<node>/<output>/<execution>`. Nothing is taken for its name alone: a record has
the digest that the verdict names, a folder of baselines holds those that it names, and the policy
is the one that gradgate ships where it has that digest.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from gradgate.cli.read import model_beside, policy_of, shipped_policy
from gradgate.contracts import Verdict, sha256
from gradgate.gate import policy_digest

_BESIDE: Final = {"POLICY": "policy.yaml", "WAIVERS": "waivers.yaml", "REPORT": "report.html"}
_FAR_UP: Final = 5  # folders above a verdict, to where `pipeline/` lays the baselines


def places_of(verdict: Verdict, file: Path) -> dict[str, str]:
    """Returns the paths of RECORD, MODEL, POLICY, WAIVERS, BASELINES and REPORT, as far as found.

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
    if "POLICY" not in places and _is_shipped(verdict):
        places["POLICY"] = _shown(shipped_policy())
    baselines = _baselines(folder, [reference.verdict_id for reference in verdict.inputs.baselines])
    if baselines is not None:
        places["BASELINES"] = _shown(baselines)
    return places


def _record(folder: Path, digest: str | None) -> Path | None:
    if digest is None:
        return None
    near = [*folder.glob("manifest.json"), *folder.glob("*/manifest.json")]
    beside = [*folder.parent.glob("*/manifest.json"), *Path().absolute().glob("*/manifest.json")]
    by_tfx = folder.parents[2:3]
    laid_out = [path for up in by_tfx for path in up.glob("*/gradient_health/*/manifest.json")]
    for manifest in (*sorted(laid_out), *sorted(near), *sorted(beside)):
        try:
            if manifest.is_file() and sha256(manifest.read_bytes()) == digest:
                return manifest.parent
        except OSError:
            continue
    return None


def _is_shipped(verdict: Verdict) -> bool:
    policy = verdict.inputs.policy
    return policy is not None and policy.sha256 == policy_digest(policy_of(None))


def _baselines(folder: Path, wanted: Sequence[str]) -> Path | None:
    """The nearest folder `baselines`, or one in it, that holds a baseline with each of the ids."""
    if not wanted:
        return None
    ends = {f"-{one.removeprefix('sha256:')[:16]}.json" for one in wanted}
    for up in (folder, *folder.parents[:_FAR_UP]):
        for place in (up / "baselines", *sorted((up / "baselines").glob("*/"))):
            found = {end for end in ends for _ in place.glob(f"*{end}")}
            if found == ends:
                return place
    return None


def _shown(path: Path) -> str:
    """As one would type it here."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
