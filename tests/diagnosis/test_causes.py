"""Each cause by itself: found where the numbers speak for it, and how sure; else not."""

import pytest

from gradgate.contracts.summary import ReplicaSummary


# --- What goes in ----------------------------------------------------------------------------
def nan_in(net, *paths, step=0):
    for path in paths:
        net.measured(path, first_nonfinite_step=step)
    return net


ALL_OF_IT = ("net/hidden_0/kernel", "net/hidden_1/kernel", "net/output/kernel")


def test_a_nan_that_begins_in_the_first_layer_alone_is_in_the_inputs(make):
    net = nan_in(make.Net(), "net/hidden_0/kernel", step=7)
    cause = net.cause("missing-values", make.symptom("gradient.nonfinite_applied", step=7))
    assert cause.confidence == "likely"
    assert cause.layer == "hidden_0"
    assert cause.numbers == (
        "step 7 had the first NaN or infinite gradient, in net/hidden_0/kernel",
    )


@pytest.mark.parametrize(
    ("paths", "step", "is_own", "confidence"),
    [
        (ALL_OF_IT, 0, False, "likely"),
        (ALL_OF_IT, 0, True, "possible"),  # a loss of one's own may as well be it
        (ALL_OF_IT, 7, False, "likely"),
        (ALL_OF_IT[1:], 7, False, None),
    ],
)
def test_a_nan_everywhere_came_with_a_batch_if_nothing_else_gives_one(
    make, paths, step, is_own, confidence
):
    net = nan_in(make.Net(), *paths, step=step)
    net.card["losses"] = (make.LossCard(name="mine", is_keras=not is_own, output=0),)
    cause = net.cause("missing-values", make.symptom("gradient.nonfinite", step=step))
    assert (cause and cause.confidence) == confidence


def test_missing_values_that_were_seen_are_named(make):
    net = nan_in(make.Net(), *ALL_OF_IT)
    given = {"mean": 0.0, "std": 1.0, "low": -2.0, "high": 2.0, "source": "the first batch"}
    net.card["inputs"] = (
        make.InputCard(name="x[2]", examples=32, **given),
        make.InputCard(name="x[3]", examples=32, nonfinite=4, **given),
    )
    cause = net.cause("missing-values", make.symptom("gradient.nonfinite"))
    assert cause.confidence == "sure"
    assert "x[3]: 4 missing or infinite values in 32 examples" in cause.numbers
    assert cause.change.startswith("Fill or drop the missing values in x[3].")


@pytest.mark.parametrize(
    ("paths", "confidence"),
    [(("kernel",), "likely"), (("kernel", "bias"), "possible")],  # a bias's gradient has no x in it
)
def test_a_nan_in_the_first_bias_too_is_not_of_the_inputs(make, paths, confidence):
    net = nan_in(make.Net(), *(f"net/hidden_0/{path}" for path in paths), step=7)
    cause = net.cause("missing-values", make.symptom("gradient.nonfinite_applied", step=7))
    assert cause.confidence == confidence


def test_inputs_that_are_fine_speak_for_an_operation_of_the_model(make):
    net = nan_in(make.Net(), *ALL_OF_IT)
    root = {"name": "root", "path": "root", "kind": "Sqrt", "class_name": "Sqrt"}
    net.layers.append(make.LayerCard(inputs=(2,), **root))
    given = {"mean": 0.0, "std": 1.0, "low": -2.0, "high": 2.0, "source": "the first batch"}
    net.card["inputs"] = (make.InputCard(name="x", examples=16, **given),)
    cause = net.cause("missing-values", make.symptom("gradient.nonfinite"))
    assert cause.confidence == "possible"
    assert "hold none" in cause.because
    cause = net.cause("unstable-arithmetic", make.symptom("gradient.nonfinite"))
    assert cause.confidence == "likely"
    assert cause.layer == "root"
    assert cause.change.startswith("Look in root (Sqrt) for a square root")


