"""Trainings as the diagnosis sees them: what failed, the card, and the numbers."""

import math

import pytest

from gradgate.contracts import (
    ActivationCard,
    EpochSummary,
    InputCard,
    LayerCard,
    LossCard,
    ModelCard,
    Summary,
    VariableCard,
)
from gradgate.contracts.summary import ActivationSummary, SeriesSummary, Sketch, VariableSummary
from gradgate.diagnosis.causes import ALL
from gradgate.diagnosis.symptom import KINDS, Symptom
from gradgate.diagnosis.training import Training

KNOWN = {known.id: known for known in ALL}


def series(value, count=100, **fields):
    """A series that is one value all along, which its sketch knows within 1 %."""
    gamma = 1.01 / 0.99
    bins = {str(math.ceil(math.log(value) / math.log(gamma))): count} if value > 0 else {}
    sketch = Sketch(bins=bins, zeros=0 if value else count)
    known = {"least": value, "greatest": value, "total": value * count, "count": count, **fields}
    return SeriesSummary(sketch=sketch, **known)


def symptom(signal, *, low=False, kind=None, **fields):
    known = {"rule": f"rule-of-{signal}", "value": 0.5, "message": f"{signal} was 0.5", **fields}
    return Symptom(signal=signal, kind=kind or KINDS[signal][low], **known)


class Net:
    """A dense network; every layer and number may be changed."""

    def __init__(self, *, depth=2, activation="relu", width=64, inputs=64, classes=10):
        names = [f"hidden_{i}" for i in range(depth)] + ["output"]
        fans = [inputs] + [width] * depth
        sizes = [width] * depth + [classes]
        kinds = [activation] * depth + ["softmax"]
        self.variables, self.layers = (
            [],
            [LayerCard(name="in", path="in", kind="InputLayer", class_name="InputLayer")],
        )
        for name, fan, size, kind in zip(names, fans, sizes, kinds, strict=True):
            for part, shape in (("kernel", (fan, size)), ("bias", (size,))):
                self.variables.append(
                    VariableCard(
                        path=f"net/{name}/{part}",
                        layer=name,
                        shape=shape,
                        dtype="float32",
                        initializer="GlorotUniform" if part == "kernel" else "Zeros",
                        activation=kind,
                    )
                )
            self.layers.append(
                LayerCard(
                    name=name, path=name, kind="Dense", class_name="Dense", units=size,
                    activation=kind, inputs=(len(self.layers) - 1,), parameters=fan * size + size,
                )
            )  # fmt: skip
        self.numbers = {
            v.path: VariableSummary(
                path=v.path,
                norm=series(0.5),
                mean_abs=series(0.01),
                zero_fraction=series(0.0),
                weight_norm=series((v.parameters / v.shape[0]) ** 0.5),
                update_ratio=series(1e-3),
            )
            for v in self.variables
        }
        self.card = {
            "optimizer": "Adam",
            "optimizer_config": {"learning_rate": 0.001},
            "loss": "sparse_categorical_crossentropy",
            "losses": (
                LossCard(name="sparse_categorical_crossentropy", from_logits=False, output=0),
            ),
            "batch_size": 32,
        }
        self.summary = {
            "steps": 100,
            "constant_loss": 2.3,
            "loss": series(2.0),
            "global_norm": series(1.0),
            "clip_scale": series(1.0),
            "epochs": tuple(
                EpochSummary(epoch=i, last_step=50 * i + 49, logs={"loss": 2.3 - i}) for i in (0, 1)
            ),
        }
        self.activations = []

    def variable(self, path, **changes):
        place = next(i for i, v in enumerate(self.variables) if v.path == path)
        self.variables[place] = self.variables[place].model_copy(update=changes)
        return self

    def measured(self, path, **changes):
        self.numbers[path] = self.numbers[path].model_copy(update=changes)
        return self

    def looked(self, layer, activation="relu", **fractions):
        fractions = {name: series(value) for name, value in fractions.items()}
        self.activations.append((layer, activation, fractions))
        return self

    def training(self, *symptoms):
        return Training(
            symptoms=tuple(symptoms),
            card=ModelCard(
                model_name="net",
                variables=tuple(self.variables),
                layers=tuple(self.layers),
                outputs=(next(i for i, c in enumerate(self.layers) if c.name == "output"),),
                activations=tuple(
                    ActivationCard(layer=layer, activation=kind)
                    for layer, kind, _ in self.activations
                ),
                **self.card,
            ),
            summary=Summary(
                variables=tuple(self.numbers.values()),
                activations=tuple(
                    ActivationSummary(layer=layer, **fractions)
                    for layer, _, fractions in self.activations
                ),
                **self.summary,
            ),
        )

    def cause(self, name, *symptoms):
        return KNOWN[name].find(self.training(*symptoms))


class Tools:
    Net, series, symptom = Net, staticmethod(series), staticmethod(symptom)
    InputCard, LayerCard, LossCard = InputCard, LayerCard, LossCard


@pytest.fixture
def make():
    return Tools
