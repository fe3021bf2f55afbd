"""Reads a few hundred examples from where people keep them, and describes them."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf

from gradgate.contracts import InputCard, LayerCard
from gradgate.training.examples import describe_examples
from gradgate.training.read_statistics import (
    StatisticsUnreadError,
    beside_graph,
    inputs_by_statistics,
    statistics_in,
)

_MOST: Final = 1024


class ExamplesError(Exception):
    """Examples that cannot be read; the message says why."""


def read_examples(given: Any, layers: Sequence[LayerCard], *, source: str) -> tuple[InputCard, ...]:
    """Returns what examples look like, up to 1024 of them.

    Args:
        given: A path (`.npy`, `.npz`, `.csv`, `.parquet`; any other is taken for TFRecords of
            `tf.Example`, gzipped if it ends so; of a folder, all files in it; a folder of TFX's
            statistics; a Transform graph, beside which these lie), arrays as the model takes them,
            or a `tf.data.Dataset` of inputs or of `(inputs, labels)` in batches.
        layers: Of the model's card.
        source: What messages call it.

    Raises:
        ExamplesError: If there are none that can be read.
    """
    try:
        if isinstance(given, (str, os.PathLike)):
            path = beside_graph(Path(given))
            statistics = statistics_in(path)
            if statistics is not None:
                return _told(inputs_by_statistics(statistics, layers, source=source), source)
            examples = _of_file(path)
        elif isinstance(given, tf.data.Dataset):
            examples = _of_dataset(given)
        else:
            examples = keras.tree.map_structure(lambda each: np.asarray(each)[:_MOST], given)
        named = _of_model(examples, layers)
        inputs = describe_examples(named, layers, source=source)
    except ExamplesError:
        raise
    except (FileNotFoundError, StatisticsUnreadError) as error:
        raise ExamplesError(str(error)) from None
    except Exception as error:  # noqa: BLE001 - files and code may be anybody's
        raise ExamplesError(f"{source}: {type(error).__name__}: {error}") from None
    return _told(inputs, source)


def _told(inputs: tuple[InputCard, ...], source: str) -> tuple[InputCard, ...]:
    if not inputs:
        raise ExamplesError(f"{source}: there are no numbers in it")
    return inputs


def _of_model(examples: Any, layers: Sequence[LayerCard]) -> Any:
    """Leaves out columns that are none of the model's inputs, such as labels, if some are."""
    entries = {layer.name for layer in layers if layer.kind == "InputLayer"}
    if isinstance(examples, dict) and entries & set(examples):
        return {name: array for name, array in examples.items() if name in entries}
    return examples


def _of_file(path: Path) -> Any:
    if not path.exists():
        raise ExamplesError(f"{path}: there is no such file")
    if path.suffix == ".npy":
        return np.load(path, mmap_mode="r", allow_pickle=False)[:_MOST]
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name][:_MOST] for name in arrays.files}
    if path.suffix in (".csv", ".parquet"):
        return _of_table(path)
    files = sorted(str(f) for f in path.rglob("*") if f.is_file()) if path.is_dir() else [str(path)]
    return _of_records(files)


def _of_table(path: Path) -> dict[str, np.ndarray]:
    import pyarrow.csv
    import pyarrow.parquet

    is_csv = path.suffix == ".csv"
    table = pyarrow.csv.read_csv(path) if is_csv else pyarrow.parquet.read_table(path)
    columns = table.slice(0, _MOST).to_pydict()
    return {
        name: np.array([np.nan if each is None else each for each in values])
        for name, values in columns.items()
    }


def _of_records(files: Sequence[str]) -> dict[str, np.ndarray]:
    compression = "GZIP" if files and files[0].endswith(".gz") else ""
    columns: dict[str, list[Any]] = {}
    count = 0
    for record in tf.data.TFRecordDataset(list(files), compression).take(_MOST):
        count += 1
        features = tf.train.Example.FromString(record.numpy()).features.feature
        for name, values in _numbers(features):
            columns.setdefault(name, []).extend(values)
    if not count:
        raise ExamplesError(f"{files[0] if files else 'the folder'}: there are no examples in it")
    return {name: np.array(values) for name, values in columns.items()}


def _numbers(features: Any) -> Iterator[tuple[str, Any]]:
    for name, feature in features.items():
        if feature.HasField("float_list"):
            yield name, feature.float_list.value
        elif feature.HasField("int64_list"):
            yield name, feature.int64_list.value


def _of_dataset(dataset: tf.data.Dataset) -> Any:
    """The inputs of the first batches, joined."""
    batches: list[Any] = []
    rows = 0
    for batch in dataset:
        x = batch[0] if isinstance(batch, tuple) else batch
        numpy = tf.nest.map_structure(lambda each: each.numpy(), x)
        batches.append(numpy)
        rows += len(tf.nest.flatten(numpy)[0])
        if rows >= _MOST:
            break
    if not batches:
        raise ExamplesError("the dataset is empty")
    return tf.nest.map_structure(lambda *parts: np.concatenate(parts), *batches)
