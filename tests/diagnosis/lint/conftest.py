"""Models from the examples of rules and from code, as the lint sees them."""

import functools

import keras
import numpy as np
import pytest

from gradgate.diagnosis.lint import lint
from gradgate.training.card import describe_design
from gradgate.training.examples import describe_examples


@pytest.fixture(autouse=True)
def fresh_names():
    keras.utils.clear_session(free_memory=False)


@pytest.fixture(scope="session")
def card_of():
    """Describes a model, with a batch size and examples if there are some."""

    def describe(model, batch_size=None, data=None):
        card = describe_design(model, batch_size=batch_size)
        if data is None:
            return card
        inputs = describe_examples(np.asarray(data), card.layers, source="the test's data")
        return card.model_copy(update={"inputs": inputs})

    return describe


@pytest.fixture(scope="session")
def report_of(card_of):
    """Lints a model."""
    return lambda model, **more: lint(card_of(model, **more))


@pytest.fixture(scope="session")
def run_example(report_of):
    """Runs the code of an example, once, and lints what it made."""

    @functools.cache
    def run(code):
        made = {"keras": keras}
        exec(compile(code, "<example>", "exec"), made)
        more = {key: made[key] for key in ("batch_size", "data") if key in made}
        return report_of(made["model"], **more)

    return run
