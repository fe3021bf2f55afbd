"""Full statistics of single steps: what they say, when they are taken, and of which gradient."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gradgate.training import GuardSettings, TrainingContext, instrument

NAN, INF = float("nan"), float("inf")
SGD = keras.optimizers.SGD


@pytest.fixture
def weights():
    """A model that is nothing but its weights, for gradients that a test writes down itself."""

    def make(*value, optimizer=None):
        value = np.float32(value).reshape(-1, 1)
        dense = keras.layers.Dense(1, use_bias=False, name="weights")
        model = keras.Sequential([keras.Input((len(value),)), dense], name="model")
        model.compile(optimizer or SGD(0.1))
        model.set_weights([value])
        return model

    return make


def _apply(model, guard, gradients, losses=None, *, compiled=False):
    """Takes a step with each of the gradients."""
    (variable,) = model.trainable_variables

    def step(gradient, loss):
        guard.observe_loss(loss)
        model.optimizer.apply([gradient], [variable])

    step = tf.function(step) if compiled else step
    losses = [0.0] * len(gradients) if losses is None else losses
    for gradient, loss in zip(gradients, losses, strict=True):
        step(tf.reshape(tf.constant(gradient, tf.float32), [-1, 1]), tf.constant(loss))


@pytest.mark.parametrize("compiled", [True, False], ids=["graph", "eager"])
def test_the_numbers_of_one_step_by_hand(weights, record_dir, read, compiled):
    model = weights(1, 2, 2, 4)  # norm sqrt(1 + 4 + 4 + 16) = 5
    with instrument(model, record_dir, statistics_every=1) as guard:
        _apply(model, guard, [[3, 0, -4, 0]], compiled=compiled)
    _, steps = read(record_dir)
    found = steps.statistics
    assert found.step.tolist() == [0]
    np.testing.assert_allclose(found.mean_abs, [[7 / 4]])
    np.testing.assert_allclose(found.max_abs, [[4.0]])
    np.testing.assert_allclose(found.zero_fraction, [[0.5]])
    assert found.nonfinite.tolist() == [[0]]
    np.testing.assert_allclose(found.weight_norm, [[5.0]])
    # SGD adds 0.1 times the gradient, of norm 5: 0.5 to weights of norm 5.
    np.testing.assert_allclose(found.update_ratio, [[0.1]], rtol=1e-6)


def test_the_weight_norm_is_that_before_the_step(weights, record_dir, read):
    model = weights(3, 4)
    with instrument(model, record_dir, statistics_every=1) as guard:
        _apply(model, guard, [[10, 20], [0, 0]])  # [3, 4] - 0.1 [10, 20] = [2, 2]
    _, steps = read(record_dir)
    np.testing.assert_allclose(steps.statistics.weight_norm, [[5.0], [np.sqrt(8)]], rtol=1e-6)


def test_the_histogram_counts_half_decades(weights, record_dir, read):
    model = weights(1, 1, 1, 1, 1)
    with instrument(model, record_dir, statistics_every=1) as guard:
        _apply(model, guard, [[2e-3, 0, -5, 6, NAN]])
    _, steps = read(record_dir)
    # Bin i begins at 10^(-12 + i / 2): log10 2e-3 is -2.7, so bin 18; log10 5 and 6 are 0.7 and
    # 0.78, so bin 25. A zero is in the first one, a NaN in none.
    assert {i: n for i, n in enumerate(steps.statistics.histogram[0, 0].tolist()) if n} == {
        0: 1,
        18: 1,
        25: 2,
    }
    assert steps.statistics.nonfinite.tolist() == [[1]]


# Updates by hand, of a weight of 4 with gradients of 2: what is added at steps 0 and 1.
UPDATES = {
    "SGD": (lambda: SGD(0.1), [0.2, 0.2]),
    # v = -0.2, then 0.9 v - 0.2
    "momentum": (lambda: SGD(0.1, momentum=0.9), [0.2, 0.38]),
    # 0.9 v - 0.2 with v = -0.2, then with v = -0.38
    "nesterov": (lambda: SGD(0.1, momentum=0.9, nesterov=True), [0.38, 0.542]),
    # m / sqrt(v) is 1 for gradients that stay the same
    "Adam": (lambda: keras.optimizers.Adam(0.01), [0.01, 0.01]),
    # The weight decay of 0.1 x 0.01 x 4 is not in it.
    "AdamW": (lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1), [0.01, 0.01]),
    "Lion": (lambda: keras.optimizers.Lion(0.01), [0.01, 0.01]),
    # g / sqrt(0.1 + 4), then g / sqrt(0.1 + 8), each times 0.01
    "Adagrad": (lambda: keras.optimizers.Adagrad(0.01), [0.02 / 4.1**0.5, 0.02 / 8.1**0.5]),
}


@pytest.mark.parametrize("name", UPDATES)
def test_the_update_ratio_by_hand(weights, record_dir, read, name):
    optimizer, updates = UPDATES[name]
    model = weights(4.0, optimizer=optimizer())
    with instrument(model, record_dir, statistics_every=1) as guard:
        _apply(model, guard, [[2.0], [2.0]])
    found = read(record_dir)[1].statistics
    np.testing.assert_allclose((found.update_ratio * found.weight_norm)[:, 0], updates, rtol=1e-4)


def test_the_update_of_an_optimizer_that_replaces_its_weights(weights, record_dir, read):
    # Ftrl keeps n = 0.1 + g^2 = 4.1 and z = g - (sqrt(n) - sqrt(0.1)) / 0.5 x 4, and sets
    # w = -0.5 z / sqrt(n) = (4 (sqrt(4.1) - sqrt(0.1)) - 0.5 x 2) / sqrt(4.1).
    model = weights(4.0, optimizer=keras.optimizers.Ftrl(0.5))
    with instrument(model, record_dir, statistics_every=1) as guard:
        _apply(model, guard, [[2.0]])
    new = (4 * (4.1**0.5 - 0.1**0.5) - 1) / 4.1**0.5
    _, steps = read(record_dir)
    np.testing.assert_allclose(model.get_weights()[0], [[new]], rtol=1e-5)
    np.testing.assert_allclose(steps.statistics.update_ratio, [[(4 - new) / 4]], rtol=1e-5)


NO_STEPS = ("Optimizer", "LossScaleOptimizer", "MultiOptimizer")
ALL = {
    name: value
    for name, value in vars(keras.optimizers).items()
    if isinstance(value, type)
    and issubclass(value, keras.optimizers.Optimizer)
    and name not in NO_STEPS
    # Keras itself fails there, on the TensorFlow of Python 3.10.
    and (name != "Muon" or int(tf.__version__.split(".")[1]) >= 21)
}


@pytest.mark.parametrize("name", ALL)
def test_the_update_of_every_optimizer_is_what_it_did_to_the_weights(
    weights, record_dir, read, name
):
    optimizer = ALL[name](0.1)
    optimizer.weight_decay = None
    model = weights(3, 4, optimizer=optimizer)
    before = model.get_weights()[0]
    with instrument(model, record_dir, statistics_every=1) as guard:
        _apply(model, guard, [[1.0, -2.0]])
    change = np.linalg.norm(model.get_weights()[0] - before)
    _, steps = read(record_dir)
    assert change > 0
    np.testing.assert_allclose(steps.statistics.update_ratio, [[change / 5]], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    "optimizer",
    [SGD(0.5), SGD(0.5, momentum=0.9), keras.optimizers.Adam(0.5)],
    ids=["sgd", "momentum", "adam"],
)
def test_rows_that_were_looked_up_twice_are_updated_by_their_sum(record_dir, read, optimizer):
    embedding = keras.layers.Embedding(4, 2, embeddings_initializer="ones", name="words")
    model = keras.Sequential([keras.Input((3,), dtype="int32"), embedding], name="model")
    optimizer = type(optimizer).from_config(optimizer.get_config())
    model.compile(optimizer)
    variables = model.trainable_variables
    # Row 1 twice and row 3: the gradient is [2, 2] and [1, 1], of norm sqrt(10), on 4 of 8.
    gradient = tf.IndexedSlices(tf.ones([3, 2]), tf.constant([1, 1, 3]), tf.constant([4, 2]))
    before = embedding.embeddings.numpy()
    with instrument(model, record_dir, statistics_every=1):
        optimizer.apply([gradient], variables)
    _, steps = read(record_dir)
    found = steps.statistics
    np.testing.assert_allclose(steps.norms, [[np.sqrt(10)]], rtol=1e-6)
    np.testing.assert_allclose(found.mean_abs, [[6 / 8]], rtol=1e-6)
    np.testing.assert_allclose(found.max_abs, [[2.0]], rtol=1e-6)
    np.testing.assert_allclose(found.zero_fraction, [[0.5]], rtol=1e-6)
    np.testing.assert_allclose(found.weight_norm, [[np.sqrt(8)]], rtol=1e-6)
    change = np.linalg.norm(embedding.embeddings.numpy() - before)
    np.testing.assert_allclose(found.update_ratio, [[change / np.sqrt(8)]], rtol=1e-5)


def test_what_was_not_updated_has_no_ratio(weights, record_dir, read):
    model = weights(3, 4)
    with instrument(model, record_dir, statistics_every=1, on_nonfinite="skip") as guard:
        _apply(model, guard, [[1, 1], [NAN, 1], [1, 1]])
    found = read(record_dir)[1].statistics
    assert np.isfinite(found.update_ratio[:, 0]).tolist() == [True, False, True]
    assert np.isfinite(found.weight_norm).all()


def test_weights_that_are_0_have_no_ratio(weights, record_dir, read):
    model = weights(0, 0)
    with instrument(model, record_dir, statistics_every=1) as guard:
        _apply(model, guard, [[3, 4], [0, 0]])
    found = read(record_dir)[1].statistics
    assert np.isnan(found.update_ratio[0, 0])
    assert found.update_ratio[1, 0] == 0.0
    np.testing.assert_allclose(found.weight_norm, [[0.0], [0.5]], rtol=1e-6)


def test_several_batches_have_one_update(weights, record_dir, read):
    model = weights(3, 4, optimizer=SGD(0.1, gradient_accumulation_steps=2))
    with instrument(model, record_dir, statistics_every=1) as guard:
        _apply(model, guard, [[1, 0], [3, 0], [2, 0], [4, 0]], losses=[1.0, 2.0, 3.0, 5.0])
    _, steps = read(record_dir)
    # Means of two: gradients of 2 and 3, of which SGD adds a tenth.
    np.testing.assert_allclose(steps.global_norm, [2.0, 3.0], rtol=1e-6)
    np.testing.assert_allclose(steps.loss, [1.5, 4.0], rtol=1e-6)
    found = steps.statistics
    np.testing.assert_allclose(found.weight_norm[:, 0], [5.0, np.hypot(2.8, 4)], rtol=1e-6)
    np.testing.assert_allclose(
        (found.update_ratio * found.weight_norm)[:, 0], [0.2, 0.3], rtol=1e-5
    )


# The data-loss gradient.


def _penalised(regularizer, **compile_arguments):
    """pred = 3 x0 + 4 x1 + b; on x = [2^-13, 0] and y = pred - 1/2 the loss is 1/4, by hand:

    d/dw = 2 x 1/2 x = [2^-13, 0], d/db = 1. With the penalty (w0^2 + w1^2) / 2, whose gradient is
    w, it is [3 + 2^-13, 4] in all: exact in float32.
    """
    dense = keras.layers.Dense(1, kernel_regularizer=regularizer, name="line")
    model = keras.Sequential([keras.Input((2,)), dense], name="model")
    model.compile(SGD(0.0), "mean_squared_error", **compile_arguments)
    model.set_weights([np.float32([[3], [4]]), np.float32([0])])
    return model


TINY = 2.0**-13
X, Y = np.float32([[TINY, 0]]), np.float32([[3 * TINY - 0.5]])
L2 = keras.regularizers.L2


@pytest.mark.parametrize("mode", [{}, {"run_eagerly": True}], ids=str)
def test_a_weight_penalty_is_taken_out_of_the_data_loss_gradient(record_dir, read, mode):
    model = _penalised(L2(0.5), **mode)
    with instrument(model, record_dir, statistics_every=1):
        model.fit(X, Y, verbose=0)
    record, steps = read(record_dir)
    found = steps.statistics
    assert record.card.data_loss_gradient
    assert [v.regularizer for v in record.card.variables] == ["L2", None]
    np.testing.assert_allclose(steps.loss, [0.25 + 12.5])
    np.testing.assert_allclose(steps.norms, [[np.hypot(3 + TINY, 4), 1]], rtol=1e-6)
    np.testing.assert_allclose(found.mean_abs, [[(7 + TINY) / 2, 1]], rtol=1e-6)
    np.testing.assert_allclose(found.data_norm, [[TINY, 1]], rtol=1e-6)
    np.testing.assert_allclose(found.data_mean_abs, [[TINY / 2, 1]], rtol=1e-6)
    np.testing.assert_allclose(found.data_max_abs, [[TINY, 1]], rtol=1e-6)
    np.testing.assert_allclose(found.data_zero_fraction, [[0.5, 0]])
    np.testing.assert_allclose(found.zero_fraction, [[0, 0]])


class Cubic(keras.regularizers.Regularizer):
    def __call__(self, weight):
        return keras.ops.sum(weight**3)


@pytest.mark.parametrize(
    ("regularizer", "of_penalty"),
    [
        (keras.regularizers.L1(2.0), [2, 2]),  # 2 sign(w)
        (keras.regularizers.L1L2(l1=1.0, l2=0.25), [1 + 1.5, 1 + 2]),  # sign(w) + w / 2
        (Cubic(), [27, 48]),  # 3 w^2
    ],
    ids=["L1", "L1L2", "of one's own"],
)
def test_it_holds_for_any_function_of_the_weights_alone(record_dir, read, regularizer, of_penalty):
    model = _penalised(regularizer)
    with instrument(model, record_dir, statistics_every=1):
        model.fit(X, Y, verbose=0)
    record, steps = read(record_dir)
    assert record.card.data_loss_gradient
    whole = [of_penalty[0] + TINY, of_penalty[1]]
    np.testing.assert_allclose(steps.norms[:, 0], [np.hypot(*whole)], rtol=1e-6)
    np.testing.assert_allclose(steps.statistics.data_norm[:, 0], [TINY], rtol=1e-4)


def test_it_is_taken_out_of_rows_that_were_looked_up_and_of_the_others(record_dir, read):
    # Weights of 1. The mean of the squares of rows 1 and 3 has a gradient of 1 there and 0 in
    # rows 0 and 2; the penalty's is 1 everywhere.
    words = keras.layers.Embedding(
        4, 1, embeddings_initializer="ones", embeddings_regularizer=L2(0.5)
    )
    model = keras.Sequential([keras.Input((2,), dtype="int32"), words, keras.layers.Flatten()])
    model.compile(SGD(0.0), "mean_squared_error")
    with instrument(model, record_dir, statistics_every=1):
        model.fit(np.int32([[1, 3]]), np.float32([[0, 0]]), verbose=0)
    _, steps = read(record_dir)
    np.testing.assert_allclose(steps.norms, [[np.sqrt(1 + 4 + 1 + 4)]], rtol=1e-6)
    np.testing.assert_allclose(steps.statistics.data_norm, [[np.sqrt(2)]], rtol=1e-6)
    np.testing.assert_allclose(steps.statistics.data_zero_fraction, [[0.5]])


def test_a_model_without_penalties_has_the_same_gradient_of_the_data(record_dir, read):
    model = _penalised(None)
    with instrument(model, record_dir, statistics_every=1):
        model.fit(X, Y, verbose=0)
    record, steps = read(record_dir)
    assert record.card.data_loss_gradient
    assert steps.statistics.data_norm is None


class Own(keras.Model):
    """A loss of its own, with no word of whether the penalty is in it."""

    def __init__(self):
        super().__init__()
        self.line = keras.layers.Dense(1, kernel_regularizer=L2(0.5))

    def call(self, x):
        return self.line(x)

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((self(x, training=True) - y) ** 2)
        variables = self.trainable_variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        return {"loss": loss}


class OwnLoss(Own):
    """Keras's train step, with a loss that leaves the penalty out."""

    train_step = keras.Model.train_step

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return tf.reduce_mean((y_pred - y) ** 2)


