"""Architectures that are sound and train: of them the lint must say neither error nor warning."""

import keras

layers = keras.layers


def classifier():
    model = keras.Sequential(
        [
            keras.Input((20,)),
            layers.Dense(64, "relu"),
            layers.Dropout(0.3),
            layers.Dense(32, "relu"),
            layers.Dense(5, "softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def regression():
    scale = layers.Normalization()
    model = keras.Sequential(
        [
            keras.Input((8,)),
            scale,
            layers.Dense(64, "relu"),
            layers.Dense(64, "relu"),
            layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.RMSprop(0.001), "mse")
    return model


def logistic_regression():
    model = keras.Sequential([keras.Input((30,)), layers.Dense(1, "sigmoid")])
    model.compile(keras.optimizers.SGD(0.5, momentum=0.9), "binary_crossentropy")
    return model


def convolutions():
    model = keras.Sequential([keras.Input((32, 32, 3)), layers.Rescaling(1 / 255)])
    for filters in (16, 32, 64):
        model.add(layers.Conv2D(filters, 3, padding="same", use_bias=False))
        model.add(layers.BatchNormalization())
        model.add(layers.ReLU())
        model.add(layers.MaxPooling2D(2))
    model.add(layers.GlobalAveragePooling2D())
    model.add(layers.Dense(10))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, 10_000, warmup_target=0.4, warmup_steps=500
    )
    model.compile(keras.optimizers.SGD(schedule, momentum=0.9, nesterov=True), loss)
    return model


def lenet():
    """With tanh and average pooling, as in 1998."""
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(6, 5, activation="tanh", padding="same"),
            layers.AveragePooling2D(2),
            layers.Conv2D(16, 5, activation="tanh"),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dense(120, "tanh"),
            layers.Dense(84, "tanh"),
            layers.Dense(10, "softmax"),
        ]
    )
    model.compile("sgd", "categorical_crossentropy")
    return model


def transformer():
    """An encoder of two blocks, norms last, as in 2017."""
    tokens = keras.Input((32,), dtype="int32")
    x = layers.Embedding(1000, 32)(tokens)
    for _ in range(2):
        attended = layers.MultiHeadAttention(4, 8)(x, x)
        x = layers.LayerNormalization()(layers.Add()([x, layers.Dropout(0.1)(attended)]))
        hidden = layers.Dense(64, "gelu")(x)
        x = layers.LayerNormalization()(layers.Add()([x, layers.Dense(32)(hidden)]))
    x = layers.GlobalAveragePooling1D()(x)
    model = keras.Model(tokens, layers.Dense(2, "softmax")(x))
    model.compile(keras.optimizers.AdamW(3e-4), "sparse_categorical_crossentropy")
    return model


def lstm_of_text():
    model = keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            layers.Embedding(5000, 32, mask_zero=True),
            layers.LSTM(32),
            layers.Dense(1, "sigmoid"),
        ]
    )
    model.compile("adam", "binary_crossentropy")
    return model


def speech():
    """Convolutions with batch norm, then recurrent layers in both directions, clipped."""
    model = keras.Sequential([keras.Input((100, 40, 1))])
    for _ in range(2):
        model.add(layers.Conv2D(8, (5, 5), strides=(1, 2), padding="same", use_bias=False))
        model.add(layers.BatchNormalization())
        model.add(layers.ReLU())
    model.add(layers.Reshape((100, 80)))
    for _ in range(2):
        model.add(layers.Bidirectional(layers.GRU(16, return_sequences=True)))
        model.add(layers.Dropout(0.5))
    model.add(layers.TimeDistributed(layers.Dense(32, "relu")))
    model.add(layers.Dense(29))
    model.compile(keras.optimizers.Adam(1e-4, global_clipnorm=5.0), keras.losses.CTC())
    return model


def autoencoder():
    model = keras.Sequential(
        [
            keras.Input((784,)),
            layers.Dense(128, "relu"),
            layers.Dense(16, name="code"),
            layers.Dense(128, "relu"),
            layers.Dense(784, "sigmoid"),
        ]
    )
    model.compile("adam", "binary_crossentropy")
    return model


def unet():
    x = keras.Input((64, 64, 3))
    first = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    down = layers.Conv2D(16, 3, padding="same", activation="relu")(layers.MaxPooling2D(2)(first))
    up = layers.Conv2DTranspose(8, 2, strides=2)(down)
    merged = layers.Concatenate()([first, up])
    out = layers.Conv2D(1, 1, activation="sigmoid")(
        layers.Conv2D(8, 3, padding="same", activation="relu")(merged)
    )
    model = keras.Model(x, out)
    model.compile(keras.optimizers.Adam(1e-3), "binary_crossentropy")
    return model


def siamese():
    encoder = keras.Sequential([keras.Input((12,)), layers.Dense(16, "relu"), layers.Dense(8)])
    one, other = keras.Input((12,)), keras.Input((12,))
    difference = layers.Subtract()([encoder(one), encoder(other)])
    model = keras.Model([one, other], layers.Dense(1, "sigmoid")(keras.ops.abs(difference)))
    model.compile("adam", "binary_crossentropy")
    return model


def wide_and_deep():
    numbers, word = keras.Input((6,), name="numbers"), keras.Input((1,), dtype="int32", name="word")
    deep = layers.Concatenate()(
        [layers.BatchNormalization()(numbers), layers.Flatten()(layers.Embedding(50, 8)(word))]
    )
    deep = layers.Dense(16, "relu")(layers.Dense(32, "relu")(deep))
    both = layers.Concatenate()([deep, numbers])
    model = keras.Model([numbers, word], layers.Dense(1, "sigmoid")(both))
    model.compile(keras.optimizers.Adagrad(0.05), "binary_crossentropy")
    return model


