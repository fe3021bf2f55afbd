"""Pure TensorFlow: gradients in; gradients and numbers out. No Keras, no state, no files."""

from gradgate.gradients.chain import Chain as Chain
from gradgate.gradients.clip_by_global_norm import ClipByGlobalNorm as ClipByGlobalNorm
from gradgate.gradients.clip_by_norm import ClipByNorm as ClipByNorm
from gradgate.gradients.clip_by_value import ClipByValue as ClipByValue
from gradgate.gradients.config import CLIPS as CLIPS
from gradgate.gradients.config import clip_from_config as clip_from_config
from gradgate.gradients.config import clip_to_config as clip_to_config
from gradgate.gradients.histogram import histograms_of as histograms_of
from gradgate.gradients.norms import Norms as Norms
from gradgate.gradients.norms import norms_of as norms_of
from gradgate.gradients.report import Clip as Clip
from gradgate.gradients.report import ClipReport as ClipReport
from gradgate.gradients.sparse import sum_duplicate_rows as sum_duplicate_rows
from gradgate.gradients.statistics import Statistics as Statistics
from gradgate.gradients.statistics import statistics_of as statistics_of
