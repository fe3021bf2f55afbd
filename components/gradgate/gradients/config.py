"""Clips as JSON and back: `{"name": "clip_by_global_norm", "max_norm": 1.0}`.

Fields that have a default may be left out.
"""

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from gradgate.gradients.ada_gc import AdaGC
from gradgate.gradients.adaptive_gradient_clip import AdaptiveGradientClip
from gradgate.gradients.auto_clip import AutoClip
from gradgate.gradients.centralize import Centralize
from gradgate.gradients.clip_by_global_norm import ClipByGlobalNorm
from gradgate.gradients.clip_by_norm import ClipByNorm
from gradgate.gradients.clip_by_value import ClipByValue
from gradgate.gradients.normalize_by_global_norm import NormalizeByGlobalNorm
from gradgate.gradients.normalize_by_norm import NormalizeByNorm
from gradgate.gradients.report import Clip
from gradgate.gradients.z_clip import ZClip

CLIPS: dict[str, type[Clip]] = {
    "ada_gc": AdaGC,
    "adaptive_gradient_clip": AdaptiveGradientClip,
    "auto_clip": AutoClip,
    "centralize": Centralize,
    "clip_by_global_norm": ClipByGlobalNorm,
    "clip_by_norm": ClipByNorm,
    "clip_by_value": ClipByValue,
    "normalize_by_global_norm": NormalizeByGlobalNorm,
    "normalize_by_norm": NormalizeByNorm,
    "z_clip": ZClip,
}
"""Every clip and normaliser that a configuration can name. A new one is one line here."""


def clip_to_config(clip: Clip) -> dict[str, Any]:
    """Returns the name and the numbers of a clip.

    Raises:
        TypeError: If the clip is not one of `CLIPS`.
    """
    for name, kind in CLIPS.items():
        if type(clip) is kind:
            return {"name": name, **dataclasses.asdict(clip)}
    raise TypeError(f"{clip!r} is not a clip that a configuration can name; those are {_kinds()}.")


def clip_from_config(config: Mapping[str, Any]) -> Clip:
    """Returns the clip that a configuration describes.

    Raises:
        ValueError: If the name or a field is unknown, missing or out of range; the message names
            what was likely meant.
    """
    if not isinstance(config, Mapping) or not isinstance(config.get("name"), str):
        raise ValueError(
            'A clip is written as {"name": "clip_by_global_norm", "max_norm": 1.0},'
            f" got {config!r}. Names: {', '.join(CLIPS)}."
        )
    name = config["name"]
    if name not in CLIPS:
        raise ValueError(unknown("clip", name, CLIPS))
    kind = CLIPS[name]
    fields = {field.name: field.default for field in dataclasses.fields(kind)}
    given = {key: value for key, value in config.items() if key != "name"}
    for key in given:
        if key not in fields:
            raise ValueError(unknown(f"field of {name}", key, fields))
    for field, default in fields.items():
        if field not in given and default is dataclasses.MISSING:
            raise ValueError(f"{name}: {field} is missing. Fields of {name}: {', '.join(fields)}.")
    return kind(**given)


def unknown(what: str, got: str, known: Iterable[str]) -> str:
    """Returns a message about a name that is not known, with the nearest one that is."""
    known = list(known)
    near = difflib.get_close_matches(str(got), known, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return f"Unknown {what}: '{got}'.{hint} Known: {', '.join(known) or 'none'}."


def _kinds() -> str:
    return ", ".join(kind.__name__ for kind in CLIPS.values())
