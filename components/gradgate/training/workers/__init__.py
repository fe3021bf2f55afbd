"""Watches the other processes of a training, so that one that is lost ends it with its name."""

from gradgate.training.workers.limits import LOST as LOST
from gradgate.training.workers.limits import WatchLimits as WatchLimits
from gradgate.training.workers.peers import Bye as Bye
from gradgate.training.workers.watch import Watch as Watch
from gradgate.training.workers.watch import begin_watch as begin_watch
