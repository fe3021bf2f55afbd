"""What a user of the Trainer would write, small: each function is a `run_fn`."""

import keras
import numpy as np
import tensorflow as tf

import gradgate

STEPS = 40


def _model():
    layers = [
        keras.Input([4]),
        keras.layers.Dense(8, "relu", kernel_initializer="he_normal", name="first"),
        keras.layers.Dense(1, "sigmoid", name="last"),
    ]
    model = keras.Sequential(layers, name="tiny")
    model.compile("adam", loss="binary_crossentropy")
    return model


def _data(bad=False):
    x = np.random.default_rng(0).normal(size=(STEPS * 16, 4)).astype("float32")
    y = (x.sum(axis=1, keepdims=True) > 0).astype("float32")
    if bad:
        x[0] = np.nan
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(16)


def _export(model, fn_args):
    module = tf.Module()
    module.weights = [weight.value for weight in model.weights]
    module.serve = tf.function(
        lambda x: model(x, training=False), input_signature=[tf.TensorSpec([None, 4])]
    )
    tf.saved_model.save(module, fn_args.serving_model_dir, signatures=module.serve)


def sound(fn_args):
    model = _model()
    gradgate.instrument(model, fn_args)
    model.fit(_data(), verbose=0)
    _export(model, fn_args)


def sick(fn_args):
    model = _model()
    gradgate.instrument(model, fn_args)
    model.fit(_data(bad=True), verbose=0)
    _export(model, fn_args)


def never_instruments(fn_args):
    model = _model()
    model.fit(_data(), verbose=0)
    _export(model, fn_args)


def trains_no_step(fn_args):
    model = _model()
    gradgate.instrument(model, fn_args)
    _export(model, fn_args)


def raises(fn_args):
    model = _model()
    gradgate.instrument(model, fn_args)
    model.fit(_data().take(10), verbose=0)
    raise RuntimeError("the disk is full")


def exports_nothing(fn_args):
    model = _model()
    gradgate.instrument(model, fn_args)
    model.fit(_data(), verbose=0)


def loops_by_hand(fn_args):
    model = _model()
    guard = gradgate.instrument(model, fn_args)
    for x, y in _data():
        with tf.GradientTape() as tape:
            loss = model.compute_loss(x, y, model(x, training=True))
        guard.observe_loss(loss)
        gradients = tape.gradient(loss, model.trainable_variables)
        model.optimizer.apply(gradients, model.trainable_variables)
    _export(model, fn_args)
