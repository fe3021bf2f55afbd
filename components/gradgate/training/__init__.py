"""The instrumented step: one call lets every training step be measured, clipped and recorded."""

from gradgate.training.context import TrainingContext as TrainingContext
from gradgate.training.guard import Guard as Guard
from gradgate.training.instrument import UNSET as UNSET
from gradgate.training.instrument import instrument as instrument
from gradgate.training.seed import reproducible as reproducible
from gradgate.training.settings import GuardSettings as GuardSettings
from gradgate.training.workers import WatchLimits as WatchLimits
