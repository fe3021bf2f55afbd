"""A drawing as SVG that needs nothing from outside: shapes with a class, which the style colours.

No colour of the page stands here, so the same drawing is light or dark, on a screen or on paper.
Every number must be finite, and every text is escaped.
"""

import html
import math
from collections.abc import Iterable, Sequence
from typing import Final

CHARACTER: Final = 0.54
"""Mean width of a letter of a sans-serif face, over its size; of a fixed pitch it is 0.6."""


class Sheet:
    """Collects shapes; all places are in units of the view box, from the upper left corner."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self._parts: list[str] = []

    def line(self, kind: str, x1: float, y1: float, x2: float, y2: float) -> None:
        """A straight line."""
        self.path(kind, f"M{fixed(x1)} {fixed(y1)}L{fixed(x2)} {fixed(y2)}")

    def path(self, kind: str, data: str, extra: str = "") -> None:
        """A path from its data, as `fixed` wrote the numbers in it."""
        self._parts.append(f'<path class="{kind}"{extra} d="{data}"/>')

    def rect(
        self, kind: str, x: float, y: float, width: float, height: float, about: str = ""
    ) -> None:
        """A rectangle; `about` is shown when the pointer rests on it."""
        place = " ".join(
            f'{name}="{fixed(value)}"'
            for name, value in (("x", x), ("y", y), ("width", width), ("height", height))
        )
        end = f"><title>{html.escape(about)}</title></rect>" if about else "/>"
        self._parts.append(f'<rect class="{kind}" {place}{end}')

    def text(self, kind: str, x: float, y: float, text: str, *, end: str = "start") -> None:
        """A line of text that begins, is centred (`middle`) or ends (`end`) at x."""
        anchor = "" if end == "start" else f' text-anchor="{end}"'
        self._parts.append(
            f'<text class="{kind}" x="{fixed(x)}" y="{fixed(y)}"{anchor}>{html.escape(text)}</text>'
        )

    def crosses(self, kind: str, places: Iterable[tuple[float, float]], size: float = 6) -> None:
        """Crosses around the places, as one shape."""
        half, whole = fixed(size / 2), fixed(size)
        one = f"m-{half} -{half}l{whole} {whole}m0 -{whole}l-{whole} {whole}"
        data = "".join(f"M{fixed(x)} {fixed(y)}{one}" for x, y in places)
        if data:
            self.path(kind, data)

    def dots(self, kind: str, places: Iterable[tuple[float, float]]) -> None:
        """Dots, as one shape."""
        data = "".join(f"M{fixed(x)} {fixed(y)}h0" for x, y in places)
        if data:
            self.path(kind, data)

    def polyline(self, kind: str, places: Sequence[tuple[float, float]]) -> None:
        """A line through the places, two at least."""
        if len(places) > 1:
            self.path(kind, "M" + "L".join(f"{fixed(x)} {fixed(y)}" for x, y in places))

    def area(self, kind: str, places: Sequence[tuple[float, float]]) -> None:
        """What a line through the places encloses."""
        if len(places) > 2:
            self.path(kind, "M" + "L".join(f"{fixed(x)} {fixed(y)}" for x, y in places) + "Z")

    def shapes(self) -> str:
        """All that was drawn."""
        return "".join(self._parts)


def fixed(value: float) -> str:
    """A place with one digit.

    Raises:
        ValueError: If it is not finite: a browser would leave the whole shape out.
    """
    if not math.isfinite(value):
        raise ValueError(f"a place in a drawing must be finite, got {value}")
    text = f"{value:.1f}"
    return "0" if text == "-0.0" else text.removesuffix(".0")


def cut(text: str, most: int) -> str:
    """The text with its middle left out, if it has more than so many letters."""
    if len(text) <= most:
        return text
    head = (most - 1) // 2
    return f"{text[:head]}\u2026{text[len(text) - (most - 1 - head) :]}"
