"""A clip that acts on most steps, and so decides how far a step goes."""

from typing import Any, Final

from gradgate.diagnosis import optimizers, series, snippets
from gradgate.diagnosis.causes.base import Grounds, KnownCause, known
from gradgate.diagnosis.training import Training
from gradgate.diagnosis.words import number, percent

_LIMITS: Final = ("max_norm", "max_value", "max_ratio")


def _look(training: Training) -> Grounds | None:
    symptoms = training.seen("clipped")
    if not symptoms:
        return None
    card, summary = training.card, training.summary
    rate, scale = optimizers.learning_rate(card), series.mean(summary.clip_scale)
    share = summary.clipped_steps / summary.steps if summary.steps else None
    limit = snippets.usual_norm(training)
    is_by_norm = [clip.get("name") for clip in card.clips] == ["clip_by_global_norm"]
    limit = limit if is_by_norm else None
    aim = (
        f"raise its limit to {limit:g}, the norm that 9 of 10 steps stay below"
        if limit
        else "raise its limit until it acts on one step in ten"
    )
    keeps = optimizers.follows_length(card) and training.is_learning and rate and scale
    effective = rate * scale if rate and scale else None
    change = f"{_named(card.clips)} acts on most steps: {aim}. Do not tighten it."
    lines = [snippets.clip_by(limit, _limit(card.clips))] if limit else []
    if keeps and effective:
        change += (
            f" The training went well with the small steps that the clip left, so keep them openly:"
            f" set the learning rate to {number(effective)}."
        )
        lines.append(optimizers.set_rate(card, float(f"{effective:.2g}")))
    elif optimizers.normalises(card):
        change += (
            f" {card.optimizer} makes its steps equally long by itself, so the clip has hardly"
            " changed what was learned; with the higher limit it guards against rare spikes."
        )
    return Grounds(
        numbers=known(
            f"clipped on {percent(share)} of the steps; 10% is a good aim" if share else None,
            f"on average {percent(scale)} of a gradient was left" if scale is not None else None,
            f"{_named(card.clips)}, and 9 of 10 norms are below {limit:g}" if limit else None,
            f"the learning rate {optimizers.plain(rate)} became {number(effective)}"
            if effective and rate and optimizers.follows_length(card)
            else None,
        ),
        explains=(
            *symptoms,
            *(() if optimizers.normalises(card) else training.seen("stuck", "near")),
        ),
        change=change,
        snippet="\n".join(lines),
        confidence="sure",
        because="the guard itself counted the steps that were clipped",
    )


def _named(clips: tuple[dict[str, Any], ...]) -> str:
    """The clips as they are written in code, such as `ClipByGlobalNorm(max_norm=1.0)`."""
    words = []
    for clip in clips:
        numbers = ", ".join(f"{k}={v}" for k, v in sorted(clip.items()) if k != "name")
        name = "".join(part.capitalize() for part in str(clip.get("name", "clip")).split("_"))
        words.append(f"{name}({numbers})")
    return ", then ".join(words) or "The clip"


def _limit(clips: tuple[dict[str, Any], ...]) -> float | None:
    value = clips[0].get("max_norm") if clips else None
    return float(value) if isinstance(value, int | float) else None


CLIP_TOO_TIGHT: Final = KnownCause(
    id="clip-too-tight",
    stage="setting",
    title="The clip is too tight",
    meaning=(
        "A clip is meant for rare spikes. One that acts on most steps decides how far each goes, so"
        " it has become the learning rate."
    ),
    source=(
        "Google, Deep Learning Tuning Playbook: set it at the 90th percentile of the norms; above"
        " half of the steps it is extremely aggressive"
    ),
    look=_look,
)