class OwnStep(Own):
    """A train step of its own, with Keras's loss."""

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(x, y, self(x, training=True))
        variables = self.trainable_variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        return {"loss": loss}


@pytest.mark.parametrize(("kind", "is_known"), [(Own, False), (OwnLoss, False), (OwnStep, True)])
def test_nothing_is_taken_out_where_the_loop_does_not_say_what_its_loss_holds(
    record_dir, read, kind, is_known
):
    model = kind()
    model.compile(SGD(0.0), "mean_squared_error")
    with instrument(model, record_dir, statistics_every=1):
        model.fit(X, Y, verbose=0)
    record, steps = read(record_dir)
    assert record.card.data_loss_gradient is is_known
    assert record.card.variables[0].regularizer == "L2"
    for name in ("data_norm", "data_mean_abs", "data_max_abs", "data_zero_fraction"):
        assert (getattr(steps.statistics, name) is not None) is is_known


def test_a_penalty_with_a_variable_of_its_own_is_left_in_and_the_training_goes_on(record_dir, read):
    class Growing(keras.regularizers.Regularizer):
        def __init__(self):
            self.factor = tf.Variable(0.25)

        def __call__(self, weight):
            return self.factor * tf.reduce_sum(weight**2)

    model = _penalised(Growing())
    with instrument(model, record_dir, statistics_every=1):
        model.fit(X, Y, verbose=0)
    record, steps = read(record_dir)
    assert not record.card.data_loss_gradient
    assert steps.statistics.data_norm is None
    np.testing.assert_allclose(steps.norms[:, 0], [np.hypot(1.5 + TINY, 2)], rtol=1e-6)


