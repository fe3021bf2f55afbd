"""The closed catalogue of signals. A new one is a file here and a line in `CATALOGUE`."""

from collections.abc import Mapping
from typing import Final

from gradgate.gate.signals.answers import ANSWERS_CONSTANT, ANSWERS_NONFINITE
from gradgate.gate.signals.base import Column as Column
from gradgate.gate.signals.base import Facts as Facts
from gradgate.gate.signals.base import FactSignal as FactSignal
from gradgate.gate.signals.base import Samples as Samples
from gradgate.gate.signals.base import Signal as Signal
from gradgate.gate.signals.base import StepSignal as StepSignal
from gradgate.gate.signals.base import Unmeasured as Unmeasured
from gradgate.gate.signals.base import columns_called as columns_called
from gradgate.gate.signals.base import per_layer as per_layer
from gradgate.gate.signals.base import per_replica as per_replica
from gradgate.gate.signals.base import per_variable as per_variable
from gradgate.gate.signals.clip import CLIP_SATURATION, CLIP_SCALE
from gradgate.gate.signals.depth import GRADIENT_FIRST_LAST_RATIO
from gradgate.gate.signals.direction import (
    GRADIENT_COSINE,
    GRADIENT_DIRECTION_FLIP,
    VARIABLE_COSINE,
    VARIABLE_DIRECTION_FLIP,
)
from gradgate.gate.signals.epochs import (
    EPOCH_LOSS_AGREEMENT,
    EPOCH_METRIC_SWINGS,
    EPOCH_OVERFIT,
)
from gradgate.gate.signals.gradients import (
    GRADIENT_GLOBAL_NORM,
    GRADIENT_NONFINITE,
    GRADIENT_NONFINITE_APPLIED,
    GRADIENT_NONFINITE_SKIPPED,
    VARIABLE_NORM,
    VARIABLE_NORM_SHARE,
)
from gradgate.gate.signals.layers import (
    ACTIVATION_DEAD_FRACTION,
    ACTIVATION_SATURATED_FRACTION,
    ACTIVATION_SPREAD_RATIO,
)
from gradgate.gate.signals.loss import (
    LOSS,
    LOSS_NONFINITE,
    LOSS_NONFINITE_APPLIED,
    LOSS_VS_CONSTANT,
)
from gradgate.gate.signals.loss_scale import LOSS_SCALE_SKIPPED, LOSS_SCALE_VALUE
from gradgate.gate.signals.replicas import REPLICA_LOSS_RATIO, REPLICA_NONFINITE
from gradgate.gate.signals.spikes import GRADIENT_SPIKE, GRADIENT_SPIKE_SCORE, LOSS_SPIKE
from gradgate.gate.signals.steps import STEP_SKIPPED
from gradgate.gate.signals.unused import MODEL_UNUSED_FRACTION, VARIABLE_UNUSED
from gradgate.gate.signals.updates import (
    VARIABLE_ADAM_RMS,
    VARIABLE_UPDATE_RATIO,
    VARIABLE_WEIGHT_GROWTH,
    VARIABLE_WEIGHT_NORM,
)
from gradgate.gate.signals.variables import (
    VARIABLE_MAX_ABS,
    VARIABLE_MEAN_ABS,
    VARIABLE_ZERO_FRACTION,
)
from gradgate.gate.signals.weights import WEIGHTS_CONSTANT, WEIGHTS_NONFINITE

# In the order from cause to symptom: of findings that weigh the same, the earlier stands first.
ALL: Final[tuple[Signal, ...]] = (
    GRADIENT_NONFINITE_APPLIED,
    LOSS_NONFINITE_APPLIED,
    GRADIENT_NONFINITE,
    LOSS_NONFINITE,
    WEIGHTS_NONFINITE,
    ANSWERS_NONFINITE,
    GRADIENT_NONFINITE_SKIPPED,
    STEP_SKIPPED,
    LOSS_SCALE_SKIPPED,
    LOSS_SCALE_VALUE,
    LOSS,
    LOSS_VS_CONSTANT,
    ANSWERS_CONSTANT,
    EPOCH_LOSS_AGREEMENT,
    EPOCH_OVERFIT,
    LOSS_SPIKE,
    CLIP_SATURATION,
    CLIP_SCALE,
    VARIABLE_NORM,
    VARIABLE_NORM_SHARE,
    GRADIENT_GLOBAL_NORM,
    GRADIENT_SPIKE,
    GRADIENT_SPIKE_SCORE,
    REPLICA_NONFINITE,
    REPLICA_LOSS_RATIO,
    VARIABLE_ADAM_RMS,
    VARIABLE_UPDATE_RATIO,
    VARIABLE_WEIGHT_NORM,
    VARIABLE_WEIGHT_GROWTH,
    GRADIENT_DIRECTION_FLIP,
    GRADIENT_COSINE,
    VARIABLE_DIRECTION_FLIP,
    VARIABLE_COSINE,
    EPOCH_METRIC_SWINGS,
    ACTIVATION_DEAD_FRACTION,
    ACTIVATION_SATURATED_FRACTION,
    ACTIVATION_SPREAD_RATIO,
    GRADIENT_FIRST_LAST_RATIO,
    VARIABLE_MAX_ABS,
    VARIABLE_MEAN_ABS,
    VARIABLE_ZERO_FRACTION,
    MODEL_UNUSED_FRACTION,
    VARIABLE_UNUSED,
    WEIGHTS_CONSTANT,
)
CATALOGUE: Final[Mapping[str, Signal]] = {signal.name: signal for signal in ALL}
RANK: Final[Mapping[str, int]] = {signal.name: rank for rank, signal in enumerate(ALL)}
