"""How good an exported model is on examples that nobody chose anything by."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from pipeline.scores import Score, count

_BATCH = 256


def score(model: Path, examples: Path, *, split: str, label: str) -> Score:
    """Asks an exported model about raw examples, through its serving signature.

    Args:
        model: SavedModel whose signature `serving_default` gives `probability` [n, 1].
        examples: What ExampleGen wrote: a folder with one folder for each split.
        split: Which of them.
        label: The column with 0 or 1.
    """
    loaded = tf.saved_model.load(str(model))  # its signature lives as long as it does
    ask, truths, answers = loaded.signatures["serving_default"], [], []
    for records in _batches(examples, split):
        truths.append(_labels(records, label))
        answers.append(ask(examples=tf.constant(records))["probability"].numpy().ravel())
    return count(np.concatenate(truths), np.concatenate(answers))


def majority(examples: Path, *, split: str, label: str) -> Score:
    """What always answering with the most frequent label of the train split would score."""
    train = np.concatenate([_labels(records, label) for records in _batches(examples, "train")])
    truth = np.concatenate([_labels(records, label) for records in _batches(examples, split)])
    return count(truth, np.full(len(truth), float(train.mean() >= 0.5)))


def _batches(examples: Path, split: str) -> Iterator[list[bytes]]:
    files = sorted(str(path) for path in (examples / f"Split-{split}").glob("*.gz"))
    records = tf.data.TFRecordDataset(files, compression_type="GZIP")
    for batch in records.batch(_BATCH).as_numpy_iterator():
        yield list(batch)


def _labels(records: list[bytes], label: str) -> np.ndarray:
    spec = {label: tf.io.FixedLenFeature([1], tf.int64)}
    return tf.io.parse_example(records, spec)[label].numpy().ravel()
