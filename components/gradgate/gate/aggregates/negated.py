"""The least of something, which is the greatest of its negative, negated."""

# ruff: noqa: D102 - `Core` says what the methods do

from typing import cast

from gradgate.gate.aggregates.base import Core, RunningCore
from gradgate.gate.evidence import Float64s


class Negated(RunningCore):
    """Another core, fed with negated samples."""

    def __init__(self, core: RunningCore) -> None:
        self._core = core

    def update(self, values: Float64s) -> None:
        self._core.update(-values)

    def value(self) -> Float64s:
        return -self._core.value()

    def running(self, values: Float64s) -> Float64s:
        return -self._core.running(-values)

    def merge(self, later: Core) -> None:
        self._core.merge(cast("Negated", later)._core)
