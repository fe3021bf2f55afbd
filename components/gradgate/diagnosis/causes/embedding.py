"""An embedding whose vectors are far larger than what the layers behind it expect."""

from typing import Final

from gradgate.contracts.cause import Confidence
from gradgate.diagnosis import layers
from gradgate.diagnosis.causes.base import Grounds, KnownCause, known
from gradgate.diagnosis.training import Training
from gradgate.diagnosis.words import code, listed, number

_USUAL: Final = 0.03  # Keras draws from -0.05 to 0.05, which is 0.029 in size
_LARGE: Final = 3.0  # a hundred times that


def _look(training: Training) -> Grounds | None:
    tables = [v for v in training.kernels if layers.is_embedding(v)]
    symptoms = training.spoiled
    sizes = {v.path: training.least_weight(v) or 0.0 for v in tables}
    large = [v for v in tables if sizes[v.path] > _LARGE]
    blamed = [
        v
        for v in tables
        if any(
            s.variable == v.path for s in training.seen("large", "dominant", "grown", "nonfinite")
        )
    ]
    if not (large or blamed):
        return None
    worst = (large or blamed)[0]
    confidence: Confidence = "sure" if large and sizes[worst.path] > 10 * _LARGE else "likely"
    if not large:
        confidence, symptoms = "possible", training.seen("large", "dominant", "grown", "nonfinite")
    width = worst.shape[-1]
    return Grounds(
        numbers=known(
            f"the vectors of {worst.path} are {number(sizes[worst.path])} in size throughout;"
            f" Keras begins with {number(_USUAL)}"
            if large
            else f"{worst.path} is where the gradients are too large",
            f"the same in {listed([v.path for v in large])}" if len(large) > 1 else None,
        ),
        explains=symptoms,
        layer=worst.layer,
        change=(
            f"Let {worst.layer} begin small, as Keras does by default (uniform from -0.05 to 0.05);"
            " if it grows during the training, put a LayerNormalization behind it, and clip."
        ),
        snippet=(
            f"keras.layers.Embedding({worst.shape[0]}, {width},\n"
            f'    embeddings_initializer="uniform", name="{code(worst.layer)}")'
        ),
        confidence=confidence,
        because=(
            "even its smallest size in the run is far above what the next layer is made for"
            if large
            else "the rules blame it, but how large its vectors are was not measured to be much"
        ),
    )


EMBEDDING: Final = KnownCause(
    id="embedding",
    stage="structure",
    title="An embedding is far too large",
    meaning="Its vectors are the inputs of what follows, and drown or saturate it.",
    source="Keras's default initialiser; Takase et al. (2023), https://arxiv.org/abs/2312.16903",
    look=_look,
)
