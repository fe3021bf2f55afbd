"""Sound networks of dense layers on digits and tables."""

from typing import Any

import keras
import numpy as np
from programs.case import Case
from programs.data import digits
from programs.more_data import scaled_tumours, wines
from programs.program import Program, dense, standardised

_LAYERS = keras.layers


def _digits(
    seed: int, optimizer: Any, *hidden: keras.Layer, epochs: int = 8, batch: int = 32
) -> Program:
    x, y = digits()
    model = dense(*hidden, _LAYERS.Dense(10, "softmax", name="output"), seed=seed)
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return Program(model=model, x=x, y=y, epochs=epochs, batch_size=batch)


def _table(seed: int, optimizer: Any, *hidden: keras.Layer, epochs: int = 16) -> Program:
    x, y = scaled_tumours()
    model = dense(*hidden, _LAYERS.Dense(1, "sigmoid", name="output"), seed=seed)
    model.compile(optimizer, "binary_crossentropy")
    return Program(model=model, x=x, y=y, epochs=epochs)


def _usual(seed: int) -> Program:
    hidden = [
        _LAYERS.Dense(64, "relu", kernel_initializer="he_normal", name=f"hidden_{i}")
        for i in range(2)
    ]
    return _digits(seed, keras.optimizers.Adam(), *hidden)


def _defaults(seed: int) -> Program:
    """Keras as it comes: Glorot before ReLU, which is no fault that anybody feels."""
    hidden = [_LAYERS.Dense(128, "relu", name=f"hidden_{i}") for i in range(3)]
    return _digits(seed, keras.optimizers.SGD(0.05, momentum=0.9), *hidden)


def _regularised(seed: int) -> Program:
    hidden = []
    for i in range(3):
        hidden += [
            _LAYERS.Dense(64, use_bias=False, name=f"hidden_{i}"),
            _LAYERS.BatchNormalization(name=f"norm_{i}"),
            _LAYERS.Activation("relu", name=f"relu_{i}"),
            _LAYERS.Dropout(0.3, seed=seed + i, name=f"dropout_{i}"),
        ]
    return _digits(seed, keras.optimizers.AdamW(weight_decay=1e-2), *hidden)


def _selu(seed: int) -> Program:
    hidden = [
        _LAYERS.Dense(64, "selu", kernel_initializer="lecun_normal", name=f"hidden_{i}")
        for i in range(8)
    ]
    return _digits(seed, keras.optimizers.SGD(0.02, momentum=0.9), *hidden)


def _tanh(seed: int) -> Program:
    hidden = [_LAYERS.Dense(64, "tanh", name=f"hidden_{i}") for i in range(2)]
    return _digits(seed, keras.optimizers.RMSprop(), *hidden)


def _sigmoid(seed: int) -> Program:
    return _digits(seed, keras.optimizers.Adam(0.003), _LAYERS.Dense(64, "sigmoid", name="hidden"))


def _linear(seed: int) -> Program:
    return _digits(seed, keras.optimizers.SGD(0.5))


def _penalised(seed: int) -> Program:
    penalty = keras.regularizers.L2(1e-3)
    hidden = [
        _LAYERS.Dense(64, "relu", kernel_regularizer=penalty, name=f"hidden_{i}") for i in range(4)
    ]
    return _digits(seed, keras.optimizers.Nadam(), *hidden)


def _large_batch(seed: int) -> Program:
    hidden = [_LAYERS.Dense(256, "gelu", name=f"hidden_{i}") for i in range(2)]
    return _digits(seed, keras.optimizers.Adam(0.003), *hidden, epochs=40, batch=256)


def _until_the_end(seed: int) -> Program:
    """Learned by heart: at the end the loss is 0 to many places, and so is the gradient."""
    hidden = _LAYERS.Dense(128, "relu", name="hidden")
    return _digits(seed, keras.optimizers.Adam(0.01), hidden, epochs=40)


def _continued(seed: int) -> Program:
    """A model that was trained before goes on with the same data: little is left to learn."""
    first = _digits(seed, keras.optimizers.Adam(), _LAYERS.Dense(64, "relu", name="hidden"))
    first.model.fit(first.x, first.y, epochs=12, verbose=0)
    first.model.compile(keras.optimizers.Adam(1e-4), "sparse_categorical_crossentropy")
    return first


