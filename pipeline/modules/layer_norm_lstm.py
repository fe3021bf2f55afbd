"""An LSTM cell whose sums are normalised at every step: Keras ships none."""

from typing import Any

import keras
from keras import ops


class LayerNormLSTMCell(keras.layers.LSTMCell):
    """An LSTM cell with layer normalisation of both sums and of the state, for `keras.layers.RNN`.

    What goes round in the network is brought to the same scale at every step, so the product of
    the recurrent matrices cannot grow with the length of the sequence. Where dropout across time
    makes noise on that path, this steadies it.

    Source: Ba, Kiros, Hinton, "Layer Normalization", 2016, equations 20 to 22,
    https://arxiv.org/abs/1607.06450.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the weights; [..., features] comes in."""
        super().build(input_shape)
        self.norm_input = _norm("norm_input", 4 * self.units, center=False)
        self.norm_recurrent = _norm("norm_recurrent", 4 * self.units, center=False)
        self.norm_state = _norm("norm_state", self.units, center=True)

    def call(
        self,
        inputs: Any,
        states: tuple[Any, Any],
        training: bool = False,  # noqa: ARG002, FBT001, FBT002 - Keras's signature
    ) -> tuple[Any, list[Any]]:
        """One step: [n, features] and the states [n, units] give the output and the new states."""
        hidden, state = states
        sums = (
            self.norm_input(ops.matmul(inputs, self.kernel))
            + self.norm_recurrent(ops.matmul(hidden, self.recurrent_kernel))
            + self.bias
        )
        enter, keep, candidate, leave = ops.split(sums, 4, axis=-1)
        gate, squash = self.recurrent_activation, self.activation
        state = gate(keep) * state + gate(enter) * squash(candidate)
        hidden = gate(leave) * squash(self.norm_state(state))
        return hidden, [hidden, state]


def _norm(name: str, width: int, *, center: bool) -> keras.layers.LayerNormalization:
    layer = keras.layers.LayerNormalization(center=center, name=name)
    layer.build((None, width))
    return layer
