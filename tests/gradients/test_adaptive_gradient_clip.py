import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from gradgate.gradients import AdaptiveGradientClip, Context, Weight

NUMBERS = st.lists(st.floats(-1e6, 1e6, width=32), min_size=4, max_size=4)


def weights(*values, **facts):
    return Context(weights=[Weight(tf.constant(value), **facts) for value in values])


def test_a_unit_is_scaled_to_a_fraction_of_its_weights():
    # Columns of weights have norms 5 and 1, so limits 0.5 and 0.1; those of the gradient have
    # 1 and 0.05. The first is halved.
    clip = AdaptiveGradientClip(max_ratio=0.1)
    (g,), report = clip(
        [tf.constant([[0.6, 0.0], [0.8, 0.05]])], context=weights([[3.0, 0.0], [4.0, 1.0]])
    )
    np.testing.assert_allclose(g, [[0.3, 0.0], [0.4, 0.05]], rtol=1e-6)
    assert report.is_clipped
    np.testing.assert_allclose(report.norm_after, np.sqrt(0.25 + 0.0025), rtol=1e-6)
    np.testing.assert_allclose(report.scale, np.sqrt(0.2525 / 1.0025), rtol=1e-6)


def test_a_bias_is_one_unit():
    # ||w|| = 5, limit 0.5, ||g|| = 1: halved, also the entry that is small.
    clip = AdaptiveGradientClip(max_ratio=0.1)
    (g,), _ = clip([tf.constant([0.6, 0.8])], context=weights([3.0, 4.0]))
    np.testing.assert_allclose(g, [0.3, 0.4], rtol=1e-6)


def test_weights_that_start_at_zero_still_learn():
    # max(0, 1e-3) * 0.01 = 1e-5, not 0.
    (g,), _ = AdaptiveGradientClip()([tf.constant([2.0])], context=weights([0.0]))
    np.testing.assert_allclose(g, [1e-5], rtol=1e-6)


def test_the_last_layer_is_left_alone_unless_asked_for():
    gradients = [tf.constant([2.0])]
    context = weights([1.0], is_last_layer=True)
    (left,), report = AdaptiveGradientClip()(gradients, context=context)
    assert left == 2.0
    assert not report.is_clipped
    (g,), _ = AdaptiveGradientClip(skip_last_layer=False)(gradients, context=context)
    np.testing.assert_allclose(g, [0.01], rtol=1e-6)


def test_a_unit_can_be_told_by_its_axes():
    # A kernel of a convolution in one dimension, [width 2, in 1, out 1]: by rank alone axis 0
    # would be the unit; the weights of the unit are [3, 4], the gradient's [6, 8].
    kernel, gradient = tf.constant([[[3.0]], [[4.0]]]), tf.constant([[[6.0]], [[8.0]]])
    clip = AdaptiveGradientClip(max_ratio=1.0)
    (g,), _ = clip([gradient], context=Context(weights=[Weight(kernel, unit_axes=(0, 1))]))
    np.testing.assert_allclose(g, kernel, rtol=1e-6)


@pytest.mark.parametrize("is_sparse", [False, True], ids=["dense", "sparse"])
def test_the_units_of_an_embedding_are_its_rows(is_sparse, dense):
    # Row 0 of the gradient is [6, 8] (twice [3, 4]), norm 10; its weights [3, 4], norm 5. Row 1
    # was not looked up; row 2 is below its limit.
    table = tf.constant([[3.0, 4.0], [1.0, 1.0], [30.0, 40.0]])
    gradient = tf.IndexedSlices(
        tf.constant([[3.0, 4.0], [0.0, 1.0], [3.0, 4.0]]), tf.constant([0, 2, 0]), [3, 2]
    )
    gradient = gradient if is_sparse else tf.convert_to_tensor(gradient)
    context = Context(weights=[Weight(tf.Variable(table), is_embedding=True)])
    (g,), report = AdaptiveGradientClip(max_ratio=0.5)([gradient], context=context)
    np.testing.assert_allclose(dense(g), [[1.5, 2.0], [0.0, 0.0], [0.0, 1.0]], rtol=1e-6)
    np.testing.assert_allclose(report.norm_after, np.sqrt(2.5**2 + 1), rtol=1e-6)


