"""Whole numbers in the order of floats, so that a range of floats can be halved exactly."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from gradgate.gate.evidence import Float64s

Keys = NDArray[np.uint64]

_SIGN: Final = np.uint64(1 << 63)
LAST: Final = np.uint64((1 << 64) - 1)


def keys_of(values: Float64s) -> Keys:
    """A key for each value, greater where the value is. Values are finite, zeros without sign."""
    bits = values.view(np.uint64)
    return np.where(bits >= _SIGN, ~bits, bits | _SIGN)


def values_of(keys: Keys) -> Float64s:
    """The values that have these keys."""
    bits = np.where(keys >= _SIGN, keys & ~_SIGN, ~keys)
    return bits.view(np.float64)
