"""What a Keras model is made of, as the record tells it: its layers in order, and its losses.

Nothing is run and no weight is looked at. A functional or sequential model, and those inside of it,
is told call by call; of what has a `call` of its own, the layers are told, not how they are joined.
"""

import logging
from collections.abc import Sequence
from typing import Any, Final

import keras

from gradgate.contracts import LayerCard, LossCard
from gradgate.training import layer_traits
from gradgate.training.hooks import names

_log = logging.getLogger(__name__)

_TAKES_LOGITS: Final = (
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "sparse_categorical_crossentropy",
)


def layers_and_outputs(model: keras.Model) -> tuple[tuple[LayerCard, ...], tuple[int, ...]]:
    """Returns the calls of a model's layers, and the positions of those that give its outputs.

    A model whose layers cannot be told, such as one with a property that raises, has none: a
    description never ends a training. The log says why.
    """
    walk = _Walk()
    try:
        outputs = walk.open(model, None, within="")
    except Exception:  # noqa: BLE001 - layers may be anybody's code
        _log.warning("the layers of '%s' cannot be told", model.name, exc_info=True)
        return (), ()
    return tuple(walk.cards), tuple(outputs)


def losses_of(model: keras.Model) -> tuple[LossCard, ...]:
    """Returns the losses that a model was compiled with; none if it was not, or has its own."""
    loss = getattr(model, "loss", None) if model.compiled else None
    if loss is None:
        return ()
    names_of_outputs = list(getattr(model, "output_names", ()) or ())
    if isinstance(loss, dict):
        places = [names_of_outputs.index(n) if n in names_of_outputs else None for n in loss]
        pairs = list(zip(loss.values(), places, strict=True))
    elif isinstance(loss, (list, tuple)):
        pairs = list(zip(loss, range(len(loss)), strict=True))
    else:
        pairs = [(loss, place) for place in range(max(1, len(names_of_outputs)))]
    return tuple(_loss(each, place) for each, place in pairs if each is not None)


class _Walk:
    """Goes through a model once; `cards` grows by a card for each call."""

    def __init__(self) -> None:
        self.cards: list[LayerCard] = []

    def open(
        self, model: Any, inputs: Sequence[int] | None, *, within: str, wrapper: str | None = None
    ) -> list[int]:
        """Tells the layers of a model, fed by `inputs` (None: by its own), and returns its outputs.

        Of a model that is no graph, the outputs are not known: none are returned.
        """
        graph = names.graph_of(model)
        if graph is None:
            self._tell_unjoined(model, within)
            return []
        made: dict[int, list[int]] = {}  # by id of a tensor, what made it
        if inputs is not None:
            made = {
                id(tensor): [place] for tensor, place in zip(graph.inputs, inputs, strict=False)
            }
        for call in names.calls_of(graph):
            if call.is_input and any(id(tensor) in made for tensor in call.outputs):
                continue
            feeding = [place for tensor in call.input_tensors for place in made.get(id(tensor), [])]
            places = self._tell(call, feeding, within, wrapper)
            by_tensor = len(places) == len(call.outputs)
            for index, tensor in enumerate(call.outputs):
                made[id(tensor)] = [places[index]] if by_tensor else list(places)
        return [place for tensor in graph.outputs for place in made.get(id(tensor), [])]

    def _tell(
        self, call: Any, feeding: Sequence[int], within: str, wrapper: str | None
    ) -> list[int]:
        """Tells a call, and returns where its outputs are from."""
        layer, around = layer_traits.unwrapped(call.operation)
        path = f"{within}{call.operation.name}"
        if names.graph_of(layer) is not None:
            return self.open(layer, feeding, within=f"{path}/", wrapper=around or wrapper)
        shape = call.outputs[0].shape if call.outputs else None
        self.cards.append(
            layer_traits.card(
                call.operation, path=path, inputs=feeding, shape=shape, wrapper=wrapper
            )
        )
        place = len(self.cards) - 1
        if layer_traits.is_own(layer):
            self._tell_unjoined(layer, f"{path}/")
        return [place]

    def _tell_unjoined(self, outer: Any, within: str) -> None:
        """Tells the layers inside of what has a `call` of its own, and not how they are joined.

        Of those that are models of Keras's making, it is known how theirs are joined.
        """
        for layer in names.parts_of(outer):
            start, path = len(self.cards), f"{within}{layer.name}"
            if names.graph_of(layer) is not None:
                self.open(layer, None, within=f"{path}/")
            elif isinstance(layer, keras.Model):
                self._tell_unjoined(layer, f"{path}/")
            else:
                self.cards.append(layer_traits.card(layer, path=path))
                if layer_traits.is_own(layer):
                    self._tell_unjoined(layer, f"{path}/")
            for place in range(start, len(self.cards)):
                if not self.cards[place].inputs:
                    loose = self.cards[place].model_copy(update={"is_connected": False})
                    self.cards[place] = loose


def _loss(loss: Any, output: int | None) -> LossCard:
    if isinstance(loss, str):
        loss = keras.losses.get(loss)
    function = getattr(loss, "fn", loss)
    name = getattr(function, "__name__", type(loss).__name__)
    is_keras = (getattr(function, "__module__", None) or "").startswith("keras.")
    from_logits: bool | None = None
    if is_keras and name in _TAKES_LOGITS:
        config = loss.get_config() if isinstance(loss, keras.losses.Loss) else {}
        from_logits = bool(config.get("from_logits", False))
    return LossCard(name=name, is_keras=is_keras, from_logits=from_logits, output=output)
