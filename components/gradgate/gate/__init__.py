"""The gate: `judge` is pure and light; `integrity` reads bytes; `render` makes them readable.

Nothing here imports TensorFlow, TFX or MLflow, or knows where a record came from.
"""

from gradgate.gate.baseline.baselines import Baselines as Baselines
from gradgate.gate.baseline.folder import keep_baseline as keep_baseline
from gradgate.gate.baseline.folder import read_baselines as read_baselines
from gradgate.gate.evidence import Evidence as Evidence
from gradgate.gate.evidence import RecordProblem as RecordProblem
from gradgate.gate.integrity.model import ModelCheck as ModelCheck
from gradgate.gate.integrity.model import check_model as check_model
from gradgate.gate.judge import judge as judge
from gradgate.gate.load_policy import load_policy as load_policy
from gradgate.gate.load_policy import policy_digest as policy_digest
from gradgate.gate.load_policy import read_policy as read_policy
from gradgate.gate.load_waivers import load_waivers as load_waivers
from gradgate.gate.load_waivers import read_waivers as read_waivers
from gradgate.gate.policy_error import PolicyError as PolicyError
from gradgate.gate.verdicts import blocked_verdict as blocked_verdict
