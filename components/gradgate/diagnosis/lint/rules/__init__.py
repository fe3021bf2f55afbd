"""The rules of the lint. A new one is a file here and a line in `ALL`, and nothing else."""

from typing import Final

from gradgate.diagnosis.lint.rule import Rule
from gradgate.diagnosis.lint.rules import (
    batchnorm_after_activation,
    batchnorm_in_recurrent_stack,
    batchnorm_small_batch,
    bias_before_batchnorm,
    deep_saturating_stack,
    frozen_variables,
    inputs_not_normalised,
    learning_rate_bounds,
    missing_activation,
    output_against_loss,
    recurrent_without_clip,
    relu_with_glorot,
    saturating_with_he,
    selu_without_lecun,
    softmax_in_float16,
    softmax_on_one_unit,
    unbounded_recurrence,
    unused_variables,
)

ALL: Final[tuple[Rule, ...]] = (  # in the order of a diagnosis: data, loss, graph, weights, step
    inputs_not_normalised.RULE,
    softmax_on_one_unit.RULE,
    output_against_loss.RULE,
    softmax_in_float16.RULE,
    missing_activation.RULE,
    unused_variables.RULE,
    frozen_variables.RULE,
    deep_saturating_stack.RULE,
    relu_with_glorot.RULE,
    saturating_with_he.RULE,
    selu_without_lecun.RULE,
    batchnorm_small_batch.RULE,
    batchnorm_in_recurrent_stack.RULE,
    batchnorm_after_activation.RULE,
    bias_before_batchnorm.RULE,
    unbounded_recurrence.RULE,
    recurrent_without_clip.RULE,
    learning_rate_bounds.RULE,
)
