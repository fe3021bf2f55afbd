"""A model's description with the questions that rules ask of it: what comes before, what after."""

import dataclasses
from collections.abc import Callable, Iterator
from functools import cached_property

from gradgate.contracts import LayerCard, ModelCard
from gradgate.diagnosis.lint import kinds

_HANDS_ON = (*kinds.LINEAR, *kinds.POOLING)


@dataclasses.dataclass(frozen=True)
class Chain:
    """Layers one behind the other with nothing between them that sets the scale anew.

    Attributes:
        places: Positions of those that count, the first one first.
    """

    places: tuple[int, ...] = ()

    @property
    def depth(self) -> int:
        """How many they are."""
        return len(self.places)

    def in_words(self, design: "Design") -> str:
        """`the 4 layers from hidden_0 to hidden_3`."""
        first, last = design.path(self.places[0]), design.path(self.places[-1])
        return f"the {self.depth} layers from {first} to {last}"


@dataclasses.dataclass(frozen=True)
class Design:
    """A card, and its layers joined in both directions. Positions are those of `card.layers`."""

    card: ModelCard

    @property
    def layers(self) -> tuple[LayerCard, ...]:
        """The calls of layers, each after those that feed it."""
        return self.card.layers

    @cached_property
    def consumers(self) -> tuple[tuple[int, ...], ...]:
        """Positions of the layers that each one feeds."""
        found: list[list[int]] = [[] for _ in self.layers]
        for place, layer in enumerate(self.layers):
            for feeding in layer.inputs:
                found[feeding].append(place)
        return tuple(tuple(each) for each in found)

    def of_kind(self, *wanted: str) -> Iterator[int]:
        """Positions of the layers of some kinds, each layer once."""
        seen: set[str] = set()
        for place, layer in enumerate(self.layers):
            if layer.kind in wanted and layer.path not in seen:
                seen.add(layer.path)
                yield place

    def path(self, place: int) -> str:
        """The layer's path."""
        return self.layers[place].path

    def is_activation(self, place: int) -> bool:
        """Whether it is an activation and nothing else: a layer, or an operation."""
        return self.layers[place].kind in kinds.ACTIVATIONS

    def before(self, place: int, passing: tuple[str, ...] = _HANDS_ON) -> tuple[int, ...]:
        """What feeds a layer, looked at through layers that hand their input on."""
        return self._through(place, lambda at: self.layers[at].inputs, passing)

    def after(self, place: int, passing: tuple[str, ...] = _HANDS_ON) -> tuple[int, ...]:
        """What a layer feeds, looked at through layers that hand their input on."""
        return self._through(place, lambda at: self.consumers[at], passing)

    def activation(self, place: int) -> str:
        """The activation of a layer: its own, or the one behind it, `linear` if there is none.

        A norm between the two is passed by. Where its output goes several ways, only its own
        counts.
        """
        own = self.layers[place].activation
        if own not in (None, "linear"):
            return str(own)
        behind = self.after(place, (*_HANDS_ON, *kinds.NORMS))
        if len(behind) == 1 and self.is_activation(behind[0]):
            return self.layers[behind[0]].activation or "linear"
        return "linear"

    def may_be_activated(self, place: int, *names: str) -> bool:
        """Whether a layer has one of some activations, or one that is not told.

        In a `call` of one's own, a layer without an activation may be given one by a function.
        """
        layer = self.layers[place]
        is_loose = not layer.is_connected and layer.activation in (None, "linear")
        return is_loose or self.activation(place) in names

    def is_normalised(self, place: int) -> bool:
        """Whether a norm stands behind a layer and before its activation."""
        if self.layers[place].activation not in (None, "linear"):
            return False
        return any(self.layers[at].kind in kinds.NORMS for at in self.after(place))

    def is_output(self, place: int) -> bool:
        """Whether it gives an output of the model, through activations and what hands on."""
        passing = (*_HANDS_ON, *kinds.ACTIVATIONS)
        reached = self._reached(place, lambda at: self.consumers[at], passing)
        handed = {place, *(at for at in reached if self.layers[at].kind in passing)}
        return any(output in handed for output in self.card.outputs)

    def is_gate(self, place: int) -> bool:
        """Whether its output, activated, is multiplied with something, as a gate is."""
        passing = (*_HANDS_ON, *kinds.ACTIVATIONS)
        return any(self.layers[at].kind == "Multiply" for at in self.after(place, passing))

    def chains(self, counts: Callable[[int], bool]) -> tuple[Chain, ...]:
        """The longest chains of layers that count, none a part of another.

        What hands on, activations, concatenations and layers that do not count are passed by; a
        norm, a sum (a residual), a product, recurrence, and what is not known begin anew.
        """
        passing = (*_HANDS_ON, *kinds.ACTIVATIONS, *kinds.WEIGHTED, "Concatenate")
        reaching: list[Chain] = []
        for place, layer in enumerate(self.layers):
            before = [reaching[at] for at in layer.inputs]
            chain = max(before, key=lambda each: each.depth, default=Chain())
            if layer.kind not in passing:
                chain = Chain()
            elif layer.kind in kinds.WEIGHTED and counts(place):
                chain = Chain((*chain.places, place))
            reaching.append(chain)
        longest = sorted({chain.places for chain in reaching if chain.places}, key=len)
        kept: list[tuple[int, ...]] = []
        for places in reversed(longest):
            if not any(other[0] == places[0] for other in kept):
                kept.append(places)
        return tuple(Chain(places) for places in sorted(kept))

    def _through(
        self, place: int, step: Callable[[int], tuple[int, ...]], passing: tuple[str, ...]
    ) -> tuple[int, ...]:
        found = self._reached(place, step, passing)
        return tuple(at for at in found if self.layers[at].kind not in passing)

    def _reached(
        self, place: int, step: Callable[[int], tuple[int, ...]], passing: tuple[str, ...]
    ) -> tuple[int, ...]:
        reached: dict[int, None] = {}
        waiting = list(step(place))
        while waiting:
            at = waiting.pop(0)
            if at not in reached:
                reached[at] = None
                if self.layers[at].kind in passing:
                    waiting.extend(step(at))
        return tuple(reached)
