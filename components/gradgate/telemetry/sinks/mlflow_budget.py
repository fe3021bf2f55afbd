"""Which series a run gets, and how many points each: a page that opens, a store that stays small.

The series of the run come first. What they leave is shared out among the variables: with many
variables, evenly spaced ones get series, and with few points to share, fewer of them do, since a
series of a handful of points says nothing. It depends on nothing but the model card and the
settings, so it is the same while the training runs, when it is over, and when it is sent again.
"""

import dataclasses
import re

from gradgate.contracts import ModelCard, Tracking

FEWEST = 64
"""Points below which a series is left out rather than made shorter."""
VARIABLE_SECTIONS = {
    "mean_abs": "grad_mean_abs_log10",
    "max_abs": "grad_max_abs_log10",
    "zero_fraction": "grad_zero_fraction",
    "update_ratio": "update_ratio_log10",
    "data_mean_abs": "grad_data_mean_abs_log10",
    "cosine": "grad_cosine",
}
"""Sampled statistics by the section of their charts; the norms of every step are one more."""
LAYER_SECTIONS = ("dead_fraction", "saturated_fraction")
ROLLING = 100
QUANTILES = {"p00": 0.0, "p50": 0.5, "p100": 1.0}
_FORBIDDEN = re.compile(r"[^A-Za-z0-9_.\-]+")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Budget:
    """What is shown of one training.

    Attributes:
        run_keys: Series of the run, in the order of their values.
        run_points: Most points of each.
        sections: Statistics of variables that have series: keys of `VARIABLE_SECTIONS`.
        variables, layers: Indices of those that have series.
        points: Most points of each of their series.
    """

    run_keys: tuple[str, ...]
    run_points: int
    sections: tuple[str, ...]
    variables: tuple[int, ...]
    layers: tuple[int, ...]
    points: int

    def __str__(self) -> str:
        series = len(self.run_keys) + self._more(len(self.variables), len(self.layers))
        return (
            f"{series} series, of {len(self.variables)} variables and {len(self.layers)} layers;"
            f" at most {self.run_points} points a series of the run, {self.points} of a variable"
        )

    def _more(self, variables: int, layers: int) -> int:
        return variables * (1 + len(self.sections)) + layers * len(LAYER_SECTIONS)


def share_out(card: ModelCard, tracking: Tracking) -> Budget:
    """Returns which series there are, and how many points each may have."""
    keys = _run_keys(card)
    run_points = max(min(tracking.series_points, tracking.total_points // (2 * len(keys))), FEWEST)
    rest = tracking.total_points - run_points * len(keys)
    candidates = [i for i, variable in enumerate(card.variables) if variable.has_gradient]
    sections = tuple(
        name for name in VARIABLE_SECTIONS if name != "data_mean_abs" or card.data_loss_gradient
    )
    sections = sections if card.statistics_every else ()
    budget = Budget(
        run_keys=keys,
        run_points=run_points,
        sections=sections,
        variables=(),
        layers=(),
        points=FEWEST,
    )
    room = min(tracking.most_series - len(keys), rest // FEWEST)
    many = min(tracking.layers, max(len(candidates), len(card.activations)))
    while budget._more(min(many, len(candidates)), min(many, len(card.activations))) > room:
        many -= 1
    variables = tuple(candidates[pick] for pick in spread(len(candidates), many))
    layers = tuple(spread(len(card.activations), many))
    series = budget._more(len(variables), len(layers))
    return dataclasses.replace(
        budget,
        variables=variables,
        layers=layers,
        points=min(tracking.series_points, rest // max(series, 1)),
    )


def variable_keys(section: str, card: ModelCard, chosen: tuple[int, ...]) -> list[str]:
    """Names of the series of some variables, in the order of the model."""
    width = max(2, len(str(len(card.variables) - 1)))
    return [f"{section}/{i:0{width}d}_{_short(card.variables[i].path)}" for i in chosen]


def layer_keys(section: str, card: ModelCard, chosen: tuple[int, ...]) -> list[str]:
    """Names of the series of the activations of some layers."""
    width = max(2, len(str(len(card.activations) - 1)))
    return [f"{section}/{i:0{width}d}_{_short(card.activations[i].layer)}" for i in chosen]


def spread(count: int, most: int) -> list[int]:
    """At most so many of `count` positions, evenly spaced, first and last among them."""
    if count <= most:
        return list(range(count))
    if most < 2:
        return list(range(most))
    return [round(i * (count - 1) / (most - 1)) for i in range(most)]


def _run_keys(card: ModelCard) -> tuple[str, ...]:
    keys = [
        "grad/global_norm",
        "grad/global_norm_clipped",
        "grad/clip_scale",
        f"grad/clip_rate_last_{ROLLING}",
        "grad/nonfinite_variables",
        "grad/nonfinite_steps_total",
        "grad/skipped_steps_total",
        *(f"grad/variable_l2_log10_{name}" for name in QUANTILES),
    ]
    if card.loss_measured:
        keys += ["train/loss", "train/nonfinite_loss_steps_total"]
    if card.loss_scaled:
        keys += ["grad/loss_scale", "grad/loss_scale_skips_total"]
    return (*keys, "grad/cosine") if card.statistics_every else tuple(keys)


def _short(path: str) -> str:
    """The path without the model's name, in the letters that MLflow allows, at most 60."""
    tail = path.split("/", 1)[-1]
    return _FORBIDDEN.sub("_", tail.replace("/", "."))[-60:]
