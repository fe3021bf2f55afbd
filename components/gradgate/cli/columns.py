"""Rows of words in columns, for a terminal: no colours, no boxes, no end of line cut off."""

from collections.abc import Sequence

from gradgate.gate.render.clean import clean_text


def in_columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Returns each row as a line; all columns but the last are as wide as their widest word."""
    shown = [[clean_text(cell) for cell in row] for row in rows]
    if not shown:
        return []
    widths = [max(len(row[place]) for row in shown) for place in range(len(shown[0]) - 1)]
    return [_line(row, widths) for row in shown]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [f"{cell:<{width}}" for cell, width in zip(row[:-1], widths, strict=True)]
    return "  ".join([*cells, row[-1]]).rstrip()
