"""BatchNormalization between recurrent layers."""

from collections.abc import Iterator
from typing import Final

from gradgate.diagnosis.lint import kinds
from gradgate.diagnosis.lint.design import Design
from gradgate.diagnosis.lint.rule import Found, Rule

_ON: Final = (*kinds.LINEAR, *kinds.ACTIVATIONS)


def _ask(design: Design) -> Iterator[Found]:
    for place in design.of_kind("BatchNormalization"):
        before = [at for at in design.before(place, _ON) if _is_recurrent(design, at)]
        after = [at for at in design.after(place, _ON) if _is_recurrent(design, at)]
        if before and after:
            are_images = all(_is_of_images(design, at) for at in (*before, *after))
            yield Found(
                place=place,
                severity="info" if are_images else None,
                message=(
                    f"{design.path(place)} stands between {design.path(before[0])} and"
                    f" {design.path(after[0])}: one mean over all time steps and examples, padding"
                    " included, is not that of any step"
                ),
                advice="use keras.layers.LayerNormalization in its place",
            )


def _is_recurrent(design: Design, place: int) -> bool:
    return design.layers[place].kind in kinds.RECURRENT


def _is_of_images(design: Design, place: int) -> bool:
    return design.layers[place].kind.startswith("ConvLSTM")


def _concerns(design: Design) -> bool:
    return any(design.of_kind("BatchNormalization")) and any(design.of_kind(*kinds.RECURRENT))


RULE: Final = Rule(
    id="batchnorm-in-recurrent-stack",
    title="BatchNormalization between recurrent layers",
    severity="warning",
    reason="""\
Statistics of a recurrent layer's output change from one time step to the next, sequences differ in
length, and padding counts as data. Batch normalisation averages over all of it, and at inference
uses a mean that fits no step. Laurent et al. found it between the layers of a recurrent network to
speed training up, but not to generalise better. Layer normalisation looks at one example at one
step, depends on neither batch nor length, and was made for this.

Not looked at: batch normalisation before the first recurrent layer, as behind the convolutions of a
speech or text recogniser, and behind the last. Between ConvLSTM layers it is `info`: there a mean is
over all pixels, too, and Keras's own example of them trains so.""",
    sources=(
        "Ba, Kiros and Hinton (2016), Layer Normalization, section 3, https://arxiv.org/abs/1607.06450",
        "Laurent et al. (2015), Batch Normalized Recurrent Neural Networks, https://arxiv.org/abs/1510.01378",
    ),
    needs=("graph",),
    ask=_ask,
    concerns=_concerns,
    bad="""\
model = keras.Sequential(
    [
        keras.Input((10, 8)),
        keras.layers.LSTM(16, return_sequences=True),
        keras.layers.BatchNormalization(),
        keras.layers.LSTM(16),
        keras.layers.Dense(1),
    ]
)
""",
    good="""\
model = keras.Sequential(
    [
        keras.Input((10, 8)),
        keras.layers.LSTM(16, return_sequences=True),
        keras.layers.LayerNormalization(),
        keras.layers.LSTM(16),
        keras.layers.Dense(1),
    ]
)
""",
)
