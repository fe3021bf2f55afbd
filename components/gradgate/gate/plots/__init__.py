"""Pictures of a training, drawn from its record: as inline SVG in the report, and as files.

They show evidence and decide nothing: the verdict is the same without them. A picture that cannot
be drawn is left out and named in the log. A new one is one file here and one line in `PICTURES`.
"""

import logging
import re
from collections.abc import Callable
from typing import Final

from gradgate.contracts import Verdict
from gradgate.gate.evidence import Evidence, RecordProblem
from gradgate.gate.plots.clip_rate import clip_rate
from gradgate.gate.plots.global_norm import global_norm
from gradgate.gate.plots.gradient_flow import gradient_flow
from gradgate.gate.plots.loss import loss
from gradgate.gate.plots.reduce import history_of
from gradgate.gate.plots.scene import Scene, scene_of
from gradgate.gate.plots.update_ratio import update_ratio
from gradgate.gate.render.clean import clean_text
from gradgate.gate.render.picture import Picture

PICTURES: Final[tuple[Callable[[Scene], Picture | None], ...]] = (
    gradient_flow,
    loss,
    global_norm,
    update_ratio,
    clip_rate,
)
_log = logging.getLogger(__name__)


def draw_pictures(
    evidence: Evidence | RecordProblem, verdict: Verdict | None = None
) -> tuple[Picture, ...]:
    """Returns every picture that can be drawn, those of the first optimizer first.

    Args:
        evidence: Of a record that cannot be read there are no pictures.
        verdict: Its offences and limits are marked; None draws the training alone.
    """
    if isinstance(evidence, RecordProblem):
        return ()
    return tuple(
        picture
        for name, one in evidence.each()
        for picture in _draw_one(one, verdict, name or None)
    )


def _draw_one(evidence: Evidence, verdict: Verdict | None, optimizer: str | None) -> list[Picture]:
    try:
        history = history_of(evidence)
        scene = None if history is None else scene_of(history, evidence, verdict, optimizer)
    except Exception as error:  # noqa: BLE001 - a drawing must not lose the verdict
        _log.warning("gradgate: there are no pictures, the steps cannot be read: %s", error)
        return []
    if scene is None:
        return []
    drawn = []
    for draw in PICTURES:
        try:
            picture = draw(scene)
        except Exception:  # noqa: BLE001 - a drawing must not lose the verdict
            _log.exception("gradgate: the picture %s could not be drawn", draw.__name__)
        else:
            if picture is not None:
                drawn.append(_named(picture, optimizer))
    return drawn


def _named(picture: Picture, optimizer: str | None) -> Picture:
    """The picture with the optimizer in its title, and in its name as far as a file may have it."""
    if optimizer is None:
        return picture
    slug = re.sub(r"[^A-Za-z0-9]+", "-", optimizer).strip("-").lower() or "optimizer"
    return picture.renamed(f"{slug}-{picture.name}", f"{clean_text(optimizer)}: {picture.title}")
