"""Real data that scikit-learn ships: tumours (a table), digits (images), diabetes (numbers)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits

Arrays = tuple[NDArray[Any], NDArray[Any]]


def tumours() -> Arrays:
    """569 rows of 30 measurements, from 0 to 4254 in their own units; labels 0 and 1."""
    x, y = load_breast_cancer(return_X_y=True)
    return x.astype(np.float32), y.astype(np.float32)


def digits() -> Arrays:
    """1797 images of 8 x 8 pixels as rows of 64, from 0 to 1; labels 0 to 9."""
    x, y = load_digits(return_X_y=True)
    return (x / 16).astype(np.float32), y


def tokens() -> Arrays:
    """The digits as text would come: 64 tokens from 0 to 16 a row; labels 0 to 9."""
    x, y = load_digits(return_X_y=True)
    return x.astype(np.int32), y


def diabetes() -> Arrays:
    """442 rows of 10 standardised measurements; labels are 25 to 346."""
    x, y = load_diabetes(return_X_y=True)
    return (x * 20).astype(np.float32), y.astype(np.float32)
