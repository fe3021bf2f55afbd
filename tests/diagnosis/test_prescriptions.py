"""What is prescribed: names and numbers of this training, in the order of evidence."""

import math

import pytest

from gradgate.contracts import ActivationCard, ModelCard, Summary, VariableCard
from gradgate.contracts.summary import SeriesSummary, Sketch
from gradgate.diagnosis import Symptom, prescribe
from gradgate.diagnosis import training_facts as facts
from gradgate.gate.signals import CATALOGUE


def variable(path, layer, activation="relu", **fields):
    return VariableCard(
        path=path,
        layer=layer,
        shape=(2, 2),
        dtype="float32",
        initializer="glorot_uniform",
        activation=activation,
        **fields,
    )


CARD = ModelCard(
    model_name="m",
    variables=(
        variable("m/unused/kernel", "unused", has_gradient=False),
        variable("m/first/kernel", "first"),
        variable("m/first/bias", "first"),
        variable("m/deep/kernel", "deep", "sigmoid"),
    ),
    optimizer="SGD",
    optimizer_config={"learning_rate": 0.1},
    loss="binary_crossentropy",
    clips=({"name": "clip_by_global_norm", "max_norm": 0.01},),
    activations=(ActivationCard(layer="m/deep", activation="sigmoid"),),
)
# 10 norms of 1 (bin 0 holds (1/gamma, 1]) and mean scale 0.02.
SUMMARY = Summary(
    clip_scale=SeriesSummary(count=100, total=2.0),
    global_norm=SeriesSummary(count=10, sketch=Sketch(bins={"0": 10})),
)


def advice(signal, card=CARD, summary=SUMMARY, **fields):
    return prescribe(Symptom(signal=signal, **fields), card=card, summary=summary)


@pytest.mark.parametrize("name", CATALOGUE)
@pytest.mark.parametrize("is_low", [False, True])
def test_every_signal_has_advice_even_where_little_is_known(name, is_low):
    bare = ModelCard(model_name="m", variables=(), optimizer="")
    text = advice(name, card=bare, summary=Summary(), is_low=is_low)
    assert text.endswith(".")
    assert "None" not in text
    known = advice(name, value=0.5, step=3, variable="m/deep/kernel", is_low=is_low)
    assert known.endswith(".")
    assert "None" not in known


def test_a_signal_that_is_not_known_has_no_advice():
    assert advice("no.such.signal") == ""


def test_nan_in_the_first_layer_from_the_start_is_in_the_inputs():
    text = advice("gradient.nonfinite_applied", step=0, variable="m/first/kernel")
    assert text.startswith(
        "The first layer first (relu, glorot_uniform) had a non-finite gradient at the very first"
        " step: it is fed the inputs, so these most likely hold NaN or missing values."
    )
    assert "impute" in text
    assert "at step 7" in advice("gradient.nonfinite_applied", step=7, variable="m/first/bias")


def test_nan_in_a_deeper_layer_is_arithmetic():
    text = advice("gradient.nonfinite_applied", step=9, variable="m/deep/kernel")
    assert text.startswith("Look at layer deep (sigmoid, glorot_uniform) first: a square root")
    assert "lower the learning rate from 0.1 to 0.01" in text


def test_saturation_under_sgd_is_a_learning_rate():
    # 0.1 x 0.02 = 0.002; the bin of 1 is read as 2 / (gamma + 1) = 0.99.
    assert advice("clip.saturation", value=1.0) == (
        "clip_by_global_norm(max_norm=0.01) fired on most steps, so it has become the learning"
        " rate of SGD. The effective rate was 0.1 x 0.02 = 0.002. Choose the rate openly (set"
        " learning_rate=0.002), lengthen the warm-up, and set the limit to fire on rare spikes"
        " (max_norm=0.99, the 90th percentile of the norms seen). Do not tighten the clip."
    )


