"""Movie reviews: does the writer like the film? An LSTM that reads the first words of a text.

Plain TFX user code. The one line that is about gradgate is `gradgate.instrument(...)`.
"""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs

import gradgate
from pipeline.modules.layer_norm_lstm import LayerNormLSTMCell

TEXT, LABEL = "text", "positive"
WORDS = "words"  # the numbers of the words of a text: the name after Transform
VOCABULARY = "words"
_SEED = "seed_generator_state"
_PADDING, _UNKNOWN = 1, 1  # ids: 0 is padding, 1 to n the vocabulary, n + 1 every other word


def preprocessing_fn(inputs: Mapping[str, Any], custom_config: Mapping[str, Any]) -> dict[str, Any]:
    """Splits a text into words and numbers them by how often they occur in the training split.

    Args:
        inputs: `text` string [n, 1] and the label int64 [n, 1].
        custom_config: `vocabulary`: how many words have a number of their own. `words`: how many
            of a text are read.
    """
    text = tf.strings.lower(tf.squeeze(inputs[TEXT], axis=1))
    words = tf.strings.split(tf.strings.regex_replace(text, "<br />|[^a-z']+", " "))
    ids = tft.compute_and_apply_vocabulary(
        words[:, : custom_config["words"]],
        top_k=custom_config["vocabulary"],
        num_oov_buckets=_UNKNOWN,
        vocab_filename=VOCABULARY,
    )
    padded = (ids + _PADDING).to_tensor(0, shape=[None, custom_config["words"]])
    return {WORDS: padded, LABEL: inputs[LABEL]}


def run_fn(fn_args: FnArgs) -> None:
    """Trains and exports; called by the Trainer."""
    settings = fn_args.custom_config
    transform = tft.TFTransformOutput(fn_args.transform_output)
    (words, labels), held_out = (
        _read(files, transform) for files in (fn_args.train_files, fn_args.eval_files)
    )
    train = tf.data.Dataset.from_tensor_slices((words, labels))

    known = transform.vocabulary_size_by_name(VOCABULARY)
    model = build_model(settings, ids=_PADDING + known + _UNKNOWN, words=words.shape[1])
    gradgate.instrument(model, fn_args)
    model.fit(
        train.shuffle(len(words), seed=settings["seed"]).repeat().batch(settings["batch_size"]),
        epochs=settings["epochs"],
        steps_per_epoch=fn_args.train_steps // settings["epochs"],
        validation_data=tf.data.Dataset.from_tensor_slices(held_out).batch(512),
        verbose=0,
    )
    export(model, transform, fn_args.serving_model_dir)


def build_model(settings: Mapping[str, Any], *, ids: int, words: int) -> keras.Model:
    """Returns the compiled network: Embedding, LSTM, Dense, and one sigmoid output [n, 1].

    Args:
        settings: Of the network and the training.
        ids: How many different numbers a word can have, padding among them.
        words: How many are read.
    """
    layers = [
        keras.Input([words], dtype="int64", name=WORDS),
        keras.layers.Embedding(ids, settings["embedding"], mask_zero=True, name="embedding"),
        _recurrent(settings),
        keras.layers.Dense(settings["dense"], "relu", kernel_initializer="he_normal", name="dense"),
        keras.layers.Dense(1, activation="sigmoid", name="positive"),
    ]
    model = keras.Sequential(layers, name="reviews")
    optimizer = keras.optimizers.get(settings["optimizer"])
    optimizer.learning_rate = settings["learning_rate"]
    model.compile(optimizer=optimizer, loss="binary_crossentropy", metrics=["accuracy"])
    return model


def _recurrent(settings: Mapping[str, Any]) -> keras.Layer:
    units, activation = settings["units"], settings["activation"]
    if settings["layer_norm"]:
        cell = LayerNormLSTMCell(units, activation=activation, name="cell")
        return keras.layers.RNN(cell, name="lstm")
    return keras.layers.LSTM(
        units,
        activation=activation,
        recurrent_dropout=settings["recurrent_dropout"],
        name="lstm",
    )


class ServedModel(tf.Module):
    """The network and the Transform graph together: what a server loads takes raw texts."""

    def __init__(self, model: keras.Model, transform: tft.TFTransformOutput) -> None:
        super().__init__()
        # The weights alone: a model that is tracked as a whole brings its optimizer along.
        self.weights = [weight.value for weight in model.weights]
        # A recurrent layer with dropout reads its seed even where nothing is dropped.
        self.seeds = [one.value for one in model.variables if one.path.endswith(_SEED)]
        self.transform = transform.transform_features_layer()
        self._raw_spec = {TEXT: transform.raw_feature_spec()[TEXT]}
        self._predict = lambda words: model(words, training=False)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns `probability` float32 [n, 1] for n serialized `tf.Example`s."""
        features = self.transform(tf.io.parse_example(examples, self._raw_spec))
        return {"probability": self._predict(features[WORDS])}


def export(model: keras.Model, transform: tft.TFTransformOutput, directory: str) -> None:
    """Writes the SavedModel that is served."""
    served = ServedModel(model, transform)
    tf.saved_model.save(served, directory, signatures={"serving_default": served.serve})


def _read(patterns: list[str], transform: tft.TFTransformOutput) -> tuple[np.ndarray, np.ndarray]:
    """Transformed examples as (int64 [n, words], int64 [n, 1]), in an order of their own.

    Beam writes examples in another order each time. Sorted, the same seed trains the same model.
    """
    spec = transform.transformed_feature_spec()
    files = tf.data.Dataset.list_files(patterns, shuffle=False)
    records = list(tf.data.TFRecordDataset(files, compression_type="GZIP").as_numpy_iterator())
    example = tf.io.parse_example(records, spec)
    words, labels = example[WORDS].numpy(), example[LABEL].numpy()
    # By content: of one example the bytes differ, since the features in it have no order.
    order = np.lexsort([*words.T[::-1], labels[:, 0]])
    return words[order], labels[order]
