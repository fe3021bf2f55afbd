"""The colours of a heat map: even steps to the eye, darker is less, blue to yellow.

Computed for this purpose: a straight path of lightness and hue in OKLCH (Ottosson 2020,
https://bottosson.github.io/posts/oklab/), with so little chroma that it stays even, and its
lightness rising, for people who do not see red, green or blue. A test holds it to that.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

ANCHORS: Final = (
    "#220852", "#201b62", "#192c6f", "#0e3d77", "#094d7a", "#105d7e", "#156c84", "#1a7c89",
    "#1e8c8e", "#219c91", "#31ab8f", "#4fb98c", "#71c488", "#92cf84", "#b2d983", "#d1e284",
    "#efea88",
)  # fmt: skip
LEVELS: Final = 33
"""Shades that are told apart in a drawing: the anchors, and one between each two."""


def _shades() -> tuple[str, ...]:
    known = np.array([[int(text[i : i + 2], 16) for i in (1, 3, 5)] for text in ANCHORS])
    at = np.linspace(0, len(ANCHORS) - 1, LEVELS)
    mixed = [np.interp(at, range(len(ANCHORS)), known[:, i]) for i in range(3)]
    return tuple(
        "#{:02x}{:02x}{:02x}".format(*rgb) for rgb in np.stack(mixed, 1).round().astype(int)
    )


SHADES: Final = _shades()
"""The colour of each level, the least first."""


def level(share: NDArray[np.float64]) -> NDArray[np.int64]:
    """The level of each share in [0, 1]; what lies outside has the level of the nearer end."""
    clipped = np.clip(share, 0.0, 1.0)
    return np.asarray(np.round(clipped * (LEVELS - 1)), dtype=np.int64)
