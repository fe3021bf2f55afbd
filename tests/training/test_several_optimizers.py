"""Several optimizers in one program, as of a GAN: each one's steps are a series of their own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gradgate.gradients import ClipByGlobalNorm
from gradgate.telemetry.concatenate import concatenate
from gradgate.training import instrument

SGD = keras.optimizers.SGD


def _one_weight(value, name):
    dense = keras.layers.Dense(
        1, use_bias=False, kernel_initializer=keras.initializers.Constant(value)
    )
    return keras.Sequential([keras.Input((1,)), dense], name=name)


class Gan(keras.Model):
    """A linear generator x = g z and critic D(x) = d x, as in the guides of Keras.

    On z = 1 and real x = 5, with g = 2 and d = 4, by hand:
        critic     loss = D(2) - D(5) = 8 - 20 = -12, d/dd = 2 - 5 = -3
        generator  loss = -D(2) = -8, d/dg = -d = -4
    """

    def __init__(self, critic_steps=2):
        super().__init__(name="gan")
        self.generator, self.critic = _one_weight(2.0, "generator"), _one_weight(4.0, "critic")
        self.critic_steps = critic_steps

    def compile(self, d_optimizer, g_optimizer, **compile_arguments):
        super().compile(**compile_arguments)
        self.d_optimizer, self.g_optimizer = d_optimizer, g_optimizer

    def train_step(self, real):
        z = tf.ones_like(real)
        for _ in range(self.critic_steps):
            with tf.GradientTape() as tape:
                fake = self.generator(z)
                d_loss = tf.reduce_mean(self.critic(fake)) - tf.reduce_mean(self.critic(real))
                scaled = self.d_optimizer.scale_loss(d_loss)
            variables = self.critic.trainable_variables
            self.d_optimizer.apply(tape.gradient(scaled, variables), variables)
        with tf.GradientTape() as tape:
            g_loss = -tf.reduce_mean(self.critic(self.generator(z)))
            scaled = self.g_optimizer.scale_loss(g_loss)
        variables = self.generator.trainable_variables
        self.g_optimizer.apply(tape.gradient(scaled, variables), variables)
        return {"d_loss": d_loss, "g_loss": g_loss}


REAL = np.full((6, 1), 5.0, np.float32)  # 3 batches of 2


def _compiled(d_optimizer=None, g_optimizer=None, **arguments):
    model = Gan()
    model.compile(d_optimizer or SGD(0.0), g_optimizer or SGD(0.0), **arguments)
    return model


def _named(model):
    return {"critic": model.d_optimizer, "generator": model.g_optimizer}


def _steps_of(record):
    return concatenate(list(record.batches()))


@pytest.mark.parametrize(
    ("mode", "on_nonfinite"),
    [
        ({}, "record"),
        ({"steps_per_execution": 3}, "stop"),
        ({"run_eagerly": True}, "skip"),
        ({"jit_compile": True}, "skip"),
    ],
    ids=str,
)
def test_each_optimizer_of_a_gan_has_its_own_record(record_dir, read, xla, mode, on_nonfinite):
    model = _compiled(**xla(**mode))
    with instrument(model, record_dir, optimizers=_named(model), on_nonfinite=on_nonfinite):
        model.fit(REAL, batch_size=2, epochs=2, verbose=0)
    record, critic = read(record_dir)
    assert list(record.optimizers) == ["generator"]
    inner = record.optimizers["generator"]
    generator = _steps_of(inner)
    # 2 epochs of 3 batches; the critic takes two steps a batch.
    assert critic.step.tolist() == list(range(12))
    assert generator.step.tolist() == list(range(6))
    assert critic.epoch.tolist() == [0] * 6 + [1] * 6
    assert generator.epoch.tolist() == [0] * 3 + [1] * 3
    assert critic.loss.tolist() == [-12.0] * 12
    assert generator.loss.tolist() == [-8.0] * 6
    np.testing.assert_allclose(critic.global_norm, [3.0] * 12, rtol=1e-6)
    np.testing.assert_allclose(generator.global_norm, [4.0] * 6, rtol=1e-6)
    assert [v.path for v in record.card.variables] == ["critic/dense_1/kernel"]
    assert [v.path for v in inner.card.variables] == ["generator/dense/kernel"]
    assert record.card.loss_measured
    assert inner.card.loss_measured
    assert (record.manifest.optimizer_name, inner.manifest.optimizer_name) == (
        "critic",
        "generator",
    )
    assert (record.manifest.planned_steps, inner.manifest.planned_steps) == (12, 6)
    assert record.manifest.status == inner.manifest.status == "completed"


def test_weights_of_a_gan_are_those_of_plain_fit(record_dir):
    def train(folder):
        keras.utils.set_random_seed(3)
        model = _compiled(keras.optimizers.Adam(0.01), keras.optimizers.RMSprop(0.01))
        if folder is None:
            model.fit(REAL, batch_size=2, epochs=3, verbose=0)
        else:
            with instrument(model, folder, optimizers=_named(model), statistics_every=1):
                model.fit(REAL, batch_size=2, epochs=3, verbose=0)
        variables = [*model.weights, *model.d_optimizer.variables, *model.g_optimizer.variables]
        return [variable.numpy() for variable in variables]

    for one, other in zip(train(None), train(record_dir), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_clip_holds_for_each_optimizer_alone(record_dir, read):
    model = _compiled(SGD(1.0), SGD(1.0))
    clip = ClipByGlobalNorm(max_norm=0.5)
    with instrument(model, record_dir, optimizers=_named(model), clip=clip):
        model.fit(REAL[:2], batch_size=2, verbose=0)
    # Gradients of -3, -3 and -d are clipped to -0.5 each: d = 4 + 2 x 0.5, g = 2 + 0.5.
    np.testing.assert_allclose([w.item() for w in model.get_weights()], [2.5, 5.0], rtol=1e-6)
    record, critic = read(record_dir)
    generator = _steps_of(record.optimizers["generator"])
    np.testing.assert_allclose(critic.clipped_norm, [0.5, 0.5], rtol=1e-6)
    np.testing.assert_allclose(generator.global_norm, [5.0], rtol=1e-6)  # d is 5 by then
    np.testing.assert_allclose(generator.clip_scale, [0.1], rtol=1e-6)


def test_a_nan_in_one_optimizer_is_skipped_there_alone(record_dir, read):
    model = _compiled(SGD(0.1), SGD(0.1))
    real = REAL.copy()
    real[2:4] = np.nan  # batch 1: the critic sees real data, the generator does not
    with instrument(model, record_dir, optimizers=_named(model), on_nonfinite="skip"):
        model.fit(real, batch_size=2, shuffle=False, verbose=0)
    record, critic = read(record_dir)
    generator = _steps_of(record.optimizers["generator"])
    assert critic.applied.tolist() == [True, True, False, False, True, True]
    assert generator.applied.all()
    assert np.isfinite(model.get_weights()).all()


def test_a_nan_in_the_second_optimizer_stops_the_training(record_dir, read):
    model = _compiled(g_optimizer=SGD(0.1))
    nan = tf.constant(np.nan)
    with instrument(
        model, record_dir, optimizers=_named(model), on_nonfinite="stop", planned_steps=99
    ) as guard:
        model.fit(REAL, batch_size=2, verbose=0)
        guard.observe_loss(nan, optimizer="generator")
        model.g_optimizer.apply([tf.constant([[1.0]])], model.generator.trainable_variables)
        guard.flush()
        assert guard.stopped
    record, _ = read(record_dir)
    for each in (record, record.optimizers["generator"]):
        assert each.manifest.status == "stopped"
        assert each.manifest.status_message == "Stopped at step 3: the loss is nan."


def _loop(model, guard, d_optimizer, g_optimizer):
    """One critic and one generator step in one function, by one persistent tape."""

    @tf.function
    def step(real):
        z = tf.ones_like(real)
        with tf.GradientTape(persistent=True) as tape:
            of_fake = tf.reduce_mean(model.critic(model.generator(z)))
            d_loss = of_fake - tf.reduce_mean(model.critic(real))
            g_loss = -of_fake
        critic, generator = model.critic.trainable_variables, model.generator.trainable_variables
        of_critic, of_generator = tape.gradient(d_loss, critic), tape.gradient(g_loss, generator)
        guard.observe_loss(d_loss, optimizer="critic")
        guard.observe_loss(g_loss, optimizer="generator")
        d_optimizer.apply(of_critic, critic)
        g_optimizer.apply_gradients(zip(of_generator, generator, strict=True))

    return step


def test_two_optimizers_in_one_function_with_a_persistent_tape(record_dir, read):
    model, optimizers = Gan(), {"critic": SGD(1.0), "generator": SGD(1.0)}
    with instrument(model, record_dir, optimizers=optimizers) as guard:
        step = _loop(model, guard, *optimizers.values())
        for _ in range(2):
            step(REAL)
        assert guard.flush() == 2
        assert [trail.steps for trail in guard.trails] == [2, 2]
    record, critic = read(record_dir)
    generator = _steps_of(record.optimizers["generator"])
    # After the first step d = 4 + 3 = 7 and g = 2 + 4 = 6. Then the critic's loss is
    # 7 (6 - 5) = 7 with gradient 1, the generator's -7 x 6 = -42 with gradient -7.
    assert critic.loss.tolist() == [-12.0, 7.0]
    assert generator.loss.tolist() == [-8.0, -42.0]
    np.testing.assert_allclose(critic.global_norm, [3.0, 1.0], rtol=1e-6)
    np.testing.assert_allclose(generator.global_norm, [4.0, 7.0], rtol=1e-6)
    assert record.manifest.planned_steps is None


def test_a_loss_goes_to_the_first_optimizer_when_none_is_named(record_dir, read):
    model, optimizers = Gan(), {"critic": SGD(), "generator": SGD()}
    with instrument(model, record_dir, optimizers=optimizers) as guard:
        guard.observe_loss(tf.constant(1.5))
        optimizers["critic"].apply([tf.constant([[3.0]])], model.critic.trainable_variables)
        optimizers["generator"].apply([tf.constant([[4.0]])], model.generator.trainable_variables)
    record, critic = read(record_dir)
    assert critic.loss.tolist() == [1.5]
    assert not record.optimizers["generator"].card.loss_measured


def test_an_unknown_name_is_refused_with_those_that_there_are(record_dir):
    model = _compiled()
    guard = instrument(model, record_dir, optimizers=_named(model))
    with pytest.raises(ValueError, match="no optimizer 'discriminator'") as caught:
        guard.observe_loss(1.0, optimizer="discriminator")
    assert "those that there are: critic, generator." in str(caught.value)


def test_the_same_optimizer_under_two_names_is_refused(record_dir):
    optimizer = SGD()
    with pytest.raises(ValueError, match="the same optimizer has two names") as caught:
        instrument(Gan(), record_dir, optimizers={"critic": optimizer, "generator": optimizer})
    assert "name each one once" in str(caught.value)
    assert not record_dir.exists()


@pytest.mark.parametrize("name", ["", "a/b", "..", " ", 1])
def test_a_name_that_cannot_name_a_folder_is_refused_before_anything_is_touched(record_dir, name):
    optimizers = {"critic": SGD(), name: SGD()}
    before = [set(vars(each)) for each in optimizers.values()]
    with pytest.raises(ValueError, match="cannot name a folder of the record") as caught:
        instrument(Gan(), record_dir, optimizers=optimizers)
    assert f"the name {name!r} of an optimizer" in str(caught.value)
    assert [set(vars(each)) for each in optimizers.values()] == before
    assert not record_dir.exists()


def test_one_optimizer_with_a_model_that_was_never_compiled(record_dir, read):
    model, optimizer = _one_weight(2.0, "plain"), SGD(0.0)
    with instrument(model, record_dir, optimizers=optimizer) as guard:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(REAL[:1]))
        guard.observe_loss(loss)
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
    record, steps = read(record_dir)
    assert record.optimizers == {}
    assert record.manifest.optimizer_name == ""
    assert steps.loss.tolist() == [10.0]
    assert steps.global_norm.tolist() == [5.0]
    assert record.card.loss is None


def test_two_models_that_nothing_holds_together(record_dir, read):
    generator, critic = _one_weight(2.0, "generator"), _one_weight(4.0, "critic")
    optimizers = {"generator": SGD(0.0), "critic": SGD(0.0)}
    with instrument(generator, record_dir, optimizers=optimizers):
        optimizers["generator"].apply([tf.constant([[3.0]])], generator.trainable_variables)
        optimizers["critic"].apply([tf.constant([[4.0]])], critic.trainable_variables)
    record, steps = read(record_dir)
    assert steps.global_norm.tolist() == [3.0]
    inner = record.optimizers["critic"]
    assert _steps_of(inner).global_norm.tolist() == [4.0]
    assert [variable.path for variable in inner.card.variables] == ["critic/dense_1/kernel"]


def test_a_gan_whose_optimizers_are_not_named_is_told_so_at_its_first_batch(record_dir):
    # `super().compile()` makes an RMSprop that takes no step.
    model = _compiled()
    guard = instrument(model, record_dir)
    with pytest.raises(RuntimeError, match=r"0 steps\..* RMSprop, .* go past the guard") as caught:
        model.fit(REAL, batch_size=2, verbose=0)
    assert "Pass optimizers=... if it has others." in str(caught.value)
    assert guard.close().status == "failed"


def test_optimizers_are_restored_when_the_guard_is_closed(record_dir):
    model = _compiled()
    before = [set(vars(each)) for each in _named(model).values()]
    guard = instrument(model, record_dir, optimizers=_named(model))
    with pytest.raises(ValueError, match="instrumented already"):
        instrument(model, record_dir / "other", optimizers={"again": model.g_optimizer})
    guard.close()
    assert [set(vars(each)) for each in _named(model).values()] == before


@pytest.fixture
def multi():
    """Makes what trains the kernel by one optimizer and the bias by another, of newer Keras."""
    if not hasattr(keras.optimizers, "MultiOptimizer"):
        pytest.skip("Keras has no MultiOptimizer")

    def make(kernel, bias):
        chosen = keras.optimizers.OptimizerMap(kernel, {".*/bias": bias})
        return keras.optimizers.MultiOptimizer(chosen)

    return make


@pytest.mark.parametrize("wrap", [lambda each: each, keras.optimizers.LossScaleOptimizer])
def test_an_optimizer_made_of_others_is_refused_with_what_to_do(line, record_dir, multi, wrap):
    model = line(optimizer=wrap(multi(SGD(), SGD())))
    with pytest.raises(ValueError, match=r"(Multi|LossScale)Optimizer takes no steps") as caught:
        instrument(model, record_dir)
    assert "takes no steps of its own" in str(caught.value)
    assert "Name these: instrument(..., optimizers={'adam': adam, 'sgd': sgd})." in str(
        caught.value
    )


def test_those_that_it_is_made_of_have_their_own_records_and_its_loss(
    line, record_dir, read, multi
):
    kernel, bias = SGD(0.0), SGD(0.0)
    model = line(optimizer=multi(kernel, bias))
    with instrument(model, record_dir, optimizers={"kernel": kernel, "bias": bias}):
        assert "scale_loss" in vars(model.optimizer)
        model.fit(line.x, line.y, epochs=2, verbose=0)
    assert "scale_loss" not in vars(model.optimizer)
    record, steps = read(record_dir)
    inner = record.optimizers["bias"]
    # By hand: dL/dw = -12 x [2, 3], dL/db = -12, and the loss is that of both.
    np.testing.assert_allclose(steps.global_norm, [12 * np.sqrt(13)] * 2, rtol=1e-6)
    np.testing.assert_allclose(_steps_of(inner).global_norm, [12.0] * 2, rtol=1e-6)
    for each in (record, inner):
        assert _steps_of(each).loss.tolist() == [36.0] * 2
        assert each.card.loss_measured


class Penalised(keras.Model):
    """A critic D(x) = d x^2 with a gradient penalty, as in WGAN-GP.

    With d = 1, real x = 2 and fake x = 3: D(3) - D(2) = 5. At x = 2 the critic's gradient is
    2 d x = 4, so the penalty (4 - 1)^2 = 9 weighs in with 10: loss = 95. By d: D gives
    9 - 4 = 5, the penalty 2 (2 d x - 1) 2 x = 24, so 5 + 240 = 245.
    """

    def __init__(self):
        super().__init__()
        self.critic = _one_weight(1.0, "critic")

    def call(self, x):
        return self.critic(x * x)

    def train_step(self, data):
        real, fake = data
        with tf.GradientTape() as tape:
            with tf.GradientTape() as inner:
                inner.watch(real)
                of_real = self(real, training=True)
            slope = inner.gradient(of_real, real)
            penalty = tf.reduce_mean((tf.norm(slope, axis=1) - 1.0) ** 2)
            loss = tf.reduce_mean(self(fake, training=True)) - tf.reduce_mean(of_real)
            loss += 10.0 * penalty
            scaled = self.optimizer.scale_loss(loss)
        variables = self.trainable_variables
        self.optimizer.apply(tape.gradient(scaled, variables), variables)
        return {"loss": loss}


@pytest.mark.parametrize("mode", [{}, {"jit_compile": True}, {"run_eagerly": True}], ids=str)
def test_a_gradient_penalty_gives_the_norm_by_hand(record_dir, read, xla, mode):
    model = Penalised()
    model.compile(SGD(0.0), **xla(**mode))
    two, three = np.full((4, 1), 2.0, np.float32), np.full((4, 1), 3.0, np.float32)
    with instrument(model, record_dir, statistics_every=1):
        model.fit(two, three, batch_size=2, verbose=0)
    _, steps = read(record_dir)
    np.testing.assert_allclose(steps.loss, [95.0, 95.0], rtol=1e-6)
    np.testing.assert_allclose(steps.global_norm, [245.0, 245.0], rtol=1e-6)
    np.testing.assert_allclose(steps.statistics.mean_abs, [[245.0]] * 2, rtol=1e-6)


class Own(keras.Model):
    """A train step that neither scales its loss nor computes it by Keras."""

    def __init__(self):
        super().__init__()
        self.line = keras.layers.Dense(1, kernel_initializer="zeros")
        self.show = None

    def call(self, x):
        return self.line(x)

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((self(x, training=True) - y) ** 2)
        if self.show is not None:
            self.show(loss)
        variables = self.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return {"loss": loss}


@pytest.mark.parametrize(
    ("mode", "shows"),
    [
        ({}, False),
        ({"jit_compile": True}, True),
        ({"run_eagerly": True}, True),
        ({"steps_per_execution": 2}, True),
    ],
    ids=str,
)
def test_a_train_step_of_ones_own_is_measured_with_and_without_its_loss(
    line, record_dir, read, xla, mode, shows
):
    model = Own()
    model.compile(SGD(0.0), **xla(**mode))
    with instrument(model, record_dir) as guard:
        if shows:
            model.show = guard.observe_loss
        model.fit(line.x, line.y, epochs=4, verbose=0)
    record, steps = read(record_dir)
    np.testing.assert_allclose(steps.global_norm, [line.norm] * 4, rtol=1e-6)
    assert record.card.loss_measured is shows
    if shows:
        assert steps.loss.tolist() == [36.0] * 4


def test_attaching_between_two_fits_sees_the_second_one_of_an_own_train_step(
    line, record_dir, read
):
    model = Own()
    model.compile(SGD(0.0))
    model.fit(line.x, line.y, verbose=0)
    with instrument(model, record_dir):
        model.fit(line.x, line.y, verbose=0)
    _, steps = read(record_dir)
    assert len(steps) == 1
