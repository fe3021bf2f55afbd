"""Chicago taxi: will the tip be above a fifth of the fare?

Plain TFX user code. The one line that is about gradgate is `gradgate.instrument(...)`.
"""

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf
import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs

import gradgate

LABEL = "big_tipper"
FEATURES = "features"  # all of them, as one row of numbers: the name after Transform

NUMERIC = (
    "fare",
    "trip_miles",
    "trip_seconds",
    "trip_start_hour",
    "trip_start_day",
    "trip_start_month",
    "pickup_community_area",
    "dropoff_community_area",
    "pickup_latitude",
    "pickup_longitude",
    "dropoff_latitude",
    "dropoff_longitude",
)
TRACT = "pickup_census_tract"
FIRST_TRACT, TRACTS = 17_031_000_000, 1_000_000  # Cook County's, as the data schema has them
PAYMENT = "payment_type"
# The domain that the data schema was reviewed for; another way to pay is all zeros.
PAYMENT_TYPES = ("Cash", "Credit Card", "Dispute", "No Charge", "Pcard", "Prcard", "Unknown")
RAW_FEATURES = (*NUMERIC, TRACT, PAYMENT)
WIDTH = len(NUMERIC) + 1 + len(PAYMENT_TYPES)


def preprocessing_fn(inputs: Mapping[str, Any], custom_config: Mapping[str, Any]) -> dict[str, Any]:
    """Standardises the numbers, fills their holes, and makes payment one-hot.

    One analyzer over all columns side by side, not one a column: Transform's time goes into
    building analyzers, not into data.

    Args:
        inputs: Raw features, tensors [n, 1] or sparse where the schema allows none.
        custom_config: `impute_census_tract`: False leaves its holes as NaN.
    """
    numbers = tf.concat([_column(inputs[name]) for name in NUMERIC], axis=1)
    # Mean and variance are over what is there: NaN is left out of them. So 0 is the mean.
    standard = _fill(tft.scale_to_z_score(numbers, elementwise=True), 0.0)
    tract = (_column(inputs[TRACT], subtract=FIRST_TRACT)) / TRACTS  # in [0, 1)
    if custom_config["impute_census_tract"]:
        tract = _fill(tract, 0.5)
    payment = tf.equal(inputs[PAYMENT], tf.constant([PAYMENT_TYPES]))
    outputs = {FEATURES: tf.concat([standard, tract, tf.cast(payment, tf.float32)], axis=1)}
    outputs[LABEL] = inputs[LABEL]
    return outputs


def run_fn(fn_args: FnArgs) -> None:
    """Trains and exports; called by the Trainer."""
    settings = fn_args.custom_config
    transform = tft.TFTransformOutput(fn_args.transform_output)
    train = _read(fn_args.train_files, transform)
    held_out = _read(fn_args.eval_files, transform)

    model = build_model(settings)
    gradgate.instrument(model, fn_args)
    model.fit(
        train.shuffle(16_384, seed=settings["seed"]).repeat().batch(settings["batch_size"]),
        epochs=settings["epochs"],
        steps_per_epoch=fn_args.train_steps // settings["epochs"],
        validation_data=held_out.batch(1024),
        verbose=0,
    )
    export(model, transform, fn_args.serving_model_dir)


def build_model(settings: Mapping[str, Any]) -> keras.Model:
    """Returns the compiled network: hidden ReLU layers, one sigmoid output [n, 1]."""
    hidden = [
        keras.layers.Dense(units, "relu", kernel_initializer="he_normal", name=f"dense_{number}")
        for number, units in enumerate(settings["hidden_units"], start=1)
    ]
    output = keras.layers.Dense(1, activation="sigmoid", name="big_tipper")
    model = keras.Sequential([keras.Input([WIDTH], name=FEATURES), *hidden, output], name="taxi")
    optimizer = keras.optimizers.get(settings["optimizer"])
    optimizer.learning_rate = settings["learning_rate"]
    model.compile(optimizer=optimizer, loss="binary_crossentropy", metrics=["accuracy"])
    return model


class ServedModel(tf.Module):
    """The network and the Transform graph together: what a server loads takes raw examples."""

    def __init__(self, model: keras.Model, transform: tft.TFTransformOutput) -> None:
        super().__init__()
        # The weights alone: a model that is tracked as a whole brings its optimizer along.
        self.weights = [weight.value for weight in model.weights]
        self.transform = transform.transform_features_layer()
        raw = transform.raw_feature_spec()
        # Neither the label nor what it is made of is there when a model is asked.
        self._raw_spec = {name: raw[name] for name in RAW_FEATURES}
        self._predict = lambda features: model(features, training=False)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns `probability` float32 [n, 1] for n serialized `tf.Example`s."""
        features = self.transform(tf.io.parse_example(examples, self._raw_spec))
        return {"probability": self._predict(features[FEATURES])}


def export(model: keras.Model, transform: tft.TFTransformOutput, directory: str) -> None:
    """Writes the SavedModel that is served."""
    served = ServedModel(model, transform)
    tf.saved_model.save(served, directory, signatures={"serving_default": served.serve})


def _read(patterns: list[str], transform: tft.TFTransformOutput) -> tf.data.Dataset:
    """Transformed examples as (float32 [width], int64 [1]), kept in memory: the table is small."""
    spec = transform.transformed_feature_spec()

    def parse(records: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        example = tf.io.parse_example(records, spec)
        return example[FEATURES], example[LABEL]

    files = tf.data.Dataset.list_files(patterns, shuffle=False)
    records = tf.data.TFRecordDataset(files, compression_type="GZIP")
    return records.batch(1024).map(parse).unbatch().cache()


def _column(tensor: Any, *, subtract: int = 0) -> tf.Tensor:
    """A column as float32 [n, 1]; what is missing is NaN.

    Args:
        tensor: Dense [n, 1], or sparse.
        subtract: Taken off while the numbers are still exact: float32 has 24 bits.
    """
    if not isinstance(tensor, tf.SparseTensor):
        return tf.cast(tensor - subtract, tf.float32)
    values = tf.cast(tensor.values - subtract, tf.float32)
    column = tf.SparseTensor(tensor.indices, values, [tensor.dense_shape[0], 1])
    return tf.sparse.to_dense(column, default_value=float("nan"))


def _fill(tensor: tf.Tensor, value: float) -> tf.Tensor:
    return tf.where(tf.math.is_nan(tensor), tf.fill(tf.shape(tensor), value), tensor)
