"""How the steps of a record come before those who watch them: in this process, or on Beam.

An engine shows every step to every watcher, once. What is seen does not depend on the engine, to
the last bit; `beam` alone imports Beam.
"""

from gradgate.gate.engines.base import Engine as Engine
from gradgate.gate.engines.base import Watcher as Watcher
from gradgate.gate.engines.base import show_all as show_all
from gradgate.gate.engines.in_process import in_process as in_process
