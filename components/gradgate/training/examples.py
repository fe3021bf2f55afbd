"""What the inputs of a model look like, from examples: mean, spread, extremes, missing values."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from gradgate.contracts import InputCard, LayerCard

_MOST_COLUMNS: Final = 256


def describe_examples(
    examples: Any, layers: Sequence[LayerCard], *, source: str
) -> tuple[InputCard, ...]:
    """Returns a card for each input; for each of its columns where it is a table of numbers.

    Args:
        examples: Arrays [examples, ...] as the model takes them: one, a tuple or list of several
            in the order of the model, or by name. Text and what else is no numbers is left out.
        layers: Of the model's card.
        source: What was looked at, in words.
    """
    entries = [at for at, layer in enumerate(layers) if layer.kind == "InputLayer"]
    if isinstance(examples, Mapping):
        named = [(str(name), array) for name, array in examples.items()]
    else:
        is_several = isinstance(examples, (tuple, list)) and hasattr(examples[0], "shape")
        arrays = examples if is_several else (examples,)
        named = [
            (layers[entries[at]].name if at < len(entries) else f"number {at}", array)
            for at, array in enumerate(arrays)
        ]
    cards: list[InputCard] = []
    for name, given in named:
        array = np.asarray(given)
        if array.dtype.kind not in "fiub" or not array.size:
            continue
        place = next((e for e in entries if layers[e].name == name), None)
        if place is None and len(entries) == 1:
            place = entries[0]  # its columns, by name
        columns = array.reshape(len(array), -1) if array.ndim == 2 else array.reshape(-1, 1)
        is_table = array.ndim == 2 and 1 < columns.shape[1] <= _MOST_COLUMNS
        parts = columns.T if is_table else [array.ravel()]
        for column, values in enumerate(parts):
            cards.append(
                _card(
                    values,
                    name=f"{name}[{column}]" if is_table else name,
                    layer=place,
                    examples=len(array),
                    source=source,
                )
            )
    return tuple(cards)


def _card(
    values: np.ndarray, *, name: str, layer: int | None, examples: int, source: str
) -> InputCard:
    numbers = values.astype(np.float64)
    finite = numbers[np.isfinite(numbers)]
    told = finite if finite.size else np.array([np.nan])
    return InputCard(
        name=name,
        layer=layer,
        examples=examples,
        mean=float(told.mean()),
        std=float(told.std()),
        low=float(told.min()),
        high=float(told.max()),
        nonfinite=int(numbers.size - finite.size),
        source=source,
    )