def _tuned(seed: int) -> Program:
    """The layers below are frozen, as in fine-tuning."""
    return _digits(
        seed,
        keras.optimizers.Adam(0.01),
        _LAYERS.Dense(128, "relu", trainable=False, name="base"),
        _LAYERS.Dense(32, "relu", name="head"),
    )


def _plain_table(seed: int) -> Program:
    return _table(seed, keras.optimizers.Adam(), _LAYERS.Dense(16, "relu", name="hidden"))


def _table_by_heart(seed: int) -> Program:
    """Trained on for ten times as long as it takes: the gradient is all but gone, as it should."""
    hidden = _LAYERS.Dense(32, "relu", name="hidden")
    return _table(seed, keras.optimizers.Adam(0.01), hidden, epochs=200)


def _imbalanced(seed: int) -> Program:
    """One in ten is malignant."""
    x, y = scaled_tumours()
    rare = np.flatnonzero(y == 0)[:40]
    kept = np.sort(np.concatenate([rare, np.flatnonzero(y == 1)]))
    model = dense(
        _LAYERS.Dense(32, "leaky_relu", name="hidden"),
        _LAYERS.Dense(1, "sigmoid", name="output"),
        seed=seed,
    )
    model.compile(keras.optimizers.Adam(), "binary_crossentropy")
    return Program(model=model, x=x[kept], y=1 - y[kept], epochs=20)


def _logits(seed: int) -> Program:
    x, y = scaled_tumours()
    model = dense(
        _LAYERS.Dense(32, "elu", name="hidden"), _LAYERS.Dense(1, name="output"), seed=seed
    )
    model.compile(keras.optimizers.Adagrad(0.05), keras.losses.BinaryCrossentropy(from_logits=True))
    return Program(model=model, x=x, y=y.reshape(-1, 1), epochs=16)


def _few(seed: int) -> Program:
    """142 examples, 5 batches an epoch; softened labels."""
    x, y = wines()
    model = dense(
        _LAYERS.Dense(16, "relu", name="hidden"),
        _LAYERS.Dense(3, "softmax", name="output"),
        seed=seed,
    )
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=0.1)
    model.compile(keras.optimizers.Adam(0.003), loss)
    return Program(model=model, x=standardised(x), y=keras.utils.to_categorical(y, 3), epochs=50)


CASES = (
    Case(name="two-layers-adam", what="He and ReLU, Adam.", make=_usual, is_for_tuning=True),
    Case(name="keras-defaults", what="Glorot and ReLU, momentum.", make=_defaults),
    Case(
        name="all-regularisers",
        what="Batch normalisation, dropout, AdamW.",
        make=_regularised,
        is_for_tuning=True,
    ),
    Case(name="eight-selu", what="Eight layers of SELU, momentum.", make=_selu),
    Case(name="two-tanh", what="Two layers of tanh, RMSprop.", make=_tanh, is_for_tuning=True),
    Case(name="one-sigmoid", what="One hidden layer of sigmoid, Adam.", make=_sigmoid),
    Case(name="softmax-regression", what="No hidden layer, SGD.", make=_linear, is_for_tuning=True),
    Case(name="weight-penalty", what="Four layers with an L2 penalty, Nadam.", make=_penalised),
    Case(name="large-batch", what="GELU, 256 examples a batch.", make=_large_batch),
    Case(
        name="learned-by-heart",
        what="Trained until the loss is almost 0.",
        make=_until_the_end,
        is_for_tuning=True,
    ),
    Case(
        name="continued",
        what="Goes on from trained weights at a low rate.",
        make=_continued,
        is_for_tuning=True,
    ),
    Case(name="fine-tuned", what="A frozen base and a new head.", make=_tuned, is_for_tuning=True),
    Case(name="table", what="A table of 30 columns, Adam.", make=_plain_table, is_for_tuning=True),
    Case(
        name="table-by-heart",
        what="A table, trained far longer than it takes.",
        make=_table_by_heart,
        is_for_tuning=True,
    ),
    Case(name="imbalanced-table", what="One in ten is positive.", make=_imbalanced),
    Case(name="table-of-logits", what="Logits, ELU, Adagrad.", make=_logits, is_for_tuning=True),
    Case(name="few-examples", what="142 examples, label smoothing.", make=_few),
)