def test_a_nan_that_came_back_is_looked_for_in_ones_own_code_on_the_way(make):
    net = make.Net()
    own = {"name": "lengths", "path": "lengths", "kind": "Layer", "class_name": "Length"}
    net.layers.insert(2, make.LayerCard(inputs=(1,), **own))
    net.layers[3:] = [
        card.model_copy(update={"inputs": (i,)}) for i, card in enumerate(net.layers[3:], start=2)
    ]
    for part in ("kernel", "bias"):
        net.measured(f"net/hidden_0/{part}", first_nonfinite_step=0)
    cause = net.cause("unstable-arithmetic", make.symptom("gradient.nonfinite", step=0))
    assert cause.confidence == "likely"
    assert cause.layer == "lengths"
    assert cause.change.startswith("Look in lengths (Length) for a square root")
    missing = net.cause("missing-values", make.symptom("gradient.nonfinite", step=0))
    assert missing.confidence == "possible"


def exploded(net, make, *, step=5):
    """Makes it grow until the step before, where the output's weights were moved by thrice."""
    nan_in(net, *ALL_OF_IT, step=step)
    net.summary["global_norm"] = make.series(1.0, greatest=1e18, greatest_step=step - 1)
    net.measured("net/output/kernel", update_ratio=make.series(3.0))
    return make.symptom("gradient.nonfinite_applied", step=step)


def test_what_grew_until_it_was_infinite_is_a_rate_and_no_root_of_0(make):
    net = make.Net()
    net.card |= {"optimizer": "SGD", "optimizer_config": {"learning_rate": 0.01}}
    symptom = exploded(net, make)
    assert net.cause("unstable-arithmetic", symptom) is None
    cause = net.cause("learning-rate-too-high", symptom)
    assert cause.confidence == "likely"
    assert "grew until they were infinite" in cause.because
    # A step of 300 % at 0.01 is one of 1 % at 0.01 / 300.
    assert cause.snippet == ("optimizer = keras.optimizers.SGD(learning_rate=3e-05)  # was 0.01",)


def test_large_labels_under_the_squared_error(make):
    net = make.Net()
    net.card["losses"] = (make.LossCard(name="mean_squared_error", output=0),)
    net.summary["constant_loss"] = 5929.0
    assert net.cause("target-scale", make.symptom("loss")).confidence == "possible"
    cause = net.cause("target-scale", exploded(net, make))
    assert cause.confidence == "likely"
    assert "the labels have a standard deviation of 77; 1 is usual" in cause.numbers
    net.summary["constant_loss"] = 1.2
    assert net.cause("target-scale", make.symptom("loss")) is None


def test_residuals_without_a_norm_add_up_what_goes_forward(make):
    net = make.Net(depth=8)
    net.layers.append(make.LayerCard(name="sum", path="sum", kind="Add", class_name="Add"))
    small = make.symptom("variable.mean_abs", low=True)
    assert net.cause("missing-normalisation", small) is None
    symptom = exploded(net, make, step=1)
    net.summary["global_norm"] = make.series(1.6e6, greatest_step=0)
    cause = net.cause("missing-normalisation", symptom)
    assert cause.confidence == "likely"
    assert cause.change.startswith("Put a LayerNormalization before what each branch computes")


def test_layers_in_float16_are_told_where_the_model_as_a_whole_is_not(make):
    net = nan_in(make.Net(), *ALL_OF_IT)
    net.layers[1] = net.layers[1].model_copy(update={"dtype_policy": "mixed_float16"})
    symptom = make.symptom("gradient.nonfinite")
    assert "float16 in 1 layer: hidden_0" in net.cause("precision", symptom).numbers[0]
    given = {"mean": 8e4, "std": 5e4, "low": 0.0, "high": 2e5, "source": "the first batch"}
    net.card["inputs"] = (make.InputCard(name="x", examples=16, **given),)
    assert net.cause("precision", symptom).confidence == "sure"


def test_a_training_that_blew_up_before_had_no_nan_in_its_inputs(make):
    net = nan_in(make.Net(), *ALL_OF_IT, step=50)
    net.summary["global_norm"] = make.series(1.0, greatest=1e9)
    assert net.cause("missing-values", make.symptom("gradient.nonfinite", step=50)) is None


def of_workers(net, *first_steps):
    """Gives it several workers, and the step at which each first had something not finite."""
    net.summary["replicas"] = tuple(
        ReplicaSummary(name=f"worker {place}", first_nonfinite_step=step)
        for place, step in enumerate(first_steps)
    )
    return net


