"""What TFX knows of the numbers that a model is fed: statistics, or what lies beside a graph."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from gradgate.contracts import InputCard, LayerCard

_STATISTICS: Final = "FeatureStats.pb"
_BESIDE: Final = ("post_transform_stats", "transformed_examples")


class StatisticsUnreadError(Exception):
    """Statistics that cannot be read in this environment; the message says what to do."""


def beside_graph(path: Path) -> Path:
    """Returns where the numbers are that a Transform graph gives out; any other path as it is.

    Transform writes `transform_graph/N`, and beside it `post_transform_stats/N` (unless it is told
    `disable_statistics`) and `transformed_examples/N`, of the same run.

    Raises:
        FileNotFoundError: If neither is there: a graph by itself holds no numbers.
    """
    if not (path / "transform_fn").is_dir():
        return path
    found = [path.parents[1] / kind / path.name for kind in _BESIDE]
    there = next((each for each in found if each.is_dir()), None)
    if there is None:
        raise FileNotFoundError(
            f"{path}: a Transform graph, and neither {found[0]} nor {found[1]} is there to tell"
            " what it gives out; give --data examples as the model takes them"
        )
    return there


def statistics_in(path: Path) -> Path | None:
    """Returns the file of statistics in a folder, of the training split first; None without one."""
    if path.name == _STATISTICS:
        return path
    found = sorted(path.rglob(_STATISTICS)) if path.is_dir() else []
    return next(
        (each for each in found if each.parent.name == "Split-train"), next(iter(found), None)
    )


def inputs_by_statistics(
    file: Path, layers: Sequence[LayerCard], *, source: str
) -> tuple[InputCard, ...]:
    """Returns a card for each feature with numbers; of those that are inputs, if some are.

    Args:
        file: A `DatasetFeatureStatisticsList` of TensorFlow Data Validation.
        layers: Of the model's card.
        source: What was looked at, in words.

    Raises:
        StatisticsUnreadError: If the package that knows their form is not installed.
    """
    try:
        from tensorflow_metadata.proto.v0 import statistics_pb2
    except ImportError:
        raise StatisticsUnreadError(
            f"{file}: statistics of TFX are read by the package tensorflow-metadata, which is not"
            " installed; install gradgate[tfx], or give --data examples"
        ) from None

    told = statistics_pb2.DatasetFeatureStatisticsList()
    told.ParseFromString(file.read_bytes())
    places = {layer.name: at for at, layer in enumerate(layers) if layer.kind == "InputLayer"}
    cards: list[InputCard] = []
    for dataset in told.datasets[:1]:
        features = [f for f in dataset.features if f.HasField("num_stats")]
        named = [f for f in features if _name(f) in places]
        only = next(iter(places.values())) if len(places) == 1 else None
        for feature in named or features:
            name, numbers = _name(feature), feature.num_stats
            cards.append(
                InputCard(
                    name=name,
                    layer=places.get(name, only),
                    examples=int(dataset.num_examples),
                    mean=numbers.mean,
                    std=numbers.std_dev,
                    low=numbers.min,
                    high=numbers.max,
                    nonfinite=max((int(h.num_nan) for h in numbers.histograms), default=0),
                    source=source,
                )
            )
    return tuple(cards)


def _name(feature: Any) -> str:
    return ".".join(feature.path.step) or str(feature.name)
