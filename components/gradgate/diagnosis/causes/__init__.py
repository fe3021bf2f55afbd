"""The causes that are looked for. A new one is a file here, a line in `ALL` and a line in docs.

Those of one stage stand in the order in which somebody should look at them.
"""

from typing import Final

from gradgate.diagnosis.causes.base import STAGES as STAGES
from gradgate.diagnosis.causes.base import Grounds as Grounds
from gradgate.diagnosis.causes.base import KnownCause as KnownCause
from gradgate.diagnosis.causes.broken_export import BROKEN_EXPORT
from gradgate.diagnosis.causes.changed_since import CHANGED_SINCE
from gradgate.diagnosis.causes.clip_too_tight import CLIP_TOO_TIGHT
from gradgate.diagnosis.causes.dead_units import DEAD_UNITS
from gradgate.diagnosis.causes.disconnected import DISCONNECTED
from gradgate.diagnosis.causes.dominant_layer import DOMINANT_LAYER
from gradgate.diagnosis.causes.drifting_sizes import DRIFTING_SIZES
from gradgate.diagnosis.causes.embedding import EMBEDDING
from gradgate.diagnosis.causes.equal_weights import EQUAL_WEIGHTS
from gradgate.diagnosis.causes.initialiser import INITIALISER
from gradgate.diagnosis.causes.input_scale import INPUT_SCALE
from gradgate.diagnosis.causes.labels_out_of_range import LABELS_OUT_OF_RANGE
from gradgate.diagnosis.causes.learning_rate_too_high import LEARNING_RATE_TOO_HIGH
from gradgate.diagnosis.causes.learning_rate_too_low import LEARNING_RATE_TOO_LOW
from gradgate.diagnosis.causes.loss_against_output import LOSS_AGAINST_OUTPUT
from gradgate.diagnosis.causes.metric_mismatch import METRIC_MISMATCH
from gradgate.diagnosis.causes.missing_normalisation import MISSING_NORMALISATION
from gradgate.diagnosis.causes.missing_values import MISSING_VALUES
from gradgate.diagnosis.causes.nothing_to_learn import NOTHING_TO_LEARN
from gradgate.diagnosis.causes.outlier_batches import OUTLIER_BATCHES
from gradgate.diagnosis.causes.overfitting import OVERFITTING
from gradgate.diagnosis.causes.precision import PRECISION
from gradgate.diagnosis.causes.recurrent_product import RECURRENT_PRODUCT
from gradgate.diagnosis.causes.saturated_units import SATURATED_UNITS
from gradgate.diagnosis.causes.saturating_depth import SATURATING_DEPTH
from gradgate.diagnosis.causes.sick_worker import SICK_WORKER
from gradgate.diagnosis.causes.small_batch_norm import SMALL_BATCH_NORM
from gradgate.diagnosis.causes.spoiled_weights import SPOILED_WEIGHTS
from gradgate.diagnosis.causes.swinging_steps import SWINGING_STEPS
from gradgate.diagnosis.causes.target_scale import TARGET_SCALE
from gradgate.diagnosis.causes.unbounded_gradients import UNBOUNDED_GRADIENTS
from gradgate.diagnosis.causes.unstable_arithmetic import UNSTABLE_ARITHMETIC
from gradgate.diagnosis.causes.vanishing_gradient import VANISHING_GRADIENT

ALL: Final[tuple[KnownCause, ...]] = (
    # What goes in.
    SICK_WORKER,
    MISSING_VALUES,
    LABELS_OUT_OF_RANGE,
    INPUT_SCALE,
    TARGET_SCALE,
    CHANGED_SINCE,
    # How it is put together.
    LOSS_AGAINST_OUTPUT,
    DISCONNECTED,
    UNSTABLE_ARITHMETIC,
    METRIC_MISMATCH,
    BROKEN_EXPORT,
    # What it is made of.
    EQUAL_WEIGHTS,
    SMALL_BATCH_NORM,
    EMBEDDING,
    RECURRENT_PRODUCT,
    INITIALISER,
    SATURATING_DEPTH,
    MISSING_NORMALISATION,
    DOMINANT_LAYER,
    # How it is trained.
    CLIP_TOO_TIGHT,
    PRECISION,
    LEARNING_RATE_TOO_HIGH,
    LEARNING_RATE_TOO_LOW,
    UNBOUNDED_GRADIENTS,
    OUTLIER_BATCHES,
    # What it looks like in the end.
    NOTHING_TO_LEARN,
    DEAD_UNITS,
    SATURATED_UNITS,
    VANISHING_GRADIENT,
    SWINGING_STEPS,
    DRIFTING_SIZES,
    OVERFITTING,
    SPOILED_WEIGHTS,
)
