"""A replayed step as JSON can hold it: numbers that are not finite are text, as everywhere here."""

import dataclasses
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from gradgate.contracts import ModelCard
from gradgate.contracts.base import Number

if TYPE_CHECKING:  # it needs TensorFlow
    from gradgate.training.replaying import Replayed

_NUMBER: TypeAdapter[float] = TypeAdapter(Number)


def replayed_document(replayed: "Replayed", card: ModelCard) -> dict[str, Any]:
    """Returns a replayed step as plain JSON values.

    Args:
        replayed: The step.
        card: Of its training.
    """
    row, statistics, start = replayed.row, replayed.row.statistics, replayed.start
    birth = replayed.birth
    gradients = [
        {
            "variable": variable.path,
            "norm": row.norms[0, index],
            "mean_abs": statistics.mean_abs[0, index],
            "max_abs": statistics.max_abs[0, index],
            "zero_fraction": statistics.zero_fraction[0, index],
            "nonfinite": int(statistics.nonfinite[0, index]),
        }
        for index, variable in enumerate(card.variables)
    ]
    document = {
        "step": replayed.step,
        "epoch": replayed.epoch,
        "start": None if start is None else {"path": str(start.path), "step": start.step},
        "likeness": {**dataclasses.asdict(replayed.likeness), "holds": replayed.likeness.holds},
        "inputs": [dataclasses.asdict(each) for each in replayed.inputs],
        "nonfinite_weights": replayed.nonfinite_weights,
        "birth": None if birth is None else dataclasses.asdict(birth),
        "loss": row.loss[0],
        "global_norm": row.global_norm[0],
        "gradients": gradients,
    }
    plain: dict[str, Any] = _plain(document)
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return _NUMBER.dump_python(float(value), mode="json")
