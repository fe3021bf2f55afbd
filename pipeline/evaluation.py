"""What the Evaluator measures, and what it asks of a model's quality."""

import tensorflow_model_analysis as tfma

from pipeline.configs import Evaluation


def eval_config(evaluation: Evaluation, *, label: str) -> tfma.EvalConfig:
    """What the Evaluator measures on the exported signature, and what it asks for."""
    threshold = tfma.MetricThreshold(
        value_threshold=tfma.GenericValueThreshold(lower_bound={"value": evaluation.min_accuracy})
    )
    if evaluation.max_accuracy_drop is not None:
        threshold.change_threshold.direction = tfma.MetricDirection.HIGHER_IS_BETTER
        threshold.change_threshold.absolute.value = -evaluation.max_accuracy_drop
    metrics = [
        tfma.MetricConfig(class_name="ExampleCount"),
        # Keras's, by name: TFMA's own stops the pipeline when a prediction is NaN, and then
        # nobody would hear the gate's reason.
        tfma.MetricConfig(
            class_name="BinaryAccuracy", module="tf_keras.metrics", threshold=threshold
        ),
    ]
    return tfma.EvalConfig(
        model_specs=[
            tfma.ModelSpec(
                model_type="tf_generic",
                signature_name="serving_default",
                label_key=label,
                prediction_key="probability",
            )
        ],
        slicing_specs=[tfma.SlicingSpec()],
        metrics_specs=[tfma.MetricsSpec(metrics=metrics)],
    )
