"""A likely cause of what the rules found, and its cure, in words for who has to act on it."""

from typing import Literal

from gradgate.contracts.base import Recorded

Confidence = Literal["sure", "likely", "possible"]


class Cause(Recorded):
    """One likely cause.

    Attributes:
        id: Its name in the list of causes, such as `learning-rate-too-high`.
        title: It in a few words.
        meaning: What it does to a training, in one line.
        numbers: What was seen that speaks for it, a phrase each, with its number.
        layer: Name of the layer that it is about; None where it is the training as a whole.
        change: What to do about it, in sentences.
        snippet: The same as lines of code, in the terms of this training; may be empty.
        confidence: `sure`: the numbers have hardly another explanation. `likely`: they speak for
            it. `possible`: it would explain what was found, and no more is known.
        because: Why it is as sure as that.
        source: Where the judgement comes from.
        rules: Ids of the findings that it explains, in their order.
        optimizer: Name of the optimizer that it concerns; None when there was but one.
    """

    id: str
    title: str
    meaning: str
    numbers: tuple[str, ...]
    layer: str | None = None
    change: str
    snippet: tuple[str, ...] = ()
    confidence: Confidence
    because: str
    source: str
    rules: tuple[str, ...]
    optimizer: str | None = None
