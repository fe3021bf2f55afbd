"""The likely causes of a verdict, as every report and page shows them: in the same words."""

from collections.abc import Iterable
from typing import Final

from gradgate.contracts import Cause, Verdict

_AT_MOST: Final = 3
SURE: Final = {"sure": "almost certain", "likely": "likely", "possible": "possible"}
_BEGIN: Final = {"sure": "cause", "likely": "likely cause", "possible": "possible cause"}
ADVICE: Final = "Change one thing at a time, the first one first, and train again."


def shown_first(verdict: Verdict) -> tuple[Cause, ...]:
    """Those that the numbers speak for, at most three; the first one if none is likely.

    One whose rules are all explained by those before it is left out where one of them is
    sure, or where it is itself but the look of something deeper.
    """
    shown: list[Cause] = []
    for cause in verdict.causes:
        is_told = _explained(shown).issuperset(cause.rules)
        is_needed = not is_told or not (_is_look(cause) or _sure(shown))
        if cause.confidence != "possible" and is_needed:
            shown.append(cause)
    return tuple(shown[:_AT_MOST]) or verdict.causes[:1]


def in_a_line(verdict: Verdict) -> str:
    """The first cause, for the lines that are read first; empty where none is known."""
    for cause in shown_first(verdict)[:1]:
        layer = f", in layer {cause.layer}" if cause.layer else ""
        return f"{_BEGIN[cause.confidence]}: {title(cause)}{layer}"
    return ""


def also_possible(verdict: Verdict) -> tuple[Cause, ...]:
    """The others, but for what is no more than possible and the look of what is sure already."""
    first = shown_first(verdict)
    settled = _explained(_sure(first))
    return tuple(
        cause
        for cause in verdict.causes
        if cause not in first
        and not (
            cause.confidence == "possible" and _is_look(cause) and settled.issuperset(cause.rules)
        )
    )


def _sure(causes: Iterable[Cause]) -> list[Cause]:
    return [cause for cause in causes if cause.confidence == "sure"]


def _explained(causes: Iterable[Cause]) -> set[str]:
    return {rule for cause in causes for rule in cause.rules}


def _is_look(cause: Cause) -> bool:
    # Imported where there are causes alone: a report on a sound training starts without them.
    from gradgate.diagnosis.causes import STAGES
    from gradgate.diagnosis.rank import STAGE

    return STAGES[STAGE.get(cause.id, 0)] == "symptom"


def of_rule(verdict: Verdict, rule: str) -> tuple[Cause, ...]:
    """The causes that explain what one rule found."""
    return tuple(cause for cause in verdict.causes if rule in cause.rules)


def named(verdict: Verdict, rule: str) -> str:
    """The likeliest cause of what a rule found, by its title; empty where none is known."""
    return next((title(cause) for cause in of_rule(verdict, rule)), "")


def title(cause: Cause) -> str:
    """With the name of the optimizer, where there are several."""
    return f"{cause.optimizer}: {cause.title}" if cause.optimizer else cause.title


def certainty(cause: Cause) -> str:
    """How sure it is, and why."""
    return f"{SURE[cause.confidence]}, since {cause.because}"


def rows(cause: Cause) -> list[tuple[str, str]]:
    """What is said of a cause before its cure, and after it the small print."""
    return [
        ("what it means", cause.meaning),
        *(("what was seen" if not place else "", text) for place, text in enumerate(cause.numbers)),
        ("what to change", cause.change),
    ]


def small_print(cause: Cause) -> list[tuple[str, str]]:
    """In which layer, how sure it is, what it explains, where the judgement comes from."""
    layer = [("layer", cause.layer)] if cause.layer else []
    return [
        *layer,
        ("how sure", certainty(cause)),
        ("explains", ", ".join(cause.rules)),
        ("source", cause.source),
    ]
