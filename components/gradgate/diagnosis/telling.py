"""The likely causes of a verdict, as every report and page shows them: in the same words."""

from typing import Final

from gradgate.contracts import Cause, Verdict
from gradgate.diagnosis.causes import STAGES
from gradgate.diagnosis.rank import STAGE

_AT_MOST: Final = 3
SURE: Final = {"sure": "almost certain", "likely": "likely", "possible": "possible"}
ADVICE: Final = "Change one thing at a time, the first one first, and train again."


def shown_first(verdict: Verdict) -> tuple[Cause, ...]:
    """Those that the numbers speak for, at most three; the first one if none is likely.

    One whose rules are all explained by those before it is left out where one of them is
    sure, or where it is itself but the look of something deeper.
    """
    shown: list[Cause] = []
    for cause in verdict.causes:
        explained = {rule for before in shown for rule in before.rules}
        is_sure = any(before.confidence == "sure" for before in shown)
        is_look = STAGES[STAGE.get(cause.id, 0)] == "symptom"
        if cause.confidence == "possible" or (
            explained.issuperset(cause.rules) and (is_sure or is_look)
        ):
            continue
        shown.append(cause)
    return tuple(shown[:_AT_MOST]) or verdict.causes[:1]


def also_possible(verdict: Verdict) -> tuple[Cause, ...]:
    """All others."""
    first = shown_first(verdict)
    return tuple(cause for cause in verdict.causes if cause not in first)


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
    """How sure it is, what it explains, where the judgement comes from."""
    return [
        ("how sure", certainty(cause)),
        ("explains", ", ".join(cause.rules)),
        ("source", cause.source),
    ]
