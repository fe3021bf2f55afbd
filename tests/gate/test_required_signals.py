"""What a policy requires must have been measured, whatever its rules ask."""

import numpy as np
import pytest

from gradgate.gate import judge


def check_of(verdict):
    return next(check for check in verdict.integrity if check.code == "T-SIGNALS")


def judged(make, training, *names, **options):
    plain = make.rule("step.skipped", "mean", "<=", 1)
    policy = make.policy(plain, required_signals=list(names))
    return make.verdict(training, policy=policy, **options)


def test_what_was_measured_passes(make, training):
    names = ("loss", "variable.norm", "gradient.cosine", "activation.dead_fraction")
    verdict = judged(make, training, *names, "weights.nonfinite", "variable.unused", size=7)
    assert check_of(verdict).status == "pass"
    assert verdict.decision == "ok"


def test_one_sample_is_enough(make, training):
    training.dead_fraction[:] = np.nan
    training.dead_fraction[-1, 0] = 0.1
    assert check_of(judged(make, training, "activation.dead_fraction")).status == "pass"


def no_loss(training):
    training.replace(loss_measured=False)


def no_samples(training):
    training.applied[:] = False


def no_looks(training):
    training.dead_fraction[:] = np.nan


def no_weights(training):
    training.summary = training.summary.model_copy(update={"variables": ()})


def other_layers(training):
    training.replace(activations=training.card.activations[:1])


@pytest.mark.parametrize(
    ("spoil", "name", "reason"),
    [
        (no_loss, "loss", "the training loop never showed its loss"),
        (no_samples, "gradient.global_norm", "there is no sample of it"),
        (no_looks, "activation.dead_fraction", "there is no sample of it"),
        (no_weights, "weights.nonfinite", ""),
        (other_layers, "activation.dead_fraction", "ValueError: The record has 1 layers"),
    ],
)
def test_what_was_not_measured_blocks_though_every_rule_passes(make, training, spoil, name, reason):
    spoil(training)
    verdict = judged(make, training, name)
    assert check_of(verdict).message.startswith(
        f"required signals were not measured: {name}: {reason}"
    )
    assert verdict.decision == "block"
    assert verdict.findings[0].status == "pass"


def test_it_can_not_be_waived_nor_shadowed(make, training):
    no_loss(training)
    assert judged(make, training, "loss", waivers=make.waivers()).decision == "block"
    plain = make.rule("step.skipped", "mean", "<=", 1)
    policy = make.policy(plain, required_signals=["loss"], mode="shadow")
    assert make.verdict(training, policy=policy).decision == "block"


def test_each_optimizer_must_have_it_but_for_the_activations_of_the_model(make, training):
    other = make.Training(paths=("critic/kernel",)).replace(activations=())
    plain = make.rule("step.skipped", "mean", "<=", 1)
    policy = make.policy(plain, required_signals=["activation.dead_fraction", "loss"])
    options = {"model": None, "as_of": make.as_of, "training_only": True}
    evidence = training.evidence(optimizers=[("critic", other)])
    checks = [c for c in judge(policy, evidence, **options).integrity if c.code == "T-SIGNALS"]
    assert [check.status for check in checks] == ["pass", "pass"]
    no_loss(other)
    evidence = training.evidence(optimizers=[("critic", other)])
    checks = [c for c in judge(policy, evidence, **options).integrity if c.code == "T-SIGNALS"]
    assert [check.status for check in checks] == ["pass", "fail"]
    assert checks[1].message.startswith("critic: required signals were not measured: loss: ")


def test_a_policy_made_by_hand_with_an_unknown_signal_blocks(make, training):
    assert "there is no such signal" in check_of(judged(make, training, "lozz")).message


def test_nothing_required_is_not_mentioned(make, training):
    verdict = judged(make, training)
    assert "T-SIGNALS" not in [check.code for check in verdict.integrity]