def _of_keras(weight, seeds):
    return keras.random.normal(weight.shape, seed=seeds)


def _of_tensorflow(weight, seeds):
    return tf.random.normal(weight.shape, seed=1)


@pytest.mark.parametrize("draw", [_of_keras, _of_tensorflow])
def test_a_penalty_that_draws_numbers_is_left_in(record_dir, read, draw):
    class Noisy(keras.regularizers.Regularizer):
        def __init__(self):
            self.seeds = keras.random.SeedGenerator(1)

        def __call__(self, weight):
            return keras.ops.sum(weight * draw(weight, self.seeds))

    model = _penalised(Noisy())
    with instrument(model, record_dir, statistics_every=1):
        model.fit(X, Y, verbose=0)
    record, _ = read(record_dir)
    assert not record.card.data_loss_gradient


# The cosine of consecutive gradients.


def test_the_same_gradient_twice_has_a_cosine_of_1_and_opposing_ones_of_minus_1(
    weights, record_dir, read
):
    model = weights(1, 1, 1)
    with instrument(model, record_dir, statistics_every=1) as guard:
        _apply(model, guard, [[1, 2, 3], [2, 4, 6], [-1, -2, -3], [0, 0, 0], [1, 2, 3]])
    found = read(record_dir)[1].statistics
    # None before the first, and none with a gradient that has no direction.
    np.testing.assert_allclose(found.cosine[:, 0], [NAN, 1, -1, NAN, NAN], rtol=1e-6)
    np.testing.assert_allclose(found.global_cosine, [NAN, 1, -1, NAN, NAN], rtol=1e-6)


