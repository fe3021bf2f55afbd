"""A replayed step told to a person: is it the recorded one, what came in, where NaN was born."""

from typing import TYPE_CHECKING

from gradgate.cli.columns import in_columns
from gradgate.contracts import ModelCard
from gradgate.gate.render.clean import clean_text
from gradgate.gate.wording import counted, number, percent

if TYPE_CHECKING:  # it needs TensorFlow
    from gradgate.training.replaying import Replayed
    from gradgate.training.replaying.birth import Birth, Operand
    from gradgate.training.replaying.inputs import InputHealth

_MADE_BY = {
    "ReadVariableOp": "a weight",
    "batch": "the batch",
}


def replayed_text(replayed: "Replayed", card: ModelCard) -> str:
    """Returns the step as plain text.

    Args:
        replayed: The step.
        card: Of its training.
    """
    rows = [
        ("replayed", _likeness(replayed)),
        *(("the batch", _input(each)) for each in replayed.inputs),
        ("the weights", _weights(replayed)),
        *_birth(replayed),
    ]
    loss, norm = float(replayed.row.loss[0]), float(replayed.row.global_norm[0])
    head = f"step {replayed.step}, epoch {replayed.epoch}: loss {number(loss)}, global norm "
    return "\n".join(
        [
            head + number(norm),
            "",
            *in_columns([(name, clean_text(text)) for name, text in rows]),
            "",
            *in_columns(_gradients(replayed, card)),
            "",
        ]
    )


def _likeness(replayed: "Replayed") -> str:
    alike, start = replayed.likeness, replayed.start
    since = "the first step" if start is None else f"{start.path} (step {start.step})"
    steps = f"{counted(alike.steps, 'step')} from {since} on"
    if alike.exact:
        return f"{steps}; loss and norm of each are the recorded ones, bit for bit"
    if alike.holds:
        return f"{steps}; the recorded ones but for {number(alike.difference)}, relative"
    return (
        f"{steps}; NOT THE RECORDED TRAINING: step {alike.differs_at} has another loss or norm, so"
        " what follows may not be what happened then. Its seed, its data and their order must be"
        " those of the training; a learning rate that callbacks change wants a checkpoint"
    )


def _input(one: "InputHealth") -> str:
    head = f"{one.name} {one.dtype} {one.shape}: "
    between = "" if one.lowest is None else f"{number(one.lowest)} to {number(one.highest or 0.0)}"
    if not one.nonfinite:
        return head + (between or "no numbers")
    columns = ", ".join(f"{column} ({count})" for column, count in one.columns)
    where = f", in column {columns}" if columns else ""
    return f"{head}{counted(one.nonfinite, 'entry')} NaN or infinite{where}; else {between}"


def _weights(replayed: "Replayed") -> str:
    bad = replayed.nonfinite_weights
    if not bad:
        return "all finite before the step"
    listed = ", ".join(f"{path} ({count})" for path, count in bad.items())
    return f"not finite before the step: {listed}. NaN was born in a step before this one"


def _birth(replayed: "Replayed") -> list[tuple[str, str]]:
    birth = replayed.birth
    if birth is None:
        if replayed.nonfinite_weights:
            return []
        return [("born", "nowhere: every operation of the step gave finite values")]
    rows = [("born", f"{birth.values} in the operation {birth.operation}, {_place(birth)}")]
    if any(each.nonfinite for each in replayed.inputs) and not birth.place.is_gradient:
        rows.append(("", "which is fed what is not finite: it came in with the data"))
    if birth.source is not None:
        rows.append(("made by", birth.source))
    rows += [("went in", _operand(each)) for each in birth.operands]
    return [*rows, ("its node", birth.node)]


def _place(birth: "Birth") -> str:
    place = birth.place
    whose = f"layer {place.layer}" if place.layer is not None else f"the {place.part}"
    return f"in the gradient of {whose}" if place.is_gradient else f"in {whose}"


def _operand(one: "Operand") -> str:
    made = one.name.rpartition("/")[2]
    name = _MADE_BY.get(made, made)
    zeros = f", {percent(one.zeros)} zeros" if one.zeros else ""
    return f"{name} {one.shape}: {number(one.lowest)} to {number(one.highest)}{zeros}"


def _gradients(replayed: "Replayed", card: ModelCard) -> list[tuple[str, ...]]:
    row, statistics = replayed.row, replayed.row.statistics
    head = ("gradient of", "norm", "mean |g|", "max |g|", "zeros", "not finite")
    rows: list[tuple[str, ...]] = [head]
    for index, variable in enumerate(card.variables):
        rows.append(
            (
                variable.path,
                number(float(row.norms[0, index])),
                number(float(statistics.mean_abs[0, index])),
                number(float(statistics.max_abs[0, index])),
                percent(float(statistics.zero_fraction[0, index])),
                number(int(statistics.nonfinite[0, index])),
            )
        )
    return rows
