"""A run's parameters: what was trained, on which data, and how it was guarded."""

import re
from collections.abc import Mapping
from typing import Any

from gradgate.contracts import Manifest, ModelCard

_FORBIDDEN = re.compile(r"[^A-Za-z0-9_\-. :/]+")


def training_params(card_json: bytes, planned_steps: int | None) -> dict[str, object]:
    """Returns the parameters that are known when the training begins."""
    card = ModelCard.model_validate_json(card_json)
    params: dict[str, object] = {
        "guard.clip": ", ".join(_clip(clip) for clip in card.clips) or "none",
        "guard.on_nonfinite": card.on_nonfinite,
        "guard.statistics_every": card.statistics_every,
        "model.name": card.model_name,
        "model.parameters": sum(variable.parameters for variable in card.variables),
        "model.trainable_variables": len(card.variables),
        "model.loss": card.loss,
        "optimizer.name": card.optimizer,
        "run.planned_steps": planned_steps,
        "run.precision": card.precision,
        "run.strategy": card.strategy,
        "run.replicas": card.replicas,
        "run.accumulation_steps": card.accumulation_steps,
        "run.seed": card.seed,
        "run.nondeterminism": _reasons(card.nondeterminism),
    }
    for key, value in card.optimizer_config.items():
        if isinstance(value, Mapping) and "class_name" in value:
            params[f"optimizer.{key}"] = _schedule(value)
        elif isinstance(value, (int, float, str)) and key != "name":
            params[f"optimizer.{key}"] = value
    params.update({f"version.{name}": version for name, version in card.versions.items()})
    return _allowed(params)


def data_params(manifest: Manifest) -> dict[str, object]:
    """Returns the digests of the data; they are known when the record is finished."""
    return _allowed({f"data.{source.name}": source.digest for source in manifest.data})


def _allowed(params: Mapping[str, object]) -> dict[str, object]:
    """Leaves out what is None, and puts names into the letters that MLflow takes."""
    return {
        _FORBIDDEN.sub("_", re.sub("[()]", "", key))[:250]: value
        for key, value in params.items()
        if value is not None
    }


def _schedule(config: Mapping[str, Any]) -> str:
    """A learning-rate schedule as one would write it: `CosineDecay(decay_steps=100, ...)`."""
    numbers = config.get("config")
    shown = numbers if isinstance(numbers, Mapping) else {}
    fields = ", ".join(
        f"{key}={value}" for key, value in shown.items() if key != "name" and value is not None
    )
    return f"{config['class_name']}({fields})"


def _clip(clip: Mapping[str, object]) -> str:
    numbers = ", ".join(f"{key}={value}" for key, value in clip.items() if key != "name")
    return f"{clip.get('name')}({numbers})"


def _reasons(reasons: tuple[str, ...] | None) -> str | None:
    """What stands against the same weights from another run, as one parameter."""
    return None if reasons is None else "; ".join(reasons) or "none known"
