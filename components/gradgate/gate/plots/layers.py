"""Variables put together to layers: what a person looks for in a picture."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from gradgate.contracts import ModelCard
from gradgate.gate.render.clean import clean_text


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layers:
    """The layers whose variables have a gradient, the first of the forward pass first.

    Attributes:
        paths: Their full paths.
        names: The same without the model's name, fit to be shown.
        order: The variables to look at, those of one layer side by side.
        starts: Where in `order` each layer begins.
        is_by_depth: Whether the order is that of the forward pass, and not of the variables.
    """

    paths: tuple[str, ...]
    names: tuple[str, ...]
    order: NDArray[np.int64]
    starts: NDArray[np.int64]
    is_by_depth: bool

    def __len__(self) -> int:
        return len(self.paths)

    def root_of_squares(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """L2 norms of layers [n, layers] from those of variables [n, v]; NaN and inf stay."""
        squares = values[:, self.order] ** 2
        return np.asarray(np.sqrt(np.add.reduceat(squares, self.starts, axis=1)))


def layers_of(card: ModelCard) -> Layers:
    """Returns the layers of a model."""
    groups: dict[str, list[int]] = {}
    for i, variable in enumerate(card.variables):
        if variable.has_gradient:
            groups.setdefault(layer_path(variable.path), []).append(i)
    depths = {
        path: min((d for i in group if (d := card.variables[i].depth) is not None), default=None)
        for path, group in groups.items()
    }
    is_by_depth = None not in depths.values()
    paths = list(groups)
    if is_by_depth:
        paths.sort(key=lambda path: (depths[path], groups[path][0]))
    sizes = [len(groups[path]) for path in paths]
    prefix = f"{card.model_name}/"
    return Layers(
        paths=tuple(paths),
        names=tuple(clean_text(path.removeprefix(prefix)) or "?" for path in paths),
        order=np.array([i for path in paths for i in groups[path]], np.int64),
        starts=np.cumsum([0, *sizes[:-1]], dtype=np.int64) if sizes else np.zeros(0, np.int64),
        is_by_depth=is_by_depth,
    )


def layer_path(path: str) -> str:
    """The layer that a variable's path lies in; a path of one part is its own layer."""
    return path.rpartition("/")[0] or path
