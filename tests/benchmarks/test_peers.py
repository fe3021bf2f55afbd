"""The rules of others, as their makers publish them, on trainings made by hand."""

import numpy as np
import pytest
from _autotrainer import autotrainer
from _debugger import debugger
from _seen import Seen, Snapshot

pytestmark = pytest.mark.half("first")
EPOCHS = 10


def snapshot(
    step=0,
    *,
    epoch=EPOCHS,
    loss=1.0,
    gradients=(0.1, 0.1),
    weights=(1.0, 1.0),
    outputs=(),
    activations=(),
):
    """Each gradient and weight is a kernel of 2 x 2 with that number on one side, 0 on the other.

    The sum of the probabilities is 1, and the hidden layer's outputs are 0.5.
    """

    def kernel(number):
        return np.array([[number, number / 2], [number / 3, number / 4]], np.float32)

    return Snapshot(
        step=step,
        epoch=epoch,
        loss=loss,
        gradients=[kernel(g) for g in gradients],
        weights=[kernel(w) for w in weights],
        outputs=list(outputs) or [np.full((4, 3), 0.5), np.full((4, 2), 0.5)],
        activations=list(activations),
    )


def seen(*checks, accuracy=None, loss=None, snapshots=()):
    """A sound classifier: the accuracy rises to 0.95 and the loss falls, unless it is said."""
    accuracy = list(np.linspace(0.2, 0.95, EPOCHS) if accuracy is None else accuracy)
    loss = list(np.linspace(1, 0.1, EPOCHS) if loss is None else loss)
    history = {
        "loss": loss,
        "held_loss": loss,
        "accuracy": accuracy,
        "held_accuracy": accuracy,
    }
    return Seen(
        loss_name="categorical_crossentropy",
        last_activation="softmax",
        checks=list(checks) or [snapshot()],
        snapshots=list(snapshots),
        history=history,
    )


FLAT = [0.2] * EPOCHS


@pytest.mark.parametrize(
    ("training", "issues"),
    [
        (seen, ()),
        # 0.0001 x 0.4 / 0.5 is a ratio below 0.001 and a norm below 0.0001.
        (lambda: seen(snapshot(gradients=(4e-5, 0.1)), accuracy=FLAT), ("vanish",)),
        (lambda: seen(snapshot(gradients=(4e-5, 0.1))), ()),  # it learns, so it is none
        (lambda: seen(snapshot(gradients=(8.0, 0.1)), accuracy=FLAT), ("explode",)),
        (lambda: seen(snapshot(gradients=(0.0, 0.0)), accuracy=FLAT), ("dying",)),
        (lambda: seen(accuracy=FLAT), ("not converged",)),
        (lambda: seen(accuracy=[0.2, 0.9] * 5), ("unstable",)),
        (lambda: seen(snapshot(weights=(np.nan, 1.0)), loss=[np.nan] * EPOCHS), ("explode",)),
        (lambda: seen(loss=np.linspace(1, -1, EPOCHS)), ("improper loss",)),
        (
            lambda: seen(snapshot(outputs=[np.full((4, 3), 20.0), np.full((4, 2), 0.5)])),
            ("abnormal data",),
        ),
        (
            lambda: seen(
                snapshot(outputs=[np.full((4, 3), 0.5), np.full((4, 2), 3.0)]), accuracy=FLAT
            ),
            ("improper output",),
        ),
        # Before half of the epochs nobody looks at the outputs, and so at nothing else.
        (lambda: seen(snapshot(epoch=3, gradients=(8.0, 0.1)), accuracy=[0.2, 0.3] * 5), ()),
    ],
)
def test_autotrainer_says_what_its_repository_would(training, issues):
    assert autotrainer(training(), epochs=EPOCHS) == issues


def test_autotrainer_has_no_answer_for_a_regression():
    regression = seen()
    del regression.history["accuracy"], regression.history["held_accuracy"]
    assert autotrainer(regression, epochs=EPOCHS) is None


def moving(count, **other):
    """Snapshots at every tenth step, the weights and the loss falling by a tenth each."""
    return [snapshot(10 * i, loss=0.9**i, weights=(0.9**i, 0.9**i), **other) for i in range(count)]


RELU_SHUT = ("relu", np.full((8, 4), -1.0), np.zeros((8, 4)))
RELU_OPEN = ("relu", np.ones((8, 4)), np.ones((8, 4)))
TANH_FULL = ("tanh", np.full((8, 4), 11.0), np.ones((8, 4)))


@pytest.mark.parametrize(
    ("snapshots", "rules"),
    [
        (moving(6), ()),
        (moving(6, gradients=(1e-8, 0.1)), ("VanishingGradient", "PoorWeightInitialization")),
        (moving(6, gradients=(np.inf, 0.1)), ("ExplodingTensor",)),
        (moving(6, gradients=(1e30, 0.1)), ()),  # it asks for NaN and infinity alone
        (moving(6, activations=[RELU_SHUT]), ("DeadRelu",)),
        (moving(6, activations=[RELU_OPEN]), ()),
        (moving(6, activations=[TANH_FULL]), ("SaturatedActivation",)),
        (
            moving(6, gradients=(0.0, 0.1)),
            ("VanishingGradient", "PoorWeightInitialization", "AllZero"),
        ),
        (
            [snapshot(10 * i, loss=0.9**i) for i in range(4)],
            ("WeightUpdateRatio", "UnchangedTensor"),
        ),
        ([*moving(3), snapshot(30, loss=2.0, weights=(0.7, 0.7))], ("LossNotDecreasing",)),
    ],
)
def test_debugger_says_what_its_documents_say(snapshots, rules):
    assert debugger(seen(snapshots=snapshots), save_every=10) == rules


def test_debugger_sees_the_steps_that_are_saved_and_no_others():
    sick = [snapshot(0), snapshot(10, gradients=(np.nan, 1.0), weights=(2.0, 2.0))]
    assert "ExplodingTensor" in debugger(seen(snapshots=sick), save_every=10)
    assert debugger(seen(snapshots=sick), save_every=500) == ()