def test_a_step_that_is_not_finite_has_no_cosine_nor_has_the_next(weights, record_dir, read):
    model = weights(1, 1)
    with instrument(model, record_dir, statistics_every=1) as guard:
        _apply(model, guard, [[1, 2], [1, 2], [NAN, 2], [1, 2], [1, 2]])
    found = read(record_dir)[1].statistics
    np.testing.assert_allclose(found.cosine[:, 0], [NAN, 1, NAN, NAN, 1], rtol=1e-6)


def test_a_rate_that_is_too_high_shows_as_oscillation(record_dir, read):
    # On x = 1, y = 0 the loss is w^2: by SGD at 0.9, w becomes w - 0.9 x 2 w = -0.8 w.
    dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    model = keras.Sequential([keras.Input((1,)), dense])
    model.compile(SGD(0.9), "mean_squared_error")
    with instrument(model, record_dir, statistics_every=2):
        model.fit(np.ones((5, 1)), np.zeros((5, 1)), batch_size=1, verbose=0)
    found = read(record_dir)[1].statistics
    assert found.step.tolist() == [0, 2, 4]
    np.testing.assert_allclose(found.global_cosine, [NAN, -1, -1], rtol=1e-6)
    np.testing.assert_allclose(found.update_ratio[:, 0], [1.8] * 3, rtol=1e-5)


