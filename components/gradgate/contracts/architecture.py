"""What a model is made of, as `model.json` tells it: layers in order, what feeds them, losses.

Enough for what can be said of a model without running it, and without Keras.
"""

from typing import Any

from pydantic import Field

from gradgate.contracts.base import Number, Recorded


class InitializerCard(Recorded):
    """How a weight is drawn.

    Attributes:
        name: Keras class name. A `VarianceScaling` that is one of the named ones has that name,
            such as `HeNormal`.
        config: Its numbers, by Keras's names, without the seed.
    """

    name: str
    config: dict[str, Any] = Field(default_factory=dict)


class LayerCard(Recorded):
    """One call of a layer or operation. Its position in `ModelCard.layers` is its index everywhere.

    A layer that the model calls twice stands there twice. Models inside of models are opened:
    their layers stand there, they do not.

    Attributes:
        name: Of the layer, as in `VariableCard.layer`.
        path: With the names of the models and layers around it, such as `encoder/dense_1`.
        kind: Name of its class in Keras; of one's own class, that of the Keras class it derives
            from: `Layer` says no more than that it is one. For a wrapped layer, its own.
        class_name: Name of its class.
        wrapper: Keras class name of what is around it, such as `Bidirectional`.
        cells: Keras class names of the cells of a recurrent layer that was given them.
        cell_classes: Names of the classes of those cells; empty in records of before.
        inputs: Positions of the layers that feed it, in order; all stand before it.
        is_connected: False where what feeds it is not known: in a `call` of one's own, also of the
            `InputLayer` of a model in there.
        activation, recurrent_activation: Keras names, such as `relu`. Layers and operations that
            are an activation have theirs here, too.
        initializers: By the name of the weight, such as `kernel`.
        units: Width of what it gives out, of layers that are told it; filters of a convolution.
        use_bias: None for what knows no bias.
        output_shape: Batch first; None where it is not known.
        dtype_policy: Such as `mixed_float16`; None for operations.
        parameters: Scalars in its weights, trainable or not; 0 before it is built.
        is_trainable: Of the layer; False is frozen.
        is_built: Whether its weights exist.
        settings: Other numbers and switches, by Keras's names, as far as the lint asks for them.
    """

    name: str
    path: str
    kind: str
    class_name: str
    wrapper: str | None = None
    cells: tuple[str, ...] = ()
    cell_classes: tuple[str, ...] = ()
    inputs: tuple[int, ...] = ()
    is_connected: bool = True
    activation: str | None = None
    recurrent_activation: str | None = None
    initializers: dict[str, InitializerCard] = Field(default_factory=dict)
    units: int | None = None
    use_bias: bool | None = None
    output_shape: tuple[int | None, ...] | None = None
    dtype_policy: str | None = None
    parameters: int = Field(default=0, ge=0)
    is_trainable: bool = True
    is_built: bool = True
    settings: dict[str, Any] = Field(default_factory=dict)


class LossCard(Recorded):
    """A loss, and the output that it is of.

    Attributes:
        name: Of Keras's function, such as `binary_crossentropy`; of one's own, its name.
        is_keras: Whether it is one of Keras's.
        from_logits: Whether it expects logits; None for a loss that knows no such thing.
        output: Position in `ModelCard.outputs`; None when that is not known.
    """

    name: str
    is_keras: bool = True
    from_logits: bool | None = None
    output: int | None = None


class InputCard(Recorded):
    """An input of the model, or one of its columns, in the examples that were looked at.

    Attributes:
        name: Of the input; of a column, with its place: `features[3]`.
        layer: Position in `ModelCard.layers`; None when that is not known.
        examples: Number of examples.
        mean, std, low, high: Of the finite values.
        nonfinite: How many values were NaN or infinite.
        source: What was looked at, such as `the first batch of the training`.
    """

    name: str
    layer: int | None = None
    examples: int = Field(ge=0)
    mean: Number
    std: Number
    low: Number
    high: Number
    nonfinite: int = Field(default=0, ge=0)
    source: str