def physics_informed():
    """Nine hidden layers of 20 tanh units, as in Raissi et al. 2019."""
    model = keras.Sequential([keras.Input((2,))])
    for _ in range(9):
        model.add(layers.Dense(20, "tanh", kernel_initializer="glorot_normal"))
    model.add(layers.Dense(1))
    model.compile("adam", "mse")
    return model


def self_normalising():
    model = keras.Sequential([keras.Input((20,))])
    for _ in range(8):
        model.add(layers.Dense(32, "selu", kernel_initializer="lecun_normal"))
        model.add(layers.AlphaDropout(0.05))
    model.add(layers.Dense(3, "softmax"))
    model.compile("sgd", "categorical_crossentropy")
    return model


def gated_convolutions():
    """tanh times sigmoid, as in WaveNet, with residuals."""
    wave = keras.Input((200, 1))
    x = layers.Conv1D(16, 2, padding="causal")(wave)
    for power in range(6):
        more = {"padding": "causal", "dilation_rate": 2**power}
        filtered = layers.Conv1D(16, 2, activation="tanh", **more)(x)
        gate = layers.Conv1D(16, 2, activation="sigmoid", **more)(x)
        x = layers.Add()([x, layers.Conv1D(16, 1)(layers.Multiply()([filtered, gate]))])
    model = keras.Model(wave, layers.Conv1D(1, 1)(layers.ReLU()(x)))
    model.compile("adam", "mae")
    return model


def in_mixed_precision():
    half = {"dtype": "mixed_float16"}
    model = keras.Sequential(
        [
            keras.Input((32,)),
            layers.Dense(64, "relu", **half),
            layers.Dense(64, "relu", **half),
            layers.Dense(10, **half),
            layers.Activation("softmax", dtype="float32"),
        ]
    )
    model.compile("adam", "categorical_crossentropy")
    return model


def finetuned():
    """A frozen base, a new head."""
    base = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.Conv2D(8, 3),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.GlobalAveragePooling2D(),
        ]
    )
    base.trainable = False
    x = keras.Input((32, 32, 3))
    model = keras.Model(x, layers.Dense(4, "softmax")(base(x, training=False)))
    model.compile(keras.optimizers.Adam(1e-5), "categorical_crossentropy", steps_per_execution=2)
    return model


def discriminator():
    model = keras.Sequential([keras.Input((28, 28, 1))])
    for filters in (16, 32):
        model.add(layers.Conv2D(filters, 5, strides=2, padding="same"))
        model.add(layers.LeakyReLU())
        model.add(layers.Dropout(0.3))
    model.add(layers.Flatten())
    model.add(layers.Dense(1))
    model.compile(
        keras.optimizers.Adam(2e-4, beta_1=0.5), keras.losses.BinaryCrossentropy(from_logits=True)
    )
    return model


def residual_mlp():
    """Forty layers of ReLU behind Glorot, held up by residuals."""
    x = keras.Input((32,))
    y = layers.Dense(32)(x)
    for _ in range(20):
        y = layers.Add()([y, layers.Dense(32)(layers.Dense(64, "relu")(y))])
    model = keras.Model(x, layers.Dense(1)(y))
    model.compile("adam", "huber")
    return model


def counts():
    model = keras.Sequential([keras.Input((5,)), layers.Dense(16, "relu")])
    model.add(layers.Dense(1, "softplus"))
    model.compile("adam", "poisson")
    return model


def attention_over_time():
    sequence = keras.Input((20, 16))
    scores = layers.Softmax(axis=1)(layers.Dense(1)(layers.Dense(16, "tanh")(sequence)))
    pooled = layers.Flatten()(layers.Dot(axes=1)([scores, sequence]))
    model = keras.Model(sequence, layers.Dense(3, "softmax")(pooled))
    model.compile("nadam", "categorical_crossentropy")
    return model


def next_frame():
    """Convolutional LSTMs of ReLU with batch norm between, as in Keras's own example."""
    frames = keras.Input((None, 32, 32, 1))
    x = layers.ConvLSTM2D(8, 5, padding="same", return_sequences=True, activation="relu")(frames)
    x = layers.BatchNormalization()(x)
    x = layers.ConvLSTM2D(8, 3, padding="same", return_sequences=True, activation="relu")(x)
    model = keras.Model(frames, layers.Conv3D(1, 3, activation="sigmoid", padding="same")(x))
    model.compile("adam", "binary_crossentropy")
    return model


def forecast():
    """An LSTM of ReLU over three steps, as in many a tutorial."""
    model = keras.Sequential([keras.Input((3, 1)), layers.LSTM(50, "relu"), layers.Dense(1)])
    model.compile("adam", "mse")
    return model


SMALL = (
    *(classifier, regression, logistic_regression, convolutions, lenet, transformer, lstm_of_text),
    *(speech, autoencoder, unet, siamese, wide_and_deep, physics_informed, self_normalising),
    *(gated_convolutions, in_mixed_precision, finetuned, discriminator, residual_mlp, counts),
    *(attention_over_time, next_frame, forecast),
)

APPLICATIONS = ("MobileNetV3Small", "ResNet50", "EfficientNetB0")
"""Of Keras's own, those that the tests build; `benchmarks/lint_precision.py` builds more."""


def application(name):
    """One of Keras's own, with weights drawn anew."""
    model = getattr(keras.applications, name)(weights=None, classes=10)
    model.compile("adam", "categorical_crossentropy")
    return model