def test_each_variable_has_its_cosine_and_all_of_them_together_theirs(line, record_dir, read):
    model = line()
    variables = model.trainable_variables
    with instrument(model, record_dir, statistics_every=1):
        for sign in (1.0, -1.0):  # the kernel's gradient turns round, the bias's does not
            kernel, bias = tf.constant([[sign * 1.0], [sign * 2.0]]), tf.constant([2.0])
            model.optimizer.apply([kernel, bias], variables)
    found = read(record_dir)[1].statistics
    np.testing.assert_allclose(found.cosine[1], [-1, 1], rtol=1e-6)
    # (-5 + 4) / (5 + 4), from the sketch of each variable.
    np.testing.assert_allclose(found.global_cosine[1], -1 / 9, atol=0.2)


# When they are taken.


@pytest.mark.parametrize(
    ("every", "sampled"), [(1, [*range(8)]), (2, [0, 2, 4, 6]), (7, [0, 7]), (50, [0]), (0, [])]
)
def test_the_schedule_is_kept(weights, record_dir, read, every, sampled):
    model = weights(1, 1)
    with instrument(model, record_dir, statistics_every=every) as guard:
        _apply(model, guard, [[1, 2]] * 8)
    record, steps = read(record_dir)
    assert steps.statistics.step.tolist() == sampled
    assert record.card.statistics_every == every
    if every:
        known = [step for step in sampled if step > 0]  # the first has none before it
        assert np.isfinite(steps.statistics.cosine[:, 0]).sum() == len(known)


