"""All programs of the benchmark of detection, faulty and sound, in one table.

Those of the explanations (`programs.ALL`) are in it too, sick and cured: they were written apart
from these, so no limit may be chosen by looking at them.
"""

from typing import Final

from programs import ALL
from programs.case import Case, Fault
from programs.faulty import (
    clip,
    dead,
    disconnected,
    exploding,
    nonfinite,
    precision,
    rate,
    scale,
    vanishing,
    wrong_loss,
)
from programs.sound import dense, images, regression, sequences

# Kind, and the layers where it shows first, of the programs of the explanations.
_ALSO: Final = {
    "missing_values": ("non-finite", ("hidden",)),
    "unscaled_inputs": ("unscaled inputs", ("hidden", "output")),
    "labels_out_of_range": ("loss and labels", ()),
    "squashed_output": ("loss and labels", ("output", "hidden")),
    "logits_as_probabilities": ("loss and labels", ()),
    "disconnected": ("disconnected", ()),
    "constant_weights": ("constant weights", ()),
    "loud_initialiser": ("exploding", ()),
    "deep_sigmoid": ("vanishing", tuple(f"hidden_{i}" for i in range(5))),
    "recurrent_product": ("recurrent", ("reader", "output")),
    "huge_embedding": ("embedding", ("words", "hidden", "output")),
    "tiny_batch_norm": ("batch too small", ()),
    "learning_rate_too_high": ("rate too high", ()),
    "learning_rate_too_low": ("rate too low", ()),
    "clip_too_tight": ("clip too tight", ()),
    "half_precision": ("precision", ()),
    "root_of_zero": ("non-finite", ()),
    "dead_units": ("dead units", ("hidden",)),
}


def _explained() -> tuple[Case, ...]:
    cases: list[Case] = []
    for name, module in ALL.items():
        kind, layers = _ALSO[name]
        what = (module.__doc__ or "").splitlines()[0]
        fault = Fault(kind=kind, causes=(module.CAUSE,), layers=layers)
        cases += [
            Case(name=f"explained/{name}", what=what, make=module.sick, fault=fault),
            Case(name=f"explained/{name}, cured", what=f"Mended: {what}", make=module.cured),
        ]
    return tuple(cases)


OWN: Final = tuple(
    case
    for kind in (
        vanishing,
        exploding,
        dead,
        nonfinite,
        wrong_loss,
        rate,
        scale,
        clip,
        disconnected,
        precision,
        dense,
        images,
        sequences,
        regression,
    )
    for case in kind.CASES
)
CASES: Final = {case.name: case for case in (*OWN, *_explained())}
