"""gradgate: no model whose training was numerically unhealthy is ever pushed.

The public names load on first use, so that `import gradgate` costs milliseconds and the judge
never pays for TensorFlow or TFX.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from gradgate.contracts import Tracking as Tracking
    from gradgate.gradients import AdaGC as AdaGC
    from gradgate.gradients import AdaptiveGradientClip as AdaptiveGradientClip
    from gradgate.gradients import AutoClip as AutoClip
    from gradgate.gradients import Centralize as Centralize
    from gradgate.gradients import ClipByGlobalNorm as ClipByGlobalNorm
    from gradgate.gradients import ClipByNorm as ClipByNorm
    from gradgate.gradients import ClipByValue as ClipByValue
    from gradgate.gradients import NormalizeByGlobalNorm as NormalizeByGlobalNorm
    from gradgate.gradients import NormalizeByNorm as NormalizeByNorm
    from gradgate.gradients import ZClip as ZClip
    from gradgate.tfx.artifacts import GradientHealth as GradientHealth
    from gradgate.tfx.artifacts import TrainingHealthVerdict as TrainingHealthVerdict
    from gradgate.tfx.fail_if_blocked.component import FailIfBlocked as FailIfBlocked
    from gradgate.tfx.gate.component import GradientGate as GradientGate
    from gradgate.tfx.pusher.component import VerifyingPusher as VerifyingPusher
    from gradgate.tfx.trainer.component import Trainer as Trainer
    from gradgate.training import Guard as Guard
    from gradgate.training import GuardSettings as GuardSettings
    from gradgate.training import WatchLimits as WatchLimits
    from gradgate.training import instrument as instrument
    from gradgate.training import reproducible as reproducible

# TFX on Kubeflow finds an artifact class by its type name, so those two must be importable here.
_HOME = {
    "AdaGC": "gradgate.gradients",
    "AdaptiveGradientClip": "gradgate.gradients",
    "AutoClip": "gradgate.gradients",
    "Centralize": "gradgate.gradients",
    "ClipByGlobalNorm": "gradgate.gradients",
    "ClipByNorm": "gradgate.gradients",
    "ClipByValue": "gradgate.gradients",
    "FailIfBlocked": "gradgate.tfx.fail_if_blocked.component",
    "GradientGate": "gradgate.tfx.gate.component",
    "GradientHealth": "gradgate.tfx.artifacts",
    "Guard": "gradgate.training",
    "GuardSettings": "gradgate.training",
    "NormalizeByGlobalNorm": "gradgate.gradients",
    "NormalizeByNorm": "gradgate.gradients",
    "Tracking": "gradgate.contracts",
    "Trainer": "gradgate.tfx.trainer.component",
    "TrainingHealthVerdict": "gradgate.tfx.artifacts",
    "VerifyingPusher": "gradgate.tfx.pusher.component",
    "WatchLimits": "gradgate.training",
    "ZClip": "gradgate.gradients",
    "instrument": "gradgate.training",
    "reproducible": "gradgate.training",
}

__all__ = [
    "AdaGC",
    "AdaptiveGradientClip",
    "AutoClip",
    "Centralize",
    "ClipByGlobalNorm",
    "ClipByNorm",
    "ClipByValue",
    "FailIfBlocked",
    "GradientGate",
    "GradientHealth",
    "Guard",
    "GuardSettings",
    "NormalizeByGlobalNorm",
    "NormalizeByNorm",
    "Tracking",
    "Trainer",
    "TrainingHealthVerdict",
    "VerifyingPusher",
    "WatchLimits",
    "ZClip",
    "__version__",
    "instrument",
    "reproducible",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
