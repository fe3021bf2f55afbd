"""Typical values of a series, from its summary."""

from gradgate.contracts.summary import SeriesSummary, Sketch


def mean(series: SeriesSummary | None) -> float | None:
    """The mean of the finite values; None when there are none."""
    if series is None or not series.count:
        return None
    return series.total / series.count


def median(series: SeriesSummary | None) -> float | None:
    """The median of the finite values that are not negative, within 1 %; None without any."""
    return None if series is None else quantile(series.sketch, 0.5)


def quantile(sketch: Sketch, fraction: float) -> float | None:
    """A quantile within the sketch's relative accuracy; None when the sketch is empty.

    Negative values are left out: it is asked of norms, ratios and fractions.
    """
    total = sketch.zeros + sum(sketch.bins.values())
    if not total:
        return None
    rank, seen = fraction * (total - 1), sketch.zeros
    if seen > rank:
        return 0.0
    gamma = (1 + sketch.accuracy) / (1 - sketch.accuracy)
    last = 0.0
    for index, count in sorted((int(index), count) for index, count in sketch.bins.items()):
        seen += count
        last = 2 * gamma**index / (gamma + 1)
        if seen > rank:
            break
    return last
