"""A drawing that a report shows, and the same drawing as a file of its own.

The shapes have classes and no colours. In a report, `plots.css` colours them by the variables of
the page, light or dark; a file carries the same rules with the light values in their place, since
many programs that show SVG know no variables.
"""

import dataclasses
import functools
import html
import re
from pathlib import Path
from typing import Final, Protocol

_FOLDER = Path(__file__).parent
_VARIABLES: Final = re.compile(r"--([\w-]+):\s*([^;]+);")
_RULES: Final = re.compile(r"^\.plot (.+)$", re.MULTILINE)
_FILE_SCALE: Final = 1.5


class Sheet(Protocol):
    """What was drawn on, such as `gradgate.gate.plots.sheet.Sheet`."""

    width: float
    height: float

    def shapes(self) -> str:
        """The shapes as SVG."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Picture:
    """One drawing.

    Attributes:
        name: Of its file, without an ending.
        title: In a few words, for those who hear it read.
        is_wide: Whether it needs the whole width of a page.
    """

    name: str
    title: str
    width: float
    height: float
    shapes: str
    is_wide: bool = False

    @classmethod
    def of(cls, sheet: Sheet, *, name: str, title: str, is_wide: bool = False) -> "Picture":
        """Returns what was drawn on a sheet."""
        return cls(
            name=name,
            title=title,
            width=sheet.width,
            height=sheet.height,
            shapes=sheet.shapes(),
            is_wide=is_wide,
        )

    def renamed(self, name: str, title: str) -> "Picture":
        """The same drawing under another name and title."""
        return dataclasses.replace(self, name=name, title=title)

    def inline(self) -> str:
        """The drawing for a page that holds `plots_style()`."""
        return (
            f'<svg viewBox="0 0 {self.width:g} {self.height:g}" role="img"'
            f' aria-label="{html.escape(self.title)}">{self.shapes}</svg>'
        )

    def file(self) -> str:
        """The drawing as an SVG file, light, that needs nothing else."""
        width, height = self.width, self.height
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-12 -8 {width + 24:g}'
            f' {height + 16:g}" width="{(width + 24) * _FILE_SCALE:g}"'
            f' height="{(height + 16) * _FILE_SCALE:g}" role="img">'
            f"<title>{html.escape(self.title)}</title><style>{_light_style()}</style>"
            f'<rect class="paper" x="-12" y="-8" width="100%" height="100%"/>{self.shapes}</svg>\n'
        )


def plots_style() -> str:
    """The rules that colour drawings in a page, by its variables."""
    return (_FOLDER / "plots.css").read_text(encoding="utf-8")


@functools.lru_cache(maxsize=1)
def _light_style() -> str:
    page = (_FOLDER / "report.css").read_text(encoding="utf-8")
    light: dict[str, str] = {}
    for text in (page, plots_style()):
        light |= dict(
            _VARIABLES.findall(text[: text.index("}")])
        )  # the first block is the light one
    rules = "".join(_RULES.findall(plots_style()))
    return re.sub(r"var\(--([\w-]+)\)", lambda name: light[name[1]], rules)