@pytest.mark.parametrize(
    ("first_steps", "names"),
    [
        ((None, 40), "worker 1"),
        ((41, 40), "worker 1"),  # through the weights it reaches all of them
        ((40, None, 40), "worker 0 and worker 2"),
    ],
)
def test_a_nan_of_some_workers_has_their_names(make, first_steps, names):
    net = of_workers(make.Net(), *first_steps)
    cause = net.cause("sick-worker", make.symptom("gradient.nonfinite_applied", step=40))
    assert cause.confidence == "sure"
    assert cause.numbers == (f"step 40 had the first NaN or infinity, in {names} alone",)
    assert cause.change.startswith(f"Look at what only {names} has: ")


@pytest.mark.parametrize("first_steps", [(40, 40), (None, None), ()])
def test_a_nan_of_all_workers_at_once_is_no_workers_fault(make, first_steps):
    net = of_workers(make.Net(), *first_steps)
    assert net.cause("sick-worker", make.symptom("gradient.nonfinite", step=40)) is None


def test_a_worker_with_another_loss_is_named(make):
    symptom = make.symptom("replica.loss_ratio", variable="worker 1")
    cause = make.Net().cause("sick-worker", symptom)
    assert cause.change.startswith("Compare the data of worker 1 with those of the others")


@pytest.mark.parametrize(("size", "confidence"), [(5, None), (50, "likely"), (5000, "sure")])
def test_inputs_that_were_looked_at_tell_their_scale(make, size, confidence):
    net = make.Net()
    net.card["inputs"] = (
        make.InputCard(
            name="age", examples=32, mean=1.0, std=float(size), low=0.0, high=99.0, source="s"
        ),
    )
    cause = net.cause("input-scale", make.symptom("loss"))
    assert (cause and cause.confidence) == confidence
    if cause:
        assert cause.numbers[0].startswith("age goes from 0 to ")


def test_one_outlier_among_standardised_inputs_is_no_scale(make):
    net = make.Net()
    given = {"examples": 16, "mean": 0.8, "std": 3.2, "low": -1.0, "high": 12.0, "source": "s"}
    net.card["inputs"] = (make.InputCard(name="x", **given),)
    assert net.cause("input-scale", make.symptom("loss")) is None


@pytest.mark.parametrize("kind", ["Embedding", "Normalization", "Rescaling"])
def test_tokens_and_what_the_model_scales_itself_may_be_of_any_size(make, kind):
    net = make.Net()
    given = {"examples": 9, "mean": 900.0, "std": 1.0, "low": 0.0, "high": 5000.0, "source": "s"}
    net.card["inputs"] = (make.InputCard(name="x", layer=0, **given),)
    net.layers[1] = net.layers[1].model_copy(update={"kind": kind})
    assert net.cause("input-scale", make.symptom("loss")) is None


def test_the_first_layers_gradients_tell_the_scale_of_inputs_nobody_looked_at(make):
    # |dW| / |db| = 400 over 64 inputs: 400 / 8 = 50 each.
    net = make.Net().measured("net/hidden_0/kernel", norm=make.series(200.0))
    cause = net.cause("input-scale", make.symptom("loss"))
    assert cause.confidence == "likely"
    assert "the inputs are about 50 in size" in cause.numbers[0]
    assert make.Net().cause("input-scale", make.symptom("loss")) is None


@pytest.mark.parametrize(
    ("loss", "code"),
    [
        ("binary_crossentropy", "(y == y.max())"),
        ("sparse_categorical_crossentropy", "np.unique"),
        ("categorical_crossentropy", "to_categorical"),
        ("mean_squared_error", None),
    ],
)
def test_a_cross_entropy_below_0_has_labels_out_of_range(make, loss, code):
    net = make.Net()
    net.card["losses"] = (make.LossCard(name=loss, output=0),)
    net.summary["loss"] = make.series(1.0, least=-4.0)
    cause = net.cause("labels-out-of-range", make.symptom("loss.vs_constant", kind="unmeasured"))
    assert (cause is None) == (code is None)
    if cause:
        assert cause.confidence == "sure"
        assert code in cause.snippet[0]
        assert cause.numbers[0].startswith("the loss went down to -4")


