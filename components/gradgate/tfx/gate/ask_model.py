"""Asks an exported model for its answers to a few examples, as a server would.

Needs TensorFlow alone, and runs the graph of the model: that is what would serve.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from gradgate.gate.answers import Answers, OutputCount

SIGNATURE: Final = "serving_default"
MOST_EXAMPLES: Final = 256


def ask_model(model: str | os.PathLike[str], files: Sequence[str | os.PathLike[str]]) -> Answers:
    """Asks the serving signature of a SavedModel with the first examples of some files.

    A signature with a single string input is given serialized `tf.Example`s, as TFX exports it;
    any other is given the features that it names. Never raises for what the model or the files
    hold: what is wrong is in the answer, and a rule on it is then not proven.

    Args:
        model: The SavedModel directory.
        files: TFRecord files of `tf.Example`s, compressed by gzip or not.
    """
    try:
        import tensorflow as tf
    except ImportError:
        return Answers(problem="asking the model takes TensorFlow, which is not installed")
    try:
        examples = list(_examples(tf, files))
    except Exception as error:  # noqa: BLE001 - whatever is wrong with the files is no answer
        return Answers(problem=f"the examples could not be read: {_first_line(error)}")
    if not examples:
        return Answers(problem="there was no example to ask the model with")
    try:
        outputs = _ask(tf, str(model), examples)
    except Exception as error:  # noqa: BLE001 - whatever the model does is no answer
        return Answers(problem=f"the model could not be asked: {_first_line(error)}")
    if not outputs:
        return Answers(problem=f"{SIGNATURE} of the model gives no float output")
    return Answers(outputs=outputs, problem="", examples=len(examples))


def _examples(tf: Any, files: Sequence[str | os.PathLike[str]]) -> Iterator[bytes]:
    left = MOST_EXAMPLES
    for name in sorted(str(file) for file in files):
        with Path(name).open("rb") as opened:
            kind = "GZIP" if opened.read(2) == b"\x1f\x8b" else ""
        for record in tf.data.TFRecordDataset(name, compression_type=kind).take(left):
            left -= 1
            yield record.numpy()
        if not left:
            return


def _ask(tf: Any, model: str, examples: Sequence[bytes]) -> tuple[OutputCount, ...]:
    signature = tf.saved_model.load(model).signatures[SIGNATURE]
    _, specs = signature.structured_input_signature
    answers = signature(**_inputs(tf, specs, examples))
    return tuple(
        _count(tf, name, value)
        for name, value in sorted(answers.items())
        if value.dtype.is_floating
    )


def _inputs(tf: Any, specs: Mapping[str, Any], examples: Sequence[bytes]) -> dict[str, Any]:
    if len(specs) == 1:
        (name, spec) = next(iter(specs.items()))
        if spec.dtype == tf.string and spec.shape.rank in {None, 1}:
            return {name: tf.constant(list(examples))}
    features = {
        name: tf.io.FixedLenFeature(spec.shape[1:], _stored_as(tf, spec.dtype))
        for name, spec in specs.items()
    }
    parsed = tf.io.parse_example(list(examples), features)
    return {name: tf.cast(parsed[name], specs[name].dtype) for name in specs}


def _stored_as(tf: Any, dtype: Any) -> Any:
    """The type by which a `tf.Example` holds such a feature."""
    if dtype == tf.string:
        return tf.string
    return tf.float32 if dtype.is_floating else tf.int64


def _count(tf: Any, name: str, value: Any) -> OutputCount:
    is_same = tf.reduce_all(tf.equal(value, value[:1])) if value.shape.rank else True
    rows = int(tf.shape(value)[0]) if value.shape.rank else 1
    return OutputCount(
        name=name,
        values=int(tf.size(value)),
        nonfinite=int(tf.math.count_nonzero(~tf.math.is_finite(value))),
        is_constant=rows > 1 and bool(is_same),
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}".rstrip(": ")
