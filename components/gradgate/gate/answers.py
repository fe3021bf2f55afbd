"""What an exported model answered when it was asked with a few examples.

Asking takes the library that the model was made with, so it is done elsewhere
(`gradgate.tfx.gate.ask_model`) and handed to the judge, as are the bytes of its weights.
"""

import dataclasses

from gradgate.contracts import Policy

NOT_ASKED = (
    "the model was not asked with any examples; give some by --examples, or by `examples` of the"
    " GradientGate"
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class OutputCount:
    """One float output of the model's serving signature, over all examples.

    Attributes:
        values: How many numbers it gave.
        nonfinite: NaN and infinite ones among them.
        is_constant: Whether it was one and the same for all examples; False of a single one.
    """

    name: str
    values: int
    nonfinite: int
    is_constant: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answers:
    """What the model answered.

    Attributes:
        outputs: By name, in order; None when the model was not asked or gave no answer.
        problem: Why there are none; empty when there are.
        examples: How many it was asked with.
    """

    outputs: tuple[OutputCount, ...] | None = None
    problem: str = NOT_ASKED
    examples: int = 0


NO_ANSWERS = Answers()


def are_wanted(policy: Policy) -> bool:
    """Whether a policy speaks of answers at all; else nobody need ask."""
    names = (*policy.required_signals, *(rule.signal for rule in policy.rules))
    return any(name.startswith("answers.") for name in names)