# --- How it is put together ------------------------------------------------------------------
@pytest.mark.parametrize(
    ("loss", "from_logits", "activation", "units", "said"),
    [
        ("binary_crossentropy", False, "sigmoid", 1, None),
        ("binary_crossentropy", True, None, 1, None),
        ("sparse_categorical_crossentropy", False, "softmax", 10, None),
        ("mean_squared_error", None, None, 1, None),
        ("mean_squared_error", None, "sigmoid", 1, "Take sigmoid away from output: it ends at 0"),
        ("mean_absolute_error", None, "sigmoid", 1, None),
        ("binary_crossentropy", False, "softmax", 1, "Give output a sigmoid: a softmax over a"),
        ("binary_crossentropy", False, "relu", 1, "Give output a sigmoid: relu gives numbers"),
        ("binary_crossentropy", False, None, 1, "Tell the loss that output gives plain numbers"),
        ("sparse_categorical_crossentropy", True, "softmax", 10, "Take softmax away from output"),
        ("sparse_categorical_crossentropy", False, "sigmoid", 1, "sparse_categorical_crossentropy"),
    ],
)  # fmt: skip
def test_output_and_loss_that_do_not_fit(make, loss, from_logits, activation, units, said):
    net = make.Net(classes=units)
    net.variable("net/output/kernel", activation=activation or "linear")
    net.variable("net/output/bias", activation=activation or "linear")
    net.layers[-1] = net.layers[-1].model_copy(update={"activation": activation})
    net.card["losses"] = (make.LossCard(name=loss, from_logits=from_logits, output=0),)
    cause = net.cause("loss-against-output", make.symptom("loss"))
    assert (cause is None) == (said is None)
    if cause:
        assert cause.change.startswith(said)
        assert cause.layer == "output"


def test_a_gradient_that_is_stopped_is_looked_for_behind_the_last_layer_without_one(make):
    net = make.Net()
    for part in ("kernel", "bias"):
        net.variable(f"net/hidden_0/{part}", has_gradient=False)
    stop = make.LayerCard(name="stop", path="stop", kind="Layer", class_name="StopGradient")
    net.layers.insert(2, stop)
    cause = net.cause("disconnected", make.symptom("variable.unused"))
    assert cause.confidence == "sure"
    assert cause.change.startswith("Take out what stops the gradient: stop (StopGradient).")
    # 64 x 64 + 64 of two times that, and 64 x 10 + 10.
    assert "no gradient ever reached 2 variables of 6, 46.4% of all parameters" in cause.numbers[0]


def test_a_branch_that_leads_nowhere_is_to_be_connected(make):
    net = make.Net().variable("net/hidden_1/kernel", has_gradient=False)
    cause = net.cause("disconnected", make.symptom("variable.unused"))
    assert cause.change.startswith("Connect the output of hidden_1 to what the loss is")


@pytest.mark.parametrize(("is_keras", "confidence"), [(True, "possible"), (False, "likely")])
def test_a_loss_of_ones_own_is_where_a_root_of_0_is_looked_for(make, is_keras, confidence):
    net = nan_in(make.Net(), *ALL_OF_IT)
    net.card["losses"] = (make.LossCard(name="mine", is_keras=is_keras, output=0),)
    cause = net.cause("unstable-arithmetic", make.symptom("gradient.nonfinite"))
    assert cause.confidence == confidence
    assert ("the loss mine" in cause.change) == (not is_keras)


# --- What it is made of ----------------------------------------------------------------------
def test_weights_that_begin_at_0_are_told_by_their_initialiser(make):
    net = make.Net().variable("net/hidden_0/kernel", initializer="Zeros")
    cause = net.cause("equal-weights", make.symptom("loss"))
    assert cause.confidence == "sure"
    assert "he_normal suits relu" in cause.change
    assert cause.snippet == (
        'keras.layers.Dense(64, activation="relu",',
        '    kernel_initializer="he_normal", name="hidden_0")',
    )
    assert make.Net().cause("equal-weights", make.symptom("loss")) is None


