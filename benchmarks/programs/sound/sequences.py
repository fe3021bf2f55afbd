"""Sound recurrent networks, and a transformer, on digits and on Python's manual."""

from typing import Any

import keras
from programs.case import Case
from programs.more_data import (
    CHARACTERS,
    LENGTH,
    TOPICS,
    WORDS,
    digit_rows,
    next_characters,
    passages,
)
from programs.program import Program, dense

from gradgate.gradients import ClipByGlobalNorm

_LAYERS = keras.layers
_LOSS = "sparse_categorical_crossentropy"


def _rows(seed: int, optimizer: Any, *readers: keras.Layer, **options: Any) -> Program:
    x, y = digit_rows()
    model = dense(*readers, _LAYERS.Dense(10, "softmax", name="output"), seed=seed)
    model.compile(optimizer, _LOSS)
    return Program(model=model, x=x, y=y, **options)


def _text(seed: int, optimizer: Any, *readers: keras.Layer, **options: Any) -> Program:
    x, y = passages()
    words = _LAYERS.Embedding(WORDS, 32, name="words")
    model = dense(words, *readers, _LAYERS.Dense(TOPICS, "softmax", name="output"), seed=seed)
    model.compile(optimizer, _LOSS)
    return Program(model=model, x=x, y=y, **options)


def _lstm(seed: int) -> Program:
    return _rows(seed, keras.optimizers.Adam(0.003), _LAYERS.LSTM(32, name="reader"))


def _gru(seed: int) -> Program:
    """The clip acts now and then, as a safety net should."""
    return _rows(
        seed,
        keras.optimizers.SGD(0.3, momentum=0.9),
        _LAYERS.GRU(32, name="reader"),
        clip=(ClipByGlobalNorm(max_norm=1.5),),
        epochs=10,
    )


def _both_ways(seed: int) -> Program:
    reader = _LAYERS.Bidirectional(_LAYERS.LSTM(16), name="reader")
    return _rows(seed, keras.optimizers.RMSprop(0.003), reader)


def _averaged(seed: int) -> Program:
    return _text(seed, keras.optimizers.Adam(0.003), _LAYERS.GlobalAveragePooling1D(name="mean"))


def _text_lstm(seed: int) -> Program:
    clip = (ClipByGlobalNorm(max_norm=5.0),)
    return _text(
        seed, keras.optimizers.Adam(0.003), _LAYERS.LSTM(32, name="reader"), clip=clip, epochs=6
    )


def _text_convolution(seed: int) -> Program:
    return _text(
        seed,
        keras.optimizers.Adam(0.002),
        _LAYERS.Conv1D(32, 3, activation="relu", name="conv"),
        _LAYERS.GlobalMaxPooling1D(name="max"),
        _LAYERS.Dropout(0.5, seed=seed, name="dropout"),
    )


def _transformer(seed: int) -> Program:
    x, y = passages()
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((LENGTH,), dtype="int32", name="tokens")
    h = _LAYERS.Embedding(WORDS, 32, name="words")(inputs)
    for i in range(2):
        normal = _LAYERS.LayerNormalization(name=f"before_attention_{i}")(h)
        h = h + _LAYERS.MultiHeadAttention(4, 8, name=f"attention_{i}")(normal, normal)
        normal = _LAYERS.LayerNormalization(name=f"before_dense_{i}")(h)
        wide = _LAYERS.Dense(64, "gelu", name=f"wide_{i}")(normal)
        h = h + _LAYERS.Dense(32, name=f"narrow_{i}")(wide)
    h = _LAYERS.GlobalAveragePooling1D(name="mean")(_LAYERS.LayerNormalization(name="last")(h))
    model = keras.Model(inputs, _LAYERS.Dense(TOPICS, "softmax", name="output")(h))
    warm = keras.optimizers.schedules.CosineDecay(1e-4, 300, warmup_target=2e-3, warmup_steps=50)
    model.compile(keras.optimizers.AdamW(warm), _LOSS)
    return Program(model=model, x=x, y=y, clip=(ClipByGlobalNorm(max_norm=1.0),))


def _language_model(seed: int) -> Program:
    x, y = next_characters()
    model = dense(
        _LAYERS.Embedding(CHARACTERS, 16, name="characters"),
        _LAYERS.GRU(64, return_sequences=True, name="reader"),
        _LAYERS.Dense(CHARACTERS, "softmax", name="output"),
        seed=seed,
    )
    model.compile(keras.optimizers.Adam(0.005), _LOSS)
    return Program(model=model, x=x, y=y, epochs=6)


CASES = (
    Case(name="lstm-of-rows", what="An LSTM, Adam.", make=_lstm, is_for_tuning=True),
    Case(name="gru-with-a-clip", what="A GRU, momentum, a clip that acts now and then.", make=_gru),
    Case(name="both-ways", what="A bidirectional LSTM, RMSprop.", make=_both_ways),
    Case(
        name="averaged-words",
        what="The mean of embeddings, Adam.",
        make=_averaged,
        is_for_tuning=True,
    ),
    Case(name="lstm-of-words", what="An LSTM of words, a clip at 5.", make=_text_lstm),
    Case(
        name="convolution-of-words",
        what="A convolution of words, dropout.",
        make=_text_convolution,
        is_for_tuning=True,
    ),
    Case(
        name="transformer",
        what="Two blocks, warm-up, AdamW, a clip at 1.",
        make=_transformer,
        is_for_tuning=True,
    ),
    Case(
        name="language-model",
        what="The next character, a GRU.",
        make=_language_model,
        is_for_tuning=True,
    ),
)
