"""The policy that is shipped: it loads, says why, blesses the sound, and names each sickness."""

import math
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from ruamel.yaml import YAML

from gradgate.gate import load_policy
from gradgate.gate.schemas import policy_schema

PATH = Path(__file__).resolve().parents[2] / "pipeline" / "policies" / "default.yaml"
TEXT = PATH.read_bytes()


@pytest.fixture(scope="module")
def policy():
    return load_policy(TEXT, str(PATH))


def failed(make, policy, training):
    verdict = make.verdict(training, policy=policy)
    return verdict, {f.id: f.level for f in verdict.findings if f.level != "ok"}


def test_every_limit_has_a_reason_beside_it(policy):
    assert all(len(rule.description) > 40 for rule in policy.rules)


def test_fits_its_own_schema_as_an_editor_checks_it():
    document = YAML(typ="safe", pure=True).load(TEXT)
    jsonschema.Draft202012Validator(policy_schema()).validate(document)
    named = TEXT.decode().splitlines()[0].split("$schema=")[1]
    assert (PATH.parent / named).resolve().is_file()


@pytest.mark.parametrize("steps", [60, 300, 5000])
def test_a_sound_training_passes_every_rule(make, policy, steps):
    verdict, sick = failed(make, policy, make.Training(steps=steps, every=50 if steps > 99 else 15))
    assert sick == {}
    assert verdict.decision == "ok"


def test_the_silent_nan_is_named_by_its_first_dense_kernel(make, policy, training):
    # The census case: NaN gradients in the first layer from step 0, a finite and flat loss.
    training.norms[:, 0] = math.nan
    training.global_norm[:] = math.nan
    training.mean_abs[:, 0] = training.max_abs[:, 0] = math.nan
    training.loss[:] = 0.544
    verdict, sick = failed(make, policy, training)
    assert verdict.headline == (
        "BLOCK nonfinite-gradient: non-finite gradient applied at step 0 in first/kernel"
    )
    assert sick["nonfinite-gradient"] == "block"
    assert sick["loss-improves"] == "warn"


def test_saturation_is_named_as_the_first_reason(make, policy, training):
    training.clipped[:] = True
    training.clip_scale[:] = 0.002
    verdict, sick = failed(make, policy, training)
    assert sick == {"clip-saturation": "block", "clip-strength": "warn"}
    assert verdict.headline.startswith(
        "BLOCK clip-saturation: clipped on 100% of steps (expected at most"
    )


@pytest.mark.parametrize(
    ("name", "level", "change"),
    [
        ("nonfinite-loss", "block", lambda t: t.loss.__setitem__(200, math.inf)),
        ("skipped-steps", "block", lambda t: t.applied.__setitem__(slice(100, 116), False)),
        ("loss-improves", "warn", lambda t: t.loss.fill(0.1)),  # as one from trained weights
        ("better-than-constant", "block", lambda t: t.loss.__imul__(8)),
        ("better-than-constant", "block", lambda t: t.loss.__isub__(9)),  # labels out of range
        ("vanishing-gradient", "block", lambda t: t.mean_abs.__setitem__((slice(None), 2), 1e-9)),
        ("dead-kernel", "block", lambda t: t.zero_fraction.__setitem__((slice(None), 0), 1)),
        ("exploding-gradient", "warn", lambda t: t.norms.__setitem__((slice(50, 52), 0), 2000)),
        ("unused-variable", "warn", lambda t: t.without_gradient(1)),
        ("unused-model", "block", lambda t: t.without_gradient(0, 1)),
    ],
)
def test_each_sickness_is_found_by_its_rule(make, policy, training, name, level, change):
    change(training)
    _, sick = failed(make, policy, training)
    assert sick[name] == level


def test_a_bad_step_that_was_skipped_is_a_warning(make, policy, training):
    training.norms[70, 0] = training.loss[70] = math.nan
    training.applied[70] = False
    verdict, sick = failed(make, policy, training)
    assert sick == {"nonfinite-skipped": "warn"}
    assert verdict.healthy


def test_an_explosion_blocks_where_nothing_is_learned(make, policy, training):
    training.norms[50:52, 0] = 2000
    training.loss[:] = 0.8
    _, sick = failed(make, policy, training)
    assert sick["exploding-gradient"] == "block"


def test_embeddings_may_have_empty_gradients(make, policy):
    training = make.Training(paths=("net/embedding/embeddings", "net/head/kernel"))
    training.zero_fraction[:, 0] = 1
    _, sick = failed(make, policy, training)
    assert "dead-kernel" not in sick


def test_the_keys_bias_of_an_attention_may_have_no_gradient(make, policy):
    training = make.Training(paths=("net/attention/key/bias", "net/head/kernel"))
    training.mean_abs[:, 0] = 1e-10
    training.zero_fraction[:, 0] = 1
    _, sick = failed(make, policy, training)
    assert sick == {}


def test_no_evidence_is_no_pass(make, policy, training):
    training.replace(loss_measured=False, constant_loss=None)
    training.summary = training.summary.model_copy(update={"variables": ()})
    training.keep(np.arange(12)).replace(observed_steps=12, planned_steps=12)
    verdict, sick = failed(make, policy, training)
    assert verdict.decision == "block"
    assert "T-COVERAGE" in [check.code for check in verdict.integrity if check.status == "fail"]
    assert {"loss-improves", "better-than-constant", "nonfinite-loss", "nonfinite-weights"} <= set(
        sick
    )