def test_an_output_that_begins_at_0_is_fine(make):
    net = make.Net().variable("net/output/kernel", initializer="Zeros")
    assert net.cause("equal-weights", make.symptom("loss")) is None


@pytest.mark.parametrize(
    ("norm", "confidence"), [(8.0, None), (50.0, "likely"), (400.0, "sure"), (0.08, "sure")]
)
def test_weights_of_a_size_that_their_layer_cannot_bear(make, norm, confidence):
    # 64 x 64 weights: a norm of 8 is 0.125 each, what Glorot gives; He gives 0.177.
    net = make.Net(activation="tanh").measured("net/hidden_1/kernel", weight_norm=make.series(norm))
    cause = net.cause("initialiser", make.symptom("loss"))
    assert (cause and cause.confidence) == confidence
    if cause:
        assert cause.layer == "hidden_1"
        suits = "0.125" if norm < 8 else "0.177"
        assert f"{suits} suits 64 inputs" in cause.numbers[0]


def test_weights_that_grew_were_not_drawn_too_large(make):
    grown = make.series(400.0, least=8.0)
    net = make.Net(activation="tanh").measured("net/hidden_1/kernel", weight_norm=grown)
    assert net.cause("initialiser", make.symptom("loss")) is None


@pytest.mark.parametrize(
    ("depth", "first", "confidence"), [(3, 1e-9, None), (6, 1e-5, "likely"), (6, 1e-9, "sure")]
)
def test_sigmoids_in_depth_lose_the_gradient(make, depth, first, confidence):
    net = make.Net(depth=depth, activation="sigmoid")
    net.measured("net/hidden_0/kernel", mean_abs=make.series(first * 1.5))
    cause = net.cause("saturating-depth", make.symptom("loss"))
    assert (cause and cause.confidence) == confidence
    if cause:
        assert "whose slope is 0.25 at most" in cause.numbers[0]
        assert cause.snippet[0].startswith('keras.layers.Dense(64, activation="relu"')


def test_batch_normalisation_over_one_example(make):
    net = make.Net()
    norm = {"name": "norm", "path": "norm", "kind": "BatchNormalization"}
    net.layers.append(make.LayerCard(class_name="BatchNormalization", **norm))
    for batch, confidence in ((32, None), (3, "likely"), (1, "sure")):
        net.card["batch_size"] = batch
        cause = net.cause("small-batch-norm", make.symptom("loss"))
        assert (cause and cause.confidence) == confidence


def test_an_embedding_is_too_large_by_its_least_size(make):
    net = make.Net()
    table = net.variables[0].model_copy(
        update={"path": "net/words/embeddings", "layer": "words", "shape": (100, 16)}
    )
    net.variables.insert(0, table)
    for norm, confidence in ((1.2, None), (200.0, "likely"), (2000.0, "sure")):
        net.numbers[table.path] = net.numbers["net/hidden_0/kernel"].model_copy(
            update={"path": table.path, "weight_norm": make.series(norm)}
        )
        cause = net.cause("embedding", make.symptom("loss"))
        assert (cause and cause.confidence) == confidence


def _reader(make, kind, activation):
    """A net that begins with a recurrent layer whose gradient leapt to 900 at step 31."""
    net = make.Net()
    names = {"path": "net/reader/recurrent_kernel", "layer": "reader", "activation": activation}
    loop = net.variables[0].model_copy(update=names)
    net.variables.insert(0, loop)
    net.numbers[loop.path] = net.numbers["net/hidden_0/kernel"].model_copy(
        update={"path": loop.path, "norm": make.series(0.5, greatest=900.0, greatest_step=31)}
    )
    reader = {"name": "reader", "path": "reader", "kind": kind, "units": 64}
    net.layers.append(make.LayerCard(class_name=kind, activation=activation, **reader))
    return net


def test_a_recurrent_layer_whose_activation_nothing_bounds_gets_tanh_back(make):
    net = _reader(make, "LSTM", "relu")
    net.card["clips"] = ({"name": "clip_by_global_norm", "max_norm": 5.0},)
    cause = net.cause("recurrent-product", make.symptom("variable.norm"))
    assert cause.confidence == "likely"
    assert "reader has relu, which nothing bounds: Keras's own is tanh" in cause.numbers
    assert cause.change.startswith("Give reader the activation tanh in place of relu. The clip")
    assert "max_norm" not in cause.change, "one is set"
    assert cause.snippet == ('LSTM(..., activation="tanh", name="reader")',)