def test_of_an_embedding_only_the_rows_looked_up_are_read(twice_looked_up):
    def clip(gradient, table):
        return AdaptiveGradientClip()([gradient], context=Context(weights=[Weight(table)]))

    table = tf.Variable(tf.ones([5, 2]))
    spec = tf.IndexedSlicesSpec([5, 2], tf.float32, tf.int32, tf.int32, [2])
    graph = tf.function(lambda gradient: clip(gradient, table)).get_concrete_function(spec).graph
    operations = {operation.type for operation in graph.get_operations()}
    assert "ResourceGather" in operations
    assert "ReadVariableOp" not in operations


def test_a_unit_that_is_not_finite_spoils_no_other_of_its_variable(bad):
    gradient = tf.constant([[bad, 3e20], [1.0, 4e20]])
    (g,), report = AdaptiveGradientClip(max_ratio=1.0)(
        [gradient], context=weights([[1.0, 3.0], [1.0, 4.0]])
    )
    np.testing.assert_array_equal(g[:, 0], gradient[:, 0])
    np.testing.assert_allclose(g[:, 1], [3.0, 4.0], rtol=1e-6)
    assert np.isnan(report.norm_after)


@pytest.mark.parametrize("given", [None, []], ids=["none", "too few"])
def test_without_weights_it_says_how_to_give_them(given):
    with pytest.raises(ValueError, match=r"^") as caught:
        AdaptiveGradientClip()([tf.constant([1.0])], context=Context(weights=given))
    assert str(caught.value) == (
        "AdaptiveGradientClip needs one weight for each of the 1 gradients, got"
        f" {'none' if given is None else 0}. `gradgate.instrument` gives them; in a call of your"
        " own, write clip(gradients, context=Context(weights=[Weight(v) for v in variables]))."
    )


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (
            "max_ratio",
            0,
            (
                "max_ratio must be a finite number above 0, got 0. To train without clipping, leave"
                " the clip out of the chain."
            ),
        ),
        (
            "min_weight_norm",
            0.0,
            (
                "min_weight_norm must be a finite number above 0, got 0.0. Without it, weights that"
                " start at zero could never learn."
            ),
        ),
        ("skip_last_layer", 1, "skip_last_layer must be true or false, got 1."),
    ],
)
def test_refuses_what_it_cannot_work_with(field, value, message):
    with pytest.raises(ValueError, match=r"^") as caught:
        AdaptiveGradientClip(**{field: value})
    assert str(caught.value) == f"AdaptiveGradientClip: {message}"


@given(NUMBERS, NUMBERS, st.floats(1e-3, 10))
def test_no_unit_is_above_its_limit_and_none_is_scaled_up(values, kernel, max_ratio):
    gradient, kernel = np.float32(values).reshape(2, 2), np.float32(kernel).reshape(2, 2)
    clip = AdaptiveGradientClip(max_ratio=max_ratio)
    (g,), _ = clip([tf.constant(gradient)], context=weights(kernel))
    before, after = np.linalg.norm(gradient, axis=0), np.linalg.norm(g, axis=0)
    limit = max_ratio * np.maximum(np.linalg.norm(kernel, axis=0), 1e-3)
    assert (after <= before * (1 + 1e-6)).all()
    assert (after <= limit * (1 + 1e-5)).all()
    is_below = before < limit * (1 - 1e-5)
    # TensorFlow flushes a denormal number to zero.
    np.testing.assert_allclose(g.numpy()[:, is_below], gradient[:, is_below], rtol=0, atol=1e-37)
