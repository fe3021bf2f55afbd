"""Keeps a few examples of the latest training batch on the device, for a look at activations.

Writing them is one small scatter for each input, in place; it compiles under XLA and runs in a loop
on the device. Numbers are kept as float32, or float64 where that would not hold them: GPUs have the
kernels for these. (An integer beyond 2^53 is not kept exactly.)
"""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from gradgate.training.scope import outside_of_traces

MOST_ROWS = 16
_USUAL_BYTES = 2 << 20  # of all rows together, if more than one
_MOST_BYTES = 8 << 20
_WIDE = (tf.int32, tf.uint32, tf.int64, tf.uint64, tf.float64)


class _Kept(NamedTuple):
    structure: Any
    dtypes: tuple[tf.DType, ...]
    variables: tuple[tf.Variable, ...]  # [rows, ...]; rows of NaN were never written

    @property
    def rows(self) -> int:
        return int(self.variables[0].shape[0])


class InputKeeper:
    """Keeps rows of the inputs of the latest batch.

    Attributes:
        unavailable: Why nothing is kept; empty while something is, or may come.
    """

    def __init__(self) -> None:
        self.unavailable = ""
        self._kept: _Kept | None = None
        self._fixed_size: int | None = None

    @property
    def device_bytes(self) -> int:
        """What it holds on the device."""
        if self._kept is None:
            return 0
        return sum(v.dtype.size * int(np.prod(v.shape)) for v in self._kept.variables)

    @property
    def batch_size(self) -> int | None:
        """Examples in a batch; None where that is not fixed, and more than the rows that are kept.

        Of batches with fewer examples than that, the largest so far.
        """
        if self._fixed_size is not None:
            return self._fixed_size
        return self.examples if self._kept is not None and self.examples < self._kept.rows else None

    @property
    def examples(self) -> int:
        """How many different examples `rows` gives."""
        return len(self._written())

    def keep(self, x: Any) -> None:
        """Adds what keeps the first rows of a batch to the step that is being traced.

        Args:
            x: Inputs of the model: numeric tensors [batch, ...] in any structure. The first call
                decides how many rows are kept, and of which shapes; inputs of other shapes, as a
                later trace may have, leave what is kept as it is.
        """
        if self.unavailable or not _is_first_replica():
            return
        tensors = [
            tf.convert_to_tensor(leaf) if isinstance(leaf, np.ndarray) else leaf
            for leaf in tf.nest.flatten(x)
        ]
        self.unavailable = _why_not(tensors)
        if self.unavailable:
            return
        if self._kept is None:
            self._kept = _make(tf.nest.map_structure(lambda _: 0, x), tensors)
            self._fixed_size = tensors[0].shape[0]
        kept = self._kept
        shapes = [tensor.shape[1:] for tensor in tensors]
        if shapes != [variable.shape[1:] for variable in kept.variables]:
            return
        for tensor, variable in zip(tensors, kept.variables, strict=True):
            head = tf.cast(tensor[: kept.rows], variable.dtype)
            # A batch with fewer rows leaves the others as they are, an empty one all of them.
            tf.raw_ops.ResourceScatterUpdate(
                resource=variable.handle, indices=tf.range(tf.shape(head)[0]), updates=head
            )

    def rows(self) -> Any:
        """Returns the rows, as NumPy arrays in the structure of the inputs; None if none are kept.

        Always the same number: where batches have fewer, some of theirs are repeated.
        """
        written = self._written()
        if self._kept is None or not len(written):
            return None
        arrays = [variable.numpy() for variable in self._kept.variables]
        chosen = np.resize(written, self._kept.rows)
        return tf.nest.pack_sequence_as(
            self._kept.structure,
            [
                array[chosen].astype(dtype.as_numpy_dtype)
                for array, dtype in zip(arrays, self._kept.dtypes, strict=True)
            ],
        )

    def _written(self) -> np.ndarray:
        """The rows that were ever written: not all of their inputs are NaN."""
        kept = () if self._kept is None else self._kept.variables
        arrays = [variable.numpy() for variable in kept]
        has_numbers = [~np.isnan(array).reshape(len(array), -1).all(axis=1) for array in arrays]
        return np.flatnonzero(np.logical_or.reduce(has_numbers))


def _make(structure: Any, tensors: list[tf.Tensor]) -> _Kept:
    dtypes = [tf.float64 if tensor.dtype in _WIDE else tf.float32 for tensor in tensors]
    rows = max(1, min(MOST_ROWS, _USUAL_BYTES // max(1, _row_bytes(tensors))))
    batch = tensors[0].shape[0]
    rows = min(rows, batch) if batch else rows
    variables = outside_of_traces(
        lambda: tuple(
            tf.Variable(
                tf.fill([rows, *tensor.shape[1:]], tf.constant(np.nan, dtype)), trainable=False
            )
            for tensor, dtype in zip(tensors, dtypes, strict=True)
        )
    )
    return _Kept(structure, tuple(tensor.dtype for tensor in tensors), variables)


def _row_bytes(tensors: list[tf.Tensor]) -> int:
    return sum(
        int(np.prod(tensor.shape[1:])) * (8 if tensor.dtype in _WIDE else 4) for tensor in tensors
    )


def _why_not(leaves: list[Any]) -> str:
    if not leaves:
        return "the model has no inputs"
    for leaf in leaves:
        if not isinstance(leaf, tf.Tensor):
            return f"an input is a {type(leaf).__name__}, not a dense tensor"
        if not (leaf.dtype.is_floating or leaf.dtype.is_integer or leaf.dtype.is_bool):
            return f"an input is of {leaf.dtype.name}, which is no number"
        if leaf.shape.rank is None or leaf.shape.rank == 0 or None in leaf.shape[1:].as_list():
            return f"the shape of an input is not known beforehand: {leaf.shape}"
    size = _row_bytes(leaves)
    if size > _MOST_BYTES:
        return f"one example is {size:,} bytes, more than the {_MOST_BYTES:,} that are kept"
    return ""


def _is_first_replica() -> bool:
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return True
    return tf.get_static_value(context.replica_id_in_sync_group) == 0
