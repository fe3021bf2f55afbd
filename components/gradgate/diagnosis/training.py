"""One training as the diagnosis sees it: what failed, what was trained, and its numbers."""

import dataclasses
import functools
import math
from collections.abc import Iterable, Mapping

from gradgate.contracts import ModelCard, Summary, VariableCard
from gradgate.contracts.summary import ActivationSummary, VariableSummary
from gradgate.diagnosis import series
from gradgate.diagnosis.symptom import Kind, Symptom
from gradgate.diagnosis.words import listed


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training:
    """What a cause is looked for in. All of it is from the record.

    Attributes:
        symptoms: What failed, the worst first.
        card: What was trained.
        summary: The run in numbers.
    """

    symptoms: tuple[Symptom, ...]
    card: ModelCard
    summary: Summary

    def seen(self, *kinds: Kind) -> tuple[Symptom, ...]:
        """The symptoms of these kinds."""
        return tuple(symptom for symptom in self.symptoms if symptom.kind in kinds)

    @property
    def spoiled(self) -> tuple[Symptom, ...]:
        """Those that NaN in the training explains, itself and whatever it went into."""
        return tuple(s for s in self.symptoms if s.kind not in _UNTOUCHED)

    def on(self, *signals: str) -> tuple[Symptom, ...]:
        """The symptoms on these signals."""
        return tuple(symptom for symptom in self.symptoms if symptom.signal in signals)

    # --- Variables ---------------------------------------------------------------------------
    @functools.cached_property
    def variables(self) -> tuple[VariableCard, ...]:
        """The variables in the order of the forward pass, as far as that is known."""
        cards = list(enumerate(self.card.variables))
        if any(card.depth is None for _, card in cards):
            return self.card.variables
        return tuple(card for _, card in sorted(cards, key=lambda c: (c[1].depth or 0, c[0])))

    @functools.cached_property
    def kernels(self) -> tuple[VariableCard, ...]:
        """The variables of rank 2 or more that have a gradient, in that order."""
        return tuple(v for v in self.variables if v.has_gradient and len(v.shape) > 1)

    @property
    def first_layer(self) -> str | None:
        """Name of the first layer that has a gradient; None when none has."""
        return next((variable.layer for variable in self.variables if variable.has_gradient), None)

    def variable(self, path: str | None) -> VariableCard | None:
        """The variable of that path."""
        return next((variable for variable in self.card.variables if variable.path == path), None)

    def of_layer(self, layer: str | None) -> tuple[VariableCard, ...]:
        """The variables of a layer, by its name."""
        return self._by_layer.get(layer, ())

    @functools.cached_property
    def _by_layer(self) -> Mapping[str | None, tuple[VariableCard, ...]]:
        found: dict[str | None, list[VariableCard]] = {}
        for variable in self.variables:
            found.setdefault(variable.layer, []).append(variable)
        return {layer: tuple(variables) for layer, variables in found.items()}

    def place(self, layer: str) -> int | None:
        """The position of a layer in the card, by its name; None where the card has none."""
        return self._places.get(layer)

    @functools.cached_property
    def _places(self) -> Mapping[str, int]:
        # The first of several calls of one layer is its place.
        return {card.name: i for i, card in reversed([*enumerate(self.card.layers)])}

    def followers(self, place: int) -> tuple[int, ...]:
        """The positions of the layers that a layer feeds."""
        return self._followers.get(place, ())

    @functools.cached_property
    def _followers(self) -> Mapping[int, tuple[int, ...]]:
        found: dict[int, tuple[int, ...]] = {}
        for i, card in enumerate(self.card.layers):
            for place in dict.fromkeys(card.inputs):
                found[place] = (*found.get(place, ()), i)
        return found

    def numbers(self, variable: VariableCard) -> VariableSummary:
        """What was measured of a variable; empty where nothing was."""
        return self._numbers.get(variable.path, VariableSummary(path=variable.path))

    @functools.cached_property
    def _numbers(self) -> Mapping[str, VariableSummary]:
        return {summary.path: summary for summary in self.summary.variables}

    def activations(self) -> Iterable[tuple[str, str, ActivationSummary]]:
        """Path, activation and numbers of each layer whose activations were looked at."""
        for seen, numbers in zip(self.card.activations, self.summary.activations, strict=False):
            yield seen.layer, seen.activation, numbers

    # --- Sizes -------------------------------------------------------------------------------
    def gradient(self, variable: VariableCard) -> float | None:
        """Median of mean |g| on the sampled steps, without what regularisers add to it."""
        numbers = self.numbers(variable)
        return series.median(numbers.data_mean_abs or numbers.mean_abs)

    def update_ratio(self, variable: VariableCard) -> float | None:
        """Median of the update's norm over the weight's."""
        return series.median(self.numbers(variable).update_ratio)

    def least_weight(self, variable: VariableCard) -> float | None:
        """The smallest size of its weights, as root mean square, on any sampled step."""
        norm = self.numbers(variable).weight_norm
        if norm is None or norm.least is None or not variable.parameters:
            return None
        return norm.least / math.sqrt(variable.parameters)

    @property
    def depth_ratio(self) -> float | None:
        """Gradient of the first kernel over that of the last; None when either is not known."""
        if len(self.kernels) < 2:
            return None
        first, last = self.gradient(self.kernels[0]), self.gradient(self.kernels[-1])
        return None if first is None or not last else first / last

    # --- The loss ----------------------------------------------------------------------------
    @property
    def start_loss(self) -> float | None:
        """The mean loss of the first epoch; None when no epoch was recorded."""
        return self._epoch_loss(0)

    @property
    def end_loss(self) -> float | None:
        """The mean loss of the last epoch; None when no epoch was recorded."""
        return self._epoch_loss(-1)

    def _epoch_loss(self, place: int) -> float | None:
        return self.summary.epochs[place].logs.get("loss") if self.summary.epochs else None

    @property
    def is_learning(self) -> bool:
        """Whether the rules on the loss held."""
        return not self.seen("stuck") and not self.summary.nonfinite_loss_steps

    # --- Where NaN and infinity began --------------------------------------------------------
    @functools.cached_property
    def nonfinite_since(self) -> int | None:
        """The first step with a NaN or infinite gradient or loss; None when none was told."""
        steps = [v.first_nonfinite_step for v in self.summary.variables]
        steps += [s.step for s in self.on(*_NONFINITE_SIGNALS)]
        return min((step for step in steps if step is not None), default=None)

    @functools.cached_property
    def first_nonfinite(self) -> tuple[VariableCard, ...]:
        """The variables whose gradient was not finite at that step, in forward order."""
        since = self.nonfinite_since
        paths = {v.path for v in self.summary.variables if v.first_nonfinite_step == since}
        if not paths:
            paths = {s.variable for s in self.on(*_NONFINITE_SIGNALS) if s.variable}
        return tuple(v for v in self.variables if v.path in paths) if since is not None else ()

    @property
    def onset(self) -> str | None:
        """Where NaN and infinity began, in words; None when there were none."""
        since, first = self.nonfinite_since, self.first_nonfinite
        if since is None:
            return None
        where = f" gradient, in {listed([v.path for v in first])}" if first else " number"
        return f"step {since} had the first NaN or infinite{where}"

    @property
    def inputs_are_fine(self) -> bool:
        """Whether the inputs that were looked at are finite; False where none were looked at."""
        inputs = self.card.inputs
        return bool(inputs) and not any(given.nonfinite for given in inputs)

    @property
    def exploded(self) -> bool:
        """Whether finite numbers grew, or a step leapt, right before the first NaN or infinity."""
        since = self.nonfinite_since
        if since is None or since == 0:
            return False
        peaks = (self.summary.global_norm.greatest_step, self.summary.loss.greatest_step)
        is_near = any(step is not None and since - _RECENT <= step < since for step in peaks)
        return is_near and (self.was_exploding or self._leapt)

    @property
    def _leapt(self) -> bool:
        """Whether a step moved a kernel by many times its size."""
        ratios = (self.numbers(kernel).update_ratio for kernel in self.kernels)
        return any(
            ratio is not None and ratio.greatest is not None and ratio.greatest > _LEAP
            for ratio in ratios
        )

    @property
    def was_exploding(self) -> bool:
        """Whether finite norms or losses grew a hundredfold above the usual ones in the run."""
        for numbers in (self.summary.global_norm, self.summary.loss):
            usual = series.median(numbers)
            if usual and numbers.greatest is not None and numbers.greatest > 100 * usual:
                return True
        greatest = self.summary.global_norm.greatest
        return greatest is not None and greatest > _HUGE


_NONFINITE_SIGNALS = (
    *("gradient.nonfinite", "gradient.nonfinite_applied", "gradient.nonfinite_skipped"),
    *("loss.nonfinite", "loss.nonfinite_applied"),
)
_UNTOUCHED = ("unmeasured", "unused", "equal", "clipped", "overflow")  # by NaN
_RECENT = 10  # steps
_LEAP = 10.0  # times the weights' own size, in a step
_HUGE = 1e6  # TheDeepChecker's limit of an exploding gradient