def test_the_schedule_holds_over_many_reads_in_a_graph(weights, record_dir, read):
    model = weights(1, 1)
    settings = GuardSettings(statistics_every=50, ring_steps=4)
    context = TrainingContext(record_dir, settings, "uid")
    with instrument(model, context) as guard:
        (variable,) = model.trainable_variables

        @tf.function
        def step():
            model.optimizer.apply([tf.constant([[1.0], [2.0]])], [variable])

        for number in range(103):
            step()
            if number % 3 == 2:
                guard.flush()
    context.finish("completed")
    _, steps = read(record_dir)
    assert len(steps) == 103
    assert steps.statistics.step.tolist() == [0, 50, 100]
    np.testing.assert_allclose(steps.statistics.global_cosine, [NAN, 1, 1], rtol=1e-6)


ONE = [1.0, 0.0]


def _sampled(weights, record_dir, read, norms, losses=None, **guarding):
    model = weights(1, 1, optimizer=SGD(0.0))
    guarding = {"statistics_every": 1000, **guarding}
    with instrument(model, record_dir, **guarding) as guard:
        gradients = [[norm, 0.0] for norm in norms]
        _apply(model, guard, gradients, losses, compiled=True)
    return read(record_dir)[1].statistics


def test_a_norm_above_10_times_its_running_median_is_sampled_at_its_step(weights, record_dir, read):
    found = _sampled(weights, record_dir, read, [1.0] * 20 + [11.0] + [1.0] * 5)
    assert found.step.tolist() == [0, 20]
    assert found.max_abs[:, 0].tolist() == [1.0, 11.0]