def test_a_plain_recurrent_layer_of_relus_gets_gates_and_their_tanh(make):
    cause = _reader(make, "SimpleRNN", "relu").cause(
        "recurrent-product", make.symptom("variable.norm")
    )
    assert cause.change.startswith("Use an LSTM or GRU in place of reader, with Keras's own tanh")
    assert cause.snippet[-1] == 'keras.layers.LSTM(64, name="reader")'
    assert not any("SimpleRNN" in line for line in cause.snippet)


@pytest.mark.parametrize(
    ("kind", "activation", "confidence"),
    [("SimpleRNN", "sigmoid", "likely"), ("SimpleRNN", "tanh", None), ("LSTM", "sigmoid", None)],
)
def test_a_sigmoid_at_every_time_step_forgets(make, kind, activation, confidence):
    cause = _reader(make, kind, activation).cause("recurrent-product", make.symptom("loss"))
    assert (cause and cause.confidence) == confidence
    if cause:
        assert cause.snippet == ('keras.layers.LSTM(64, name="reader")',)


def test_what_has_no_gradient_behind_dead_units_is_not_what_is_dead(make):
    net = make.Net(activation="relu")
    output = net.variables[-1].path
    cause = net.cause("dead-units", make.symptom("variable.zero_fraction", variable=output))
    assert cause.layer == net.variables[-3].layer, "the last layer of ReLUs"
    assert (
        make.Net(activation="tanh").cause(
            "dead-units", make.symptom("variable.zero_fraction", variable=output)
        )
        is None
    )


def test_a_recurrent_layer_that_leaps_needs_a_clip_and_gates(make):
    net = _reader(make, "SimpleRNN", "tanh")
    cause = net.cause("recurrent-product", make.symptom("variable.norm"))
    assert cause.confidence == "likely"
    assert "went up to 900 at step 31; usual was 0.5" in cause.numbers[0]
    assert cause.snippet[-1] == 'keras.layers.LSTM(64, name="reader")'
    assert "no clip bounds a step" in cause.numbers


# --- How it is trained -----------------------------------------------------------------------
@pytest.mark.parametrize(
    ("rate", "ratio", "confidence"),
    [(0.001, 1e-3, None), (1.0, 1e-3, "likely"), (1.0, 0.5, "sure"), (0.005, 0.5, "likely")],
)
def test_a_rate_that_is_too_high(make, rate, ratio, confidence):
    net = make.Net().measured("net/hidden_1/kernel", update_ratio=make.series(ratio))
    net.card["optimizer_config"] = {"learning_rate": rate}
    cause = net.cause("learning-rate-too-high", make.symptom("loss"))
    assert (cause and cause.confidence) == confidence
    if rate == 1.0:
        assert cause.snippet == ("optimizer = keras.optimizers.Adam(learning_rate=0.001)  # was 1",)


def test_a_nan_at_the_first_step_is_no_learning_rate(make):
    net = nan_in(make.Net(), *ALL_OF_IT)
    assert net.cause("learning-rate-too-high", make.symptom("gradient.nonfinite", step=0)) is None


@pytest.mark.parametrize(
    ("rate", "ratio", "confidence"),
    [(0.001, 1e-3, None), (1e-8, 1e-9, "sure"), (1e-8, 1e-3, "likely"), (0.001, 1e-9, "possible")],
)
def test_a_rate_that_is_too_low(make, rate, ratio, confidence):
    net = make.Net()
    for path in net.numbers:
        net.measured(path, update_ratio=make.series(ratio))
    net.card["optimizer_config"] = {"learning_rate": rate}
    cause = net.cause("learning-rate-too-low", make.symptom("loss"))
    assert (cause and cause.confidence) == confidence


