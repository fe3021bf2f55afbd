"""Which charts TensorBoard's Custom Scalars page shows, and what is drawn together in each.

The first group tells the run, the second the variables: one chart a statistic and kind of variable
(kernels, biases), since those have one order of magnitude. Norms and ratios are logarithms there:
on a linear axis the layer that explodes would flatten the one that vanishes. Made without
TensorFlow, which TensorBoard's own function for it would import.
"""

import re
from collections.abc import Iterable

from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.custom_scalar import layout_pb2, metadata
from tensorboard.util.tensor_util import make_tensor_proto

from gradgate.contracts import ModelCard
from gradgate.telemetry.sinks.tensorboard_run import CLIP_RATE, NONFINITE, SKIPPED

_RUN = {
    "Loss": ["loss"],
    "Global norm before and after the clips": ["global_norm", "clipped_norm"],
    "Clip rate of the last 100 steps": [CLIP_RATE],
    "Clip scale": ["clip_scale"],
    "Steps not finite, and steps not applied, so far": [NONFINITE, SKIPPED],
}
_VARIABLES = {
    "Gradient norm, log10": "gradient_norm_log10",
    "Update-to-weight ratio, log10": "update_ratio_log10",
    "Gradient entries that are exactly 0": "gradient_zero_fraction",
}
_ACTIVATIONS = {
    "Dead units": "activation_dead_fraction",
    "Saturated outputs": "activation_saturated_fraction",
}
_MOST_KINDS = 6


def layout(card: ModelCard) -> Summary:
    """Returns the event that lays out the charts of one training."""
    run = [_chart(title, [f"^gradgate/{name}$" for name in names]) for title, names in _RUN.items()]
    charts = [
        _chart(f"{title}: {kind or 'all variables'}", [f"^{section}/{pattern}"])
        for title, section in _VARIABLES.items()
        for kind, pattern in _kinds(variable.path for variable in card.variables)
    ]
    if card.activations:
        charts += [_chart(title, [f"^{section}/"]) for title, section in _ACTIVATIONS.items()]
    categories = [
        layout_pb2.Category(title="Training health: the run", chart=run),
        layout_pb2.Category(title="Training health: layer by layer", chart=charts),
    ]
    document = layout_pb2.Layout(version=0, category=categories)
    summary = Summary()
    summary.value.add(
        tag=metadata.CONFIG_SUMMARY_TAG,
        metadata=metadata.create_summary_metadata(),
        tensor=make_tensor_proto(document.SerializeToString()),
    )
    return summary


def _kinds(paths: Iterable[str]) -> list[tuple[str, str]]:
    """Name and pattern of each kind of variable; one for all if there are very many kinds."""
    kinds = dict.fromkeys(path.rpartition("/")[2] for path in paths)
    if len(kinds) > _MOST_KINDS:
        return [("", "")]
    return [(kind, f"(.*/)?{re.escape(kind)}$") for kind in kinds]


def _chart(title: str, patterns: list[str]) -> layout_pb2.Chart:
    content = layout_pb2.MultilineChartContent(tag=patterns)
    return layout_pb2.Chart(title=title, multiline=content)
