"""A step of a recorded training, taken once more: to see what was born there, and where.

Nothing of it runs in a training. It needs a record, the program that made it and, where there are
any, its checkpoints.
"""

from gradgate.training.replaying.errors import ReplayError as ReplayError
from gradgate.training.replaying.program import Program as Program
from gradgate.training.replaying.program import program_of as program_of
from gradgate.training.replaying.replay import Replayed as Replayed
from gradgate.training.replaying.replay import replay_step as replay_step
