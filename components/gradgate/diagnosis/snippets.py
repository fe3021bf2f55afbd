"""Lines of code that prescriptions share: a clip, a layer with gates, an epsilon."""

from gradgate.diagnosis.series import quantile
from gradgate.diagnosis.training import Training
from gradgate.diagnosis.words import code


def usual_norm(training: Training) -> float | None:
    """The 90th percentile of the global norm before the clips, with two digits.

    Source: Google's tuning playbook, which sets a clip there.
    """
    found = quantile(training.summary.global_norm.sketch, 0.9)
    return float(f"{found:.2g}") if found else None


def clip_by(max_norm: float, was: float | None = None) -> str:
    """The lines that clip by the global norm."""
    former = "" if was is None else f"  # was {was:g}"
    return (
        f"clip = gradgate.ClipByGlobalNorm(max_norm={max_norm:g}){former}\n"
        "gradgate.instrument(model, record, clip=clip)"
    )


def gated(layer: str, units: int | None) -> str:
    """A recurrent layer with gates."""
    return f'keras.layers.LSTM({units or "units"}, name="{code(layer)}")'
