"""`model.json` of a health record: what was trained, with what, and how it was guarded."""

from typing import Any, Literal

from pydantic import Field

from gradgate.contracts.architecture import InputCard, LayerCard, LossCard
from gradgate.contracts.base import Recorded
from gradgate.contracts.lint import LintReport


class VariableCard(Recorded):
    """One trainable variable. Its position in `ModelCard.variables` is its index everywhere.

    Attributes:
        path: Keras path, such as `sequential/dense_1/kernel`.
        layer: Name of the layer that owns it.
        initializer, activation: Of that layer, by Keras's name; None where it has none.
        has_gradient: False when the loss does not depend on it: its gradient was None.
        regularizer: Keras name of its weight regulariser; None where it has none.
        depth: Place of its layer in the forward pass, from 0; None when that was not seen.
    """

    path: str
    layer: str
    shape: tuple[int, ...]
    dtype: str
    initializer: str | None = None
    activation: str | None = None
    has_gradient: bool = True
    regularizer: str | None = None
    depth: int | None = None

    @property
    def parameters(self) -> int:
        """Number of scalars in the variable."""
        count = 1
        for size in self.shape:
            count *= size
        return count


class ActivationCard(Recorded):
    """One layer whose activations are looked at; its position is its index everywhere.

    Attributes:
        layer: Its path.
        activation: Keras name, such as `relu`.
    """

    layer: str
    activation: str


class ModelCard(Recorded):
    """What was trained.

    Attributes:
        optimizer: Keras class name, such as `Adam`.
        optimizer_config: Keras `get_config()`, learning rate or schedule included.
        loss: Name of the loss function; None in a custom loop that did not say.
        loss_measured: False when the training loop never showed its loss to the guard.
        clips: The chain of clips and normalisers, each as `{"name": ..., its numbers}`.
        on_nonfinite: What the guard did with a non-finite step.
        statistics_every: Steps between two sampled rows of full statistics; 0 is never.
        replica_names: Of each of several replicas, in the order of `replica_loss`: such as
            `worker 1`, the process that runs it. Empty with one replica, and in a record before
            version 1.2.
        precision: Keras dtype policy, such as `float32`.
        versions: Of tensorflow, keras, gradgate and python.
        accumulation_steps: Batches whose gradients are averaged for one step.
        loss_scaled: Whether the loss was scaled, as for float16.
        data_loss_gradient: Whether the gradients of weight regularisers were taken out of the
            `data_*` statistics. False with regularisers means that the training loop did not say
            whether its loss has them in it.
        activations: Layers whose activations are looked at.
        device_bytes: What the measurement holds on the device.
        seed: The one seed of Python, NumPy and TensorFlow; None when none was set.
        nondeterminism: What is known to stand against the same weights when the training is run
            again, as sentences; empty when nothing is, None in records of before.
        environment: Variables of the environment that choose TensorFlow's kernels, as far as they
            were set: other kernels give other bits, and may hide a NaN.
        layers: Calls of layers, each after those that feed it; empty in records of before.
        outputs: Positions in `layers` of what the model gives out; empty when that is not known.
        losses: Of the outputs, as the model was compiled.
        batch_size: Examples in a batch, of all replicas; None when it is not known.
        inputs: What the inputs looked like; empty when none were looked at.
        lint: What could be said of the model before it trained; None in records of before.
    """

    model_name: str
    variables: tuple[VariableCard, ...]
    optimizer: str
    optimizer_config: dict[str, Any] = Field(default_factory=dict)
    loss: str | None = None
    loss_measured: bool = True
    clips: tuple[dict[str, Any], ...] = ()
    on_nonfinite: Literal["record", "skip", "stop"] = "record"
    statistics_every: int = Field(default=50, ge=0)
    precision: str = "float32"
    strategy: str = "default"
    replicas: int = 1
    replica_names: tuple[str, ...] = ()
    accumulation_steps: int = Field(default=1, ge=1)
    loss_scaled: bool = False
    data_loss_gradient: bool = False
    activations: tuple[ActivationCard, ...] = ()
    device_bytes: int = Field(default=0, ge=0)
    devices: tuple[str, ...] = ()
    versions: dict[str, str] = Field(default_factory=dict)
    seed: int | None = None
    nondeterminism: tuple[str, ...] | None = None
    environment: dict[str, str] = Field(default_factory=dict)
    layers: tuple[LayerCard, ...] = ()
    outputs: tuple[int, ...] = ()
    losses: tuple[LossCard, ...] = ()
    batch_size: int | None = Field(default=None, ge=1)
    inputs: tuple[InputCard, ...] = ()
    lint: LintReport | None = None

    @property
    def replicas_by_name(self) -> tuple[str, ...]:
        """The name of each of several replicas, by its number where it has none; else empty."""
        if self.replicas == 1:
            return ()
        numbers = range(self.replicas)
        return self.replica_names or tuple(f"replica {number}" for number in numbers)
