"""What to change, for each signal that failed: in the order of evidence, with names and numbers.

Source of the orders: signals 6.3 (AUTOTRAINER for vanishing, exploding and dying gradients, the
Google tuning playbook for clips).
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Final

from gradgate.contracts import ModelCard, Summary
from gradgate.diagnosis import training_facts as facts


@dataclasses.dataclass(frozen=True, kw_only=True)
class Symptom:
    """What a rule found.

    Attributes:
        value: The aggregated signal that failed; None when it was not measured.
        is_low: Whether it failed by being too small.
        is_relative: Whether it failed by being far from what earlier trainings measured.
        step: Where it was broken for good; None for what has no step.
        variable: Of the first offence, or the worst, or a layer; None for what concerns the run.
    """

    signal: str
    value: float | None = None
    is_low: bool = False
    is_relative: bool = False
    step: int | None = None
    variable: str | None = None


_Case = tuple[Symptom, ModelCard, Summary]
_CONSEQUENCE: Final = (
    "This is a number that a NaN or an infinity went into: follow the rules on non-finite values"
    " first, and this one will speak again."
)
_CHANGED: Final = (
    "Something is not as it was in the trainings that this one is compared with: see what changed"
    " since in the data (the scale of a feature, missing values, their order), in the code, and in"
    " the batch size, the learning rate and the loss. If the change was meant, begin anew: set"
    " baseline.since in the policy, by a commit that somebody reviews."
)


def prescribe(symptom: Symptom, *, card: ModelCard, summary: Summary) -> str:
    """Returns what to change, in one or a few sentences; empty for a signal without advice."""
    advice = _ADVICE.get(symptom.signal)
    if advice is None:
        return ""
    if symptom.value is not None and not math.isfinite(symptom.value):
        return _CONSEQUENCE
    if symptom.is_relative:
        return _CHANGED
    return advice((symptom, card, summary))


def _amount(symptom: Symptom, form: str, *, otherwise: str = "") -> str:
    """The value in words; `otherwise` where there is none."""
    return otherwise if symptom.value is None else form.format(symptom.value)


def _nonfinite_gradient(case: _Case) -> str:
    symptom, card, _ = case
    layer = facts.layer_in_words(card, symptom.variable)
    if facts.is_first(card, symptom.variable):
        when = f"step {symptom.step}" if symptom.step else "the very first step"
        return (
            f"The first {layer} had a non-finite gradient at {when}: it is fed the inputs, so"
            " these most likely hold NaN or missing values. Find the features with missing values"
            " in the training data and impute or drop them in preprocessing. The loss can look"
            " healthy all the while, since a fused ReLU turns NaN into 0."
        )
    return (
        f"Look at {layer} first: a square root, logarithm or division of 0 needs an epsilon, and"
        f" a softmax needs float32. Then {facts.lower_rate(card)}, and clip by the global norm."
    )


def _nonfinite_loss(case: _Case) -> str:
    _, card, _ = case
    loss = f" of {card.loss}" if card.loss else ""
    return (
        "Check the inputs for NaN and the labels for values outside the range"
        f"{loss}; let the loss work on logits, which avoids log(0). Then"
        f" {facts.lower_rate(card)}."
    )


def _nonfinite_weights(case: _Case) -> str:
    symptom, card, _ = case
    return (
        f"The weights of {facts.layer_in_words(card, symptom.variable)} hold NaN or infinity and"
        " cannot be repaired: start again from the last finite checkpoint. Set"
        " on_nonfinite='skip' so that a bad step never reaches the weights; to find the first"
        " operation that makes a NaN, train with TF_ENABLE_ONEDNN_OPTS=0."
    )


def _skipped(case: _Case) -> str:
    _, card, _ = case
    return (
        "Skipping steps keeps the weights finite and hides the cause: see which variable's"
        f" gradient was not finite, mend its inputs, or {facts.lower_rate(card)}."
    )


def _saturation(case: _Case) -> str:
    _, card, summary = case
    clip = facts.clips_in_words(card) or "the clip"
    scale, p90 = facts.mean_scale(summary), facts.norm_quantile(summary, 0.9)
    usual = (
        f"max_norm={p90:.3g}, the 90th percentile of the norms seen"
        if p90
        else "the 90th percentile of the norms seen"
    )
    aim = f"set the limit to fire on rare spikes ({usual})"
    if facts.normalises(card):
        return (
            f"{clip} fired on most steps. Under {card.optimizer} it acts as a normaliser rather"
            f" than as a learning rate: {aim}; if the loss does not fall,"
            f" {facts.lower_rate(card, 0.3)}."
        )
    rate = facts.learning_rate(card)
    now = ""
    if rate is not None and scale is not None:
        now = f" The effective rate was {rate:g} x {scale:.2g} = {rate * scale:.2g}."
    choose = f"set learning_rate={rate * scale:.2g}" if now and rate and scale else "lower the rate"
    return (
        f"{clip} fired on most steps, so it has become the learning rate of {card.optimizer}."
        f"{now} Choose the rate openly ({choose}), lengthen the warm-up, and {aim}. Do not"
        " tighten the clip."
    )


def _scale(case: _Case) -> str:
    symptom, card, summary = case
    rate, p90 = facts.learning_rate(card), facts.norm_quantile(summary, 0.9)
    clip = facts.clips_in_words(card) or "the clip"
    raised = f"to about {p90:.3g}" if p90 else "to the 90th percentile of the norms seen"
    if facts.normalises(card):
        return (
            f"{clip} took most of every gradient away. Under {card.optimizer} it acts as a"
            f" normaliser and leaves the learning rate as it is: raise its limit {raised}, so that"
            f" it fires on rare spikes only; if the loss does not fall,"
            f" {facts.lower_rate(card, 0.3)}."
        )
    effect = ""
    if facts.follows_length(card) and rate is not None and symptom.value is not None:
        effect = f" (learning rate {rate:g} became {rate * symptom.value:.2g})"
    return (
        f"{clip} took most of every step away{effect}: raise its limit {raised}, or choose a"
        " lower rate openly. If one variable dominates the norm, clip that one alone."
    )


def _magnitude(case: _Case) -> str:
    return _vanishing(case) if case[0].is_low else _exploding(case)


def _exploding(case: _Case) -> str:
    symptom, card, _ = case
    clip = "tighten the clip" if card.clips else "clip by the global norm (max_norm=1.0)"
    where = facts.layer_in_words(card, symptom.variable)
    return (
        f"Gradients exploded in {where}: {clip}, warm the learning rate up,"
        f" {facts.lower_rate(card)}, and check the initialiser and the scale of the inputs."
    )


def _vanishing(case: _Case) -> str:
    symptom, card, _ = case
    variable = facts.variable_of(card, symptom.variable)
    saturating = {"sigmoid", "tanh", "hard_sigmoid", "softsign"}
    activation = (variable.activation or "") if variable else ""
    first = (
        f"replace {activation} by relu with he_normal, or by selu with lecun_normal"
        if activation in saturating
        else "use the relu family with he_normal, or selu with lecun_normal, in the layers above"
    )
    return (
        f"Almost no gradient reaches {facts.layer_in_words(card, symptom.variable)}: {first};"
        " then add batch or layer normalisation, then residual connections."
    )


def _zeros(case: _Case) -> str:
    symptom, card, _ = case
    where = facts.layer_in_words(card, symptom.variable)
    return (
        f"No gradient at all reaches {where}, so its units are dead or cut off: try selu, then"
        " batch normalisation, then he_normal, then leaky_relu;"
        f" {facts.lower_rate(card)} if the units died during the training."
    )


def _unused(case: _Case) -> str:
    symptom, card, _ = case
    variable = facts.variable_of(card, symptom.variable)
    layer = f"layer {variable.layer}" if variable else "the layers named in the report"
    return (
        f"The loss does not depend on {layer}, which keeps its initial weights: connect its"
        " output, or set trainable=False, or remove it."
    )


def _not_learning(case: _Case) -> str:
    _, card, _ = case
    loss = card.loss or "the loss"
    return (
        f"Check that the labels belong to the inputs and that {loss} fits the last activation"
        " (logits or probabilities); a correct model can learn one batch by heart, so try that."
        f" Then {facts.lower_rate(card)}; the gradient rules may say why."
    )


def _by_depth(case: _Case) -> str:
    symptom, card, summary = case
    first = facts.first_kernel(card)
    at_first = dataclasses.replace(symptom, variable=first.path if first else None)
    return _magnitude((at_first, card, summary))


def _gradient_spike(case: _Case) -> str:
    _, card, summary = case
    p90 = facts.norm_quantile(summary, 0.9)
    limit = f", or by the global norm with max_norm={p90:.3g}" if p90 else ""
    return (
        f"Clip by the norm's own history (ZClip, AutoClip){limit}; look at the batch of that step"
        f" for outliers and wrong labels. If spikes come back, {facts.lower_rate(card)}."
    )


def _loss_spike(case: _Case) -> str:
    symptom, card, _ = case
    checkpoint = "a checkpoint of some 100 steps before it"
    if symptom.step:
        checkpoint = f"a checkpoint of about step {max(symptom.step - 100, 0)}"
    return (
        f"Start again from {checkpoint} and leave out the batches around the spike, as PaLM did;"
        f" look at them for outliers. If it comes back, {facts.lower_rate(card)}."
    )


def _oscillating(case: _Case) -> str:
    _, card, _ = case
    adam = "" if facts.normalises(card) else "use Adam; then "
    return (
        "Consecutive gradients point against each other, so the steps go back and forth:"
        f" {adam}{facts.lower_rate(card)}; then make the batch larger, then add momentum."
    )


def _update_ratio(case: _Case) -> str:
    symptom, card, _ = case
    where = facts.layer_in_words(card, symptom.variable)
    ratio = _amount(symptom, ", by {:.2g} of its norm")
    if symptom.is_low:
        return (
            f"A step moves {where} hardly{ratio} (about 0.001 is healthy): raise the learning rate,"
            " or see whether a clip or a vanishing gradient takes the step away."
        )
    return (
        f"A step moves {where} too far{ratio} (about 0.001 is healthy):"
        f" {facts.lower_rate(card)}, and warm it up."
    )


def _adam_rms(case: _Case) -> str:
    symptom, card, _ = case
    where = facts.layer_in_words(card, symptom.variable)
    if symptom.is_low:
        return f"The gradient of {where} has all but gone: see why its layer no longer learns."
    return (
        f"The gradient of {where} outgrew what Adam remembers of it"
        f"{_amount(symptom, ', by {:.2g} times')}: spikes of the loss follow within a few steps."
        " Lower beta_2 (to 0.99 or 0.95), or clip the update; then lower the learning rate."
    )


def _weight_norm(case: _Case) -> str:
    symptom, card, _ = case
    where = facts.layer_in_words(card, symptom.variable)
    if symptom.is_low:
        return f"The weights of {where} shrink away: use less weight decay or regularisation."
    return f"The weights of {where} grow: use weight decay, and {facts.lower_rate(card)}."


def _loss_scale(case: _Case) -> str:
    symptom, card, _ = case
    share = _amount(symptom, "{:.1%} of the steps", otherwise="Steps")
    return (
        f"{share} were left out since the scaled loss overflowed: train in mixed_bfloat16, which"
        " needs no loss scale, or lower the loss scale's first value; then"
        f" {facts.lower_rate(card)}, and look for the operation that overflows."
    )


def _dead_units(case: _Case) -> str:
    symptom, card, _ = case
    share = _amount(symptom, "{:.0%}", otherwise="Many")
    return (
        f"{share} of the units of {facts.activation_in_words(card, symptom.variable)} are 0 on all"
        " examples and learn no more: use leaky_relu or selu,"
        f" {facts.lower_rate(card)}, then he_normal, then batch normalisation."
    )


def _saturated_units(case: _Case) -> str:
    symptom, card, _ = case
    share = _amount(symptom, "{:.0%}", otherwise="Many")
    return (
        f"{share} of the outputs of {facts.activation_in_words(card, symptom.variable)} are"
        " saturated and let almost no gradient through: normalise the inputs, add batch"
        " normalisation, use a smaller initialiser, then the relu family."
    )


def _one_layer_rules(case: _Case) -> str:
    symptom, card, _ = case
    where = facts.layer_in_words(card, symptom.variable)
    share = _amount(symptom, "{:.1%}", otherwise="Almost all")
    return (
        f"{share} of the squared global norm comes from {where}, so a clip by the global norm"
        " scales every other layer down with it: clip that variable alone (AdaGC, or AGC), and"
        f" look at its initialiser and its inputs; else {facts.lower_rate(card)}."
    )


def _drifting(case: _Case) -> str:
    symptom, card, _ = case
    where = facts.activation_in_words(card, symptom.variable)
    ratio = _amount(symptom, " {:.2g} times")
    return (
        f"The outputs of {where} spread{ratio} as far as at the first look: add batch or layer"
        f" normalisation, use weight decay, and {facts.lower_rate(card)}."
    )


def _overfit(case: _Case) -> str:
    symptom, _, _ = case
    gap = _amount(symptom, " by {:.0%}")
    return (
        f"The validation loss lies above the training loss{gap}: stop earlier, add data or"
        " augmentation, dropout or weight decay, or make the model smaller. If it lies below, see"
        " that both are of the same kind of data."
    )


def _oscillating_metric(case: _Case) -> str:
    symptom, card, _ = case
    adam = "" if facts.normalises(card) else "use Adam; then "
    return (
        f"{symptom.variable or 'A metric'} swings up and down from epoch to epoch:"
        f" {adam}{facts.lower_rate(card)}; then reduce it on plateaus; then make the batch larger."
    )


def _disagreeing(case: _Case) -> str:
    metric = case[0].variable or "the metric"
    return (
        f"The loss and {metric} do not move together: see that {metric} is computed of the same"
        " outputs (logits or probabilities) and labels, and that the loss is what you mean to"
        " lower."
    )


def _constant_weights(case: _Case) -> str:
    symptom, card, _ = case
    where = facts.layer_in_words(card, symptom.variable)
    return (
        f"All weights of {where} are the same number, so its units all compute the same thing:"
        " initialise it at random (glorot_uniform, he_normal), and see that the loss depends on it."
    )


def _nonfinite_answers(case: _Case) -> str:
    output = f"Output {case[0].variable}" if case[0].variable else "An output"
    return (
        f"{output} of the exported model gives NaN or infinity to real examples. If the weights"
        " are finite, look at the export: missing values in the raw features, a log or a division"
        " in the preprocessing that serving runs, float16 that overflows."
    )


def _constant_answers(case: _Case) -> str:
    output = f"Output {case[0].variable}" if case[0].variable else "An output"
    return (
        f"{output} of the exported model is the same for every example. See that the serving"
        " signature feeds the features it is given, by their names; if it does, the model learned"
        " nothing: the rules on the loss say why."
    )


_ADVICE: Final[Mapping[str, Callable[[_Case], str]]] = {
    "loss": _not_learning,
    "loss.vs_constant": _not_learning,
    "loss.spike": _loss_spike,
    "loss.nonfinite": _nonfinite_loss,
    "loss.nonfinite_applied": _nonfinite_loss,
    "gradient.nonfinite": _nonfinite_gradient,
    "gradient.nonfinite_applied": _nonfinite_gradient,
    "gradient.nonfinite_skipped": _nonfinite_gradient,
    "gradient.global_norm": _magnitude,
    "gradient.spike": _gradient_spike,
    "gradient.spike_score": _gradient_spike,
    "gradient.cosine": _oscillating,
    "gradient.direction_flip": _oscillating,
    "gradient.first_last_ratio": _by_depth,
    "step.skipped": _skipped,
    "loss_scale.skipped": _loss_scale,
    "loss_scale.value": _loss_scale,
    "clip.saturation": _saturation,
    "clip.scale": _scale,
    "variable.norm": _magnitude,
    "variable.mean_abs": _magnitude,
    "variable.max_abs": _magnitude,
    "variable.zero_fraction": _zeros,
    "variable.adam_rms": _adam_rms,
    "variable.cosine": _oscillating,
    "variable.direction_flip": _oscillating,
    "variable.update_ratio": _update_ratio,
    "variable.weight_norm": _weight_norm,
    "variable.unused": _unused,
    "model.unused_fraction": _unused,
    "weights.nonfinite": _nonfinite_weights,
    "activation.dead_fraction": _dead_units,
    "activation.saturated_fraction": _saturated_units,
    "activation.spread_ratio": _drifting,
    "variable.norm_share": _one_layer_rules,
    "variable.weight_growth": _weight_norm,
    "epoch.overfit": _overfit,
    "epoch.metric_swings": _oscillating_metric,
    "epoch.loss_agreement": _disagreeing,
    "weights.constant": _constant_weights,
    "answers.nonfinite": _nonfinite_answers,
    "answers.constant": _constant_answers,
}