def test_one_below_10_times_is_not(weights, record_dir, read):
    found = _sampled(weights, record_dir, read, [1.0] * 20 + [9.0] + [1.0] * 5)
    assert found.step.tolist() == [0]


def test_none_is_while_the_median_means_nothing_yet(weights, record_dir, read):
    found = _sampled(weights, record_dir, read, [1.0] * 15 + [1e3] + [1.0] * 5)
    assert found.step.tolist() == [0]


@pytest.mark.parametrize("start", [[NAN] * 20, [INF] * 20, [INF], [0.0] * 20, [1e30]], ids=str)
def test_no_start_spoils_the_median(weights, record_dir, read, start):
    norms = start + [1.0] * 30
    found = _sampled(weights, record_dir, read, [*norms, 50.0, 1.0])
    assert len(norms) in found.step.tolist()
    assert found.step.tolist()[-1] == len(norms)


def test_a_median_follows_norms_that_fall(weights, record_dir, read):
    # A factor of 1.1^(1/2) a step: norms that fall by 3 % a step are followed, and one that comes
    # back to where they began is a spike then.
    norms = [0.97**step for step in range(120)]
    found = _sampled(weights, record_dir, read, [*norms, 1.0])
    assert found.step.tolist() == [0, 120]


@pytest.mark.parametrize("loss", [NAN, INF])
def test_a_loss_that_is_not_finite_is_sampled_at_its_step(weights, record_dir, read, loss):
    losses = [0.5] * 9 + [loss] + [0.5] * 3
    found = _sampled(weights, record_dir, read, [1.0] * 13, losses)
    assert found.step.tolist() == [0, 9]
    assert found.nonfinite.tolist() == [[0], [0]]


def test_a_spike_between_two_samples_has_no_cosine(weights, record_dir, read):
    found = _sampled(weights, record_dir, read, [1.0] * 20 + [11.0, 12.0] + [1.0] * 3)
    # Step 19 left no sketch; step 20 did, for step 21.
    assert found.step.tolist() == [0, 20, 21]
    np.testing.assert_allclose(found.global_cosine, [NAN, NAN, 1.0], rtol=1e-6)


# Looks at the activations, beside the training.


def test_a_dead_layer_stands_in_the_record_after_8_looks(record_dir, read):
    # Inputs are below 1, so with a bias of -9 no unit of the first layer ever lives.
    model = keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Dense(4, "relu", bias_initializer=lambda *_, **__: -9 * tf.ones([4])),
            keras.layers.Dense(3, "relu", kernel_initializer="zeros", bias_initializer="ones"),
            keras.layers.Dense(1, name="output"),
        ],
        name="dead",
    )
    model.layers[0].name, model.layers[1].name = "first", "second"
    model.compile(SGD(0.0), "mean_squared_error")
    x = np.random.default_rng(0).uniform(size=(8, 2)).astype(np.float32)
    with instrument(model, record_dir):
        model.fit(x, x[:, :1], batch_size=4, epochs=9, verbose=0)
    record, steps = read(record_dir)
    looks = steps.activations
    assert looks.step.tolist() == [1, 3, 5, 7, 9, 11, 13, 15, 17]  # the last step of each epoch
    assert [card.activation for card in record.card.activations] == ["relu", "relu"]
    np.testing.assert_array_equal(looks.zero_fraction, [[1, 0]] * 9)
    np.testing.assert_array_equal(looks.dead_fraction, [[NAN, NAN]] * 7 + [[1, 0]] * 2)
    assert np.isnan(looks.saturated_fraction).all()
    assert [variable.depth for variable in record.card.variables] == [0, 0, 1, 1, 2, 2]


def test_without_statistics_there_are_no_looks(mlp, record_dir, read):
    model = mlp()
    with instrument(model, record_dir, statistics_every=0):
        model.fit(mlp.x, mlp.y, epochs=2, verbose=0)
    record, steps = read(record_dir)
    assert steps.activations is None
    assert record.card.activations == ()
    assert {variable.depth for variable in record.card.variables} == {None}
