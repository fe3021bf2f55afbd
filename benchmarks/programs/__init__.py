"""Small Keras programs with one known fault each, and the same programs without it.

One file a program. Each says `CAUSE`, the cause that its explanation must put first, and has two
functions of a seed: `sick`, and `cured`, which differs by what the explanation of `sick` says to
change. Both return what to train, and how. `ALL` is the table.
"""

from collections.abc import Mapping
from types import ModuleType
from typing import Final

from programs import (
    clip_too_tight,
    constant_weights,
    dead_units,
    deep_sigmoid,
    disconnected,
    half_precision,
    huge_embedding,
    labels_out_of_range,
    learning_rate_too_high,
    learning_rate_too_low,
    logits_as_probabilities,
    loud_initialiser,
    missing_values,
    recurrent_product,
    root_of_zero,
    squashed_output,
    tiny_batch_norm,
    unscaled_inputs,
)

ALL: Final[Mapping[str, ModuleType]] = {
    module.__name__.rpartition(".")[2]: module
    for module in (
        missing_values,
        unscaled_inputs,
        labels_out_of_range,
        squashed_output,
        logits_as_probabilities,
        disconnected,
        constant_weights,
        loud_initialiser,
        deep_sigmoid,
        recurrent_product,
        huge_embedding,
        tiny_batch_norm,
        learning_rate_too_high,
        learning_rate_too_low,
        clip_too_tight,
        half_precision,
        root_of_zero,
        dead_units,
    )
}