def test_saturation_under_adam_is_a_normaliser():
    adam = CARD.model_copy(update={"optimizer": "Adam"})
    text = advice("clip.saturation", card=adam, value=1.0)
    assert "Under Adam it acts as a normaliser rather than as a learning rate" in text
    assert "0.1 x" not in text


def test_a_strong_clip_says_what_became_of_the_rate():
    assert "(learning rate 0.1 became 0.001)" in advice("clip.scale", value=0.01)


@pytest.mark.parametrize("optimizer", ["Adam", "AdamW", "RMSprop", "Lion", "Adafactor"])
def test_a_strong_clip_under_a_normalising_optimizer_says_what_to_set(optimizer):
    card = CARD.model_copy(update={"optimizer": optimizer})
    assert advice("clip.scale", card=card, value=0.01) == (
        "clip_by_global_norm(max_norm=0.01) took most of every gradient away. Under"
        f" {optimizer} it acts as a normaliser and leaves the learning rate as it is: raise its"
        " limit to about 0.99, so that it fires on rare spikes only; if the loss does not fall,"
        " lower the learning rate from 0.1 to 0.03."
    )


def test_a_strong_clip_under_an_optimizer_nobody_knows_says_nothing_of_the_rate():
    card = CARD.model_copy(update={"optimizer": "Mine"})
    assert "became" not in advice("clip.scale", card=card, value=0.01)


def test_vanishing_names_the_saturating_activation():
    text = advice("variable.mean_abs", is_low=True, variable="m/deep/kernel")
    assert "replace sigmoid by relu with he_normal, or by selu with lecun_normal" in text
    assert "in the layers above" in advice("variable.norm", is_low=True, variable="m/first/kernel")


def test_exploding_without_a_clip_asks_for_one_first():
    none = CARD.model_copy(update={"clips": ()})
    assert ": clip by the global norm (max_norm=1.0), warm" in advice("variable.norm", card=none)
    assert ": tighten the clip, warm" in advice("gradient.global_norm")


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_nan_went_into_points_at_the_cause(value):
    assert "follow the rules on non-finite values first" in advice("variable.norm", value=value)


# --- One sentence for each of the others ------------------------------------------------------
@pytest.mark.parametrize(
    ("signal", "fields", "said"),
    [
        (
            "variable.update_ratio",
            {"value": 3.2, "variable": "m/deep/kernel"},
            (
                "A step moves layer deep (sigmoid, glorot_uniform) too far, by 3.2 of its norm"
                " (about 0.001 is healthy): lower the learning rate from 0.1 to 0.01, and"
                " warm it up."
            ),
        ),
        ("variable.update_ratio", {"value": 1e-9, "is_low": True}, "raise the learning rate"),
        ("variable.weight_norm", {"value": 300}, "use weight decay"),
        ("variable.weight_norm", {"value": 0.1, "is_low": True}, "less weight decay"),
        ("variable.weight_growth", {"value": 300}, "use weight decay"),
        (
            "variable.norm_share",
            {"value": 0.995, "variable": "m/deep/kernel"},
            "99.5% of the squared global norm comes from layer deep (sigmoid, glorot_uniform)",
        ),
        (
            "activation.spread_ratio",
            {"value": 30, "variable": "m/relu"},
            "The outputs of layer m/relu spread 30 times as far as at the first look: add batch",
        ),
        ("epoch.overfit", {"value": 0.4}, "above the training loss by 40%: stop earlier"),
        ("epoch.metric_swings", {"value": 0.4, "variable": "acc"}, "acc swings up and down"),
        ("epoch.loss_agreement", {"variable": "acc"}, "The loss and acc do not move together"),
        (
            "weights.constant",
            {"value": 1, "variable": "m/deep/kernel"},
            "All weights of layer deep (sigmoid, glorot_uniform) are the same number",
        ),
        (
            "answers.nonfinite",
            {"value": 8, "variable": "output_0"},
            "Output output_0 of the exported model gives NaN or infinity to real examples.",
        ),
        ("answers.constant", {"value": 1}, "An output of the exported model is the same for every"),
        ("gradient.direction_flip", {"value": 0.7}, "use Adam; then lower the learning rate"),
        ("gradient.cosine", {"value": -0.5, "is_low": True}, "then make the batch larger"),
        (
            "gradient.spike",
            {"value": 12, "step": 8},
            "(ZClip, AutoClip), or by the global norm with max_norm=0.99; look at the batch",
        ),
        ("loss.spike", {"step": 250}, "a checkpoint of about step 150 and leave out the batches"),
        ("loss.spike", {}, "a checkpoint of some 100 steps before it"),
        (
            "loss_scale.skipped",
            {"value": 0.25},
            (
                "25.0% of the steps were left out since the scaled loss overflowed: train in"
                " mixed_bfloat16"
            ),
        ),
        (
            "activation.dead_fraction",
            {"value": 0.6, "variable": "m/relu"},
            (
                "60% of the units of layer m/relu are 0 on all examples and learn no more: use"
                " leaky_relu or selu, lower the learning rate from 0.1 to 0.01, then he_normal"
            ),
        ),
        (
            "activation.saturated_fraction",
            {"value": 0.9, "variable": "m/deep"},
            "90% of the outputs of layer m/deep (sigmoid) are saturated",
        ),
        (
            "gradient.first_last_ratio",
            {"value": 1e-6, "is_low": True},
            "Almost no gradient reaches layer first (relu, glorot_uniform)",
        ),
        ("gradient.first_last_ratio", {"value": 1e3}, "Gradients exploded in layer first"),
    ],
)
def test_says_what_to_do_with_the_numbers(signal, fields, said):
    assert said in advice(signal, **fields)


