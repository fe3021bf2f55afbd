"""Of what is sound the lint says neither error nor warning, and asks every rule that it can."""

import importlib.util
from pathlib import Path

import keras
import numpy as np
import pytest

# Beside this file; shared with `benchmarks/lint_precision.py`.
_SPEC = importlib.util.spec_from_file_location("sound", Path(__file__).with_name("sound.py"))
sound = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(sound)

CHEAP = ("inputs-not-normalised",)  # asked only with data at hand


def check(report):
    said = [(each.rule, each.message) for each in report.findings if each.severity != "info"]
    assert said == []
    assert {each.rule for each in report.not_asked} <= set(CHEAP)


@pytest.mark.parametrize("make", sound.SMALL, ids=lambda make: make.__name__)
def test_a_small_one_gives_no_warning(make, report_of):
    check(report_of(make(), batch_size=32))


@pytest.mark.half("first")
@pytest.mark.parametrize("name", sound.APPLICATIONS)
def test_one_of_keras_own_gives_no_warning(name, report_of):
    check(report_of(sound.application(name), batch_size=32))


@pytest.mark.parametrize("is_masked", [True, False])
def test_ids_that_go_to_an_embedding_are_no_numbers_to_scale(is_masked, report_of):
    # A mask asks of the same input whether it is 0, in an operation of its own.
    words = keras.Input((6,), dtype="int32")
    x = keras.layers.LSTM(4)(keras.layers.Embedding(5000, 8, mask_zero=is_masked)(words))
    model = keras.Model(words, keras.layers.Dense(1, "sigmoid")(x))
    report = report_of(model, batch_size=32, data=np.full((32, 6), 4000))
    assert "inputs-not-normalised" in report.passed


def test_there_are_twenty():
    assert len(sound.SMALL) >= 20
