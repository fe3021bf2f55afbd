"""What a rule must know to be asked, and what is said where it is not known."""

from collections.abc import Callable, Mapping
from typing import Final

from gradgate.diagnosis.lint import kinds
from gradgate.diagnosis.lint.design import Design
from gradgate.diagnosis.lint.rule import Need, Rule

_UNTOLD: Final = "the description tells no layers: it is of an older gradgate, or of odd code"


def missing(rule: Rule, design: Design) -> str | None:
    """Why a rule cannot be asked, or not of every layer; None where it can.

    Where the reason is that of a part, the rule is asked of the rest, see `is_in_part`.
    """
    for need in rule.needs:
        why = _WHY[need](design)
        if why is not None:
            return why
    return _loose(rule, design)


def is_in_part(rule: Rule, design: Design) -> bool:
    """Whether a rule can be asked of a part of the layers at least."""
    return all(_WHY[need](design) is None for need in rule.needs)


def _loose(rule: Rule, design: Design) -> str | None:
    """For a rule that asks how layers are joined: which are not known to be."""
    if "graph" not in rule.needs:
        return None
    loose = [at for at, layer in enumerate(design.layers) if not layer.is_connected]
    told = [at for at in loose if design.layers[at].kind in (*kinds.WEIGHTED, *kinds.RECURRENT)]
    if not loose or (not told and design.card.outputs):
        return None
    if told:
        first = design.path(told[0])
        more = f" and {len(told) - 1} more" if told[1:] else ""
        return f"what feeds {first}{more} stands in a call() of the model's own, which is not read"
    return "which layers give the output stands in a call() of the model's own, which is not read"


def _no_layers(design: Design) -> str | None:
    return None if design.layers else _UNTOLD


def _no_graph(design: Design) -> str | None:
    if not design.layers:
        return _UNTOLD
    if any(layer.inputs for layer in design.layers):
        return None
    return "how the layers are joined stands in a call() of the model's own, which is not read"


def _no_optimizer(design: Design) -> str | None:
    return None if design.card.optimizer else "the model is not compiled, so it has no optimizer"


def _no_loss(design: Design) -> str | None:
    if design.card.losses:
        return None
    compiled = bool(design.card.optimizer)
    return "the model has no loss that was told to compile()" if compiled else "it is not compiled"


def _no_batch_size(design: Design) -> str | None:
    return None if design.card.batch_size else "the batch size is not known (--batch-size)"


def _no_inputs(design: Design) -> str | None:
    return None if design.card.inputs else "no examples were given to look at (--data)"


_WHY: Final[Mapping[Need, Callable[[Design], str | None]]] = {
    "layers": _no_layers,
    "graph": _no_graph,
    "optimizer": _no_optimizer,
    "loss": _no_loss,
    "batch_size": _no_batch_size,
    "inputs": _no_inputs,
}
