"""One workspace, and one run of each configuration in it, in this process, by the real runner."""

import pytest

from pipeline.quiet import hush

# TensorFlow reads its environment once, and these files are collected before any that import it.
hush()


@pytest.fixture(scope="session", autouse=True)
def fused_relu_hides_nan():
    """Says what is wrong where the story of the silent NaN could not come out."""
    import tensorflow as tf

    weights, bias = tf.Variable(tf.ones([2, 2])), tf.Variable(tf.zeros([2]))
    layer = tf.function(lambda x: tf.nn.relu(tf.nn.bias_add(tf.matmul(x, weights), bias)))
    if bool(tf.reduce_any(tf.math.is_nan(layer(tf.fill([4, 2], float("nan")))))):
        pytest.fail(
            "TensorFlow was imported before this file could set TF_ENABLE_ONEDNN_OPTS=1. Run"
            " tests/e2e alone, or set it for the whole test run."
        )


class Watch:
    """A listener that remembers the stages, and can act when one is over."""

    def __init__(self, after=None):
        self.outcomes = {}
        self._after = after or {}

    def expect(self, stages):
        self.expected = list(stages)

    def stage_started(self, stage):
        pass

    def stage_finished(self, stage, outcome, seconds):
        self.outcomes[stage] = outcome
        if stage in self._after:
            self._after[stage]()


@pytest.fixture(scope="session")
def workspace(tmp_path_factory):
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(scope="session")
def run_pipeline(workspace):
    """Runs a configuration in the shared workspace; returns its result and its outcomes."""
    from pipeline.run import run

    def go(config, *, after=None, **options):
        watch = Watch(after)
        go.outcomes = watch.outcomes  # of a run that raises, too
        return run(config, workspace, watch, **options), watch.outcomes

    return go


@pytest.fixture(scope="session")
def sound(run_pipeline):
    return run_pipeline("sound")


@pytest.fixture(scope="session")
def silent_nan(run_pipeline, sound):
    return run_pipeline("silent-nan")


@pytest.fixture(scope="session")
def saturated(run_pipeline, silent_nan):
    return run_pipeline("saturated")