def clipped(make, optimizer="SGD", rate=0.1):
    net = make.Net()
    net.card |= {
        "optimizer": optimizer,
        "optimizer_config": {"learning_rate": rate},
        "clips": ({"name": "clip_by_global_norm", "max_norm": 0.02},),
    }
    net.summary |= {"clip_scale": make.series(0.02), "clipped_steps": 100}
    return net


def test_a_tight_clip_under_sgd_is_a_learning_rate_that_is_kept_if_it_was_good(make):
    cause = clipped(make).cause("clip-too-tight", make.symptom("clip.saturation"))
    assert cause.numbers == (
        "clipped on 100% of the steps; 10% is a good aim",
        "on average 2% of a gradient was left",
        "ClipByGlobalNorm(max_norm=0.02), and 9 of 10 norms are below 0.99",
        "the learning rate 0.1 became 0.002",
    )
    assert cause.snippet == (
        "clip = gradgate.ClipByGlobalNorm(max_norm=0.99)  # was 0.02",
        "gradgate.instrument(model, record, clip=clip)",
        "optimizer = keras.optimizers.SGD(learning_rate=0.002)  # was 0.1",
    )


def test_a_tight_clip_that_stopped_the_training_is_raised_and_the_rate_left(make):
    symptoms = make.symptom("clip.saturation"), make.symptom("loss")
    cause = clipped(make).cause("clip-too-tight", *symptoms)
    assert len(cause.snippet) == 2
    assert "rule-of-loss" in cause.rules


def test_the_limit_of_another_clip_is_not_told_in_global_norms(make):
    net = clipped(make)
    net.card["clips"] = ({"name": "clip_by_value", "max_value": 0.02},)
    cause = net.cause("clip-too-tight", make.symptom("clip.saturation"))
    assert (
        "ClipByValue(max_value=0.02) acts on most steps: raise its limit until it" in cause.change
    )
    assert not any("ClipByGlobalNorm" in line for line in cause.snippet)


def test_a_schedule_is_told_by_its_first_rate(make):
    net = make.Net().measured("net/hidden_1/kernel", update_ratio=make.series(0.5))
    net.card["optimizer_config"] = {"learning_rate": {"config": {"initial_learning_rate": 1.0}}}
    cause = net.cause("learning-rate-too-high", make.symptom("loss"))
    assert cause.snippet == ("initial_learning_rate=0.001  # was 1",)


def test_a_tight_clip_under_adam_is_no_learning_rate(make):
    symptoms = make.symptom("clip.saturation"), make.symptom("loss")
    cause = clipped(make, "Adam").cause("clip-too-tight", *symptoms)
    assert "Adam makes its steps equally long by itself" in cause.change
    assert cause.rules == ("rule-of-clip.saturation",)
    assert not any("became" in number for number in cause.numbers)


def test_float16_is_told_by_its_variables_and_by_what_overflowed(make):
    net = make.Net()
    net.card["precision"] = "mixed_float16"
    assert net.cause("precision", make.symptom("loss")) is None
    net.summary["loss_scale_skips"] = 100
    cause = net.cause("precision", make.symptom("loss_scale.skipped"))
    assert cause.confidence == "sure"
    assert "100 steps left out since the scaled loss overflowed (50%)" in cause.numbers
    net.card["precision"] = "mixed_bfloat16"
    assert net.cause("precision", make.symptom("gradient.nonfinite")) is None


# --- What it looks like in the end -----------------------------------------------------------
@pytest.mark.parametrize(("zeros", "said"), [(1.0, "from the first step on"), (0.2, "They died")])
def test_dead_units_are_told_by_what_the_layer_gives_out(make, zeros, said):
    net = make.Net().looked("net/hidden_1", zero_fraction=1.0)
    net.measured("net/hidden_1/kernel", zero_fraction=make.series(1.0, least=zeros))
    cause = net.cause("dead-units", make.symptom("variable.zero_fraction"))
    assert cause.confidence == "sure"
    assert cause.layer == "hidden_1"
    assert said in cause.change


def test_labels_are_doubted_last_and_more_if_every_gradient_is_in_order(make):
    assert make.Net().cause("nothing-to-learn", make.symptom("loss")).confidence == "likely"
    others = make.symptom("loss"), make.symptom("variable.norm")
    assert make.Net().cause("nothing-to-learn", *others).confidence == "possible"
