"""Pure TensorFlow: gradients in; gradients and numbers out. No Keras, no variables, no files."""

from gradgate.gradients.ada_gc import AdaGC as AdaGC
from gradgate.gradients.adaptive_gradient_clip import AdaptiveGradientClip as AdaptiveGradientClip
from gradgate.gradients.auto_clip import AutoClip as AutoClip
from gradgate.gradients.centralize import Centralize as Centralize
from gradgate.gradients.chain import Chain as Chain
from gradgate.gradients.clip_by_global_norm import ClipByGlobalNorm as ClipByGlobalNorm
from gradgate.gradients.clip_by_norm import ClipByNorm as ClipByNorm
from gradgate.gradients.clip_by_value import ClipByValue as ClipByValue
from gradgate.gradients.config import CLIPS as CLIPS
from gradgate.gradients.config import clip_from_config as clip_from_config
from gradgate.gradients.config import clip_to_config as clip_to_config
from gradgate.gradients.histogram import histograms_of as histograms_of
from gradgate.gradients.normalize_by_global_norm import (
    NormalizeByGlobalNorm as NormalizeByGlobalNorm,
)
from gradgate.gradients.normalize_by_norm import NormalizeByNorm as NormalizeByNorm
from gradgate.gradients.norms import Norms as Norms
from gradgate.gradients.norms import norms_of as norms_of
from gradgate.gradients.report import NO_CONTEXT as NO_CONTEXT
from gradgate.gradients.report import Clip as Clip
from gradgate.gradients.report import ClipReport as ClipReport
from gradgate.gradients.report import Context as Context
from gradgate.gradients.report import Stage as Stage
from gradgate.gradients.report import Weight as Weight
from gradgate.gradients.sketch import sketches_of as sketches_of
from gradgate.gradients.sparse import sum_duplicate_rows as sum_duplicate_rows
from gradgate.gradients.statistics import Statistics as Statistics
from gradgate.gradients.statistics import statistics_of as statistics_of
from gradgate.gradients.units import unit_axes as unit_axes
from gradgate.gradients.z_clip import ZClip as ZClip
