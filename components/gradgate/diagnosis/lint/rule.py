"""What a rule of the lint is: an id, its reason, and a pure question to a model's description."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Literal

from gradgate.contracts.lint import Severity
from gradgate.diagnosis.lint.design import Design

Need = Literal["layers", "graph", "optimizer", "loss", "batch_size", "inputs"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Found:
    """What a rule has found.

    Attributes:
        place: Position of the layer; None for what concerns the model as a whole.
        severity: Where it is not the rule's.
    """

    message: str
    advice: str
    place: int | None = None
    severity: Severity | None = None


def everywhere(_: Design) -> bool:
    """Concerns every model."""
    return True


def activated(layers: tuple[str, ...], activations: tuple[str, ...]) -> Callable[[Design], bool]:
    """Concerns a model in which a layer of some kinds has, or may have, one of some activations."""

    def concerns(design: Design) -> bool:
        places = design.of_kind(*layers)
        return any(design.may_be_activated(place, *activations) for place in places)

    return concerns


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule. Its page in the documentation is made of it, and its examples are run as its tests.

    Attributes:
        id: Words with hyphens; the name of its file.
        title: What it looks for, in a few words.
        severity: Of what it finds, unless a finding has its own.
        reason: Why, with the numbers of the source; paragraphs are set apart by an empty line.
        sources: Each with an address.
        needs: What it must know to be asked.
        ask: Finds the places. Pure; must stand any description, also one that says little.
        concerns: Whether a model has at all what the rule is about.
        bad, good: Keras code that makes `model` (and may set `batch_size` or `data`): the rule
            finds something in the first, at its own severity, and nothing in the second.
    """

    id: str
    title: str
    severity: Severity
    reason: str
    sources: tuple[str, ...]
    needs: tuple[Need, ...]
    ask: Callable[[Design], Iterator[Found]]
    concerns: Callable[[Design], bool] = everywhere
    bad: str
    good: str