def test_an_optimizer_that_normalises_is_not_sent_to_adam():
    adam = CARD.model_copy(update={"optimizer": "AdamW"})
    assert "use Adam" not in advice("gradient.direction_flip", card=adam)


# --- The numbers -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("config", "rate"),
    [
        ({"learning_rate": 0.1}, 0.1),
        ({"learning_rate": 1}, 1.0),
        ({"learning_rate": {"config": {"initial_learning_rate": 0.2}}}, 0.2),
        ({"learning_rate": {"initial_learning_rate": 0.3}}, 0.3),
        ({"learning_rate": {"config": 3}}, None),
        ({"learning_rate": True}, None),
        ({"learning_rate": math.nan}, None),
        ({"learning_rate": "cosine"}, None),
        ({}, None),
    ],
)
def test_learning_rate_of_a_card(config, rate):
    card = CARD.model_copy(update={"optimizer_config": config})
    assert facts.learning_rate(card) == rate
    assert ("try 0.1 of it" in facts.lower_rate(card)) == (rate is None)


def test_several_clips_in_words():
    card = CARD.model_copy(update={"clips": ({"name": "a", "y": 1, "x": 2}, {"name": "b"})})
    assert facts.clips_in_words(card) == "a(x=2, y=1), then b()"


def test_quantiles_of_a_sketch():
    # gamma = 1.01 / 0.99; values 0 (4 times), 1 (bin 0), and about 2.7 (bin 50).
    sketch = Sketch(bins={"50": 3, "0": 3}, zeros=4)
    assert facts.quantile(sketch, 0.3) == 0.0
    assert facts.quantile(sketch, 0.5) == pytest.approx(1, rel=0.011)
    assert facts.quantile(sketch, 1.0) == pytest.approx((1.01 / 0.99) ** 50, rel=0.011)
    assert facts.quantile(Sketch(), 0.5) is None


def test_without_clip_numbers_there_is_no_mean_scale():
    assert facts.mean_scale(Summary()) is None


def test_what_is_first_is_the_first_with_a_gradient():
    assert facts.is_first(CARD, "m/first/bias")
    assert not facts.is_first(CARD, "m/unused/kernel")
    assert not facts.is_first(CARD, None)
    assert facts.layer_in_words(CARD, "elsewhere") == "elsewhere"
    assert facts.layer_in_words(CARD, None) == "the model"
