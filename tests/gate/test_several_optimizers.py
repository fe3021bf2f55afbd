"""A training of several optimizers: every rule is asked of each, and each record must be whole."""

import dataclasses
import json
import math

import pytest

from gradgate.contracts import OptimizerRecord, Verdict
from gradgate.contracts.health import BoundModel, FileDigest
from gradgate.gate import ModelCheck, judge
from gradgate.gate.integrity.tensor_bundle import TensorCount
from gradgate.gate.render import FORMATS, explain, render

DIGEST = "sha256:" + "a" * 64
RECORD = "sha256:" + "0" * 64  # of every record of the conftest
FILES = (FileDigest(path="saved_model.pb", size=1, sha256="sha256:" + "b" * 64),)
CRITIC = ("critic/dense/kernel", "critic/head/kernel")


@dataclasses.dataclass
class Gan:
    """Two trainings in one: a generator, whose record is the first, and a critic."""

    make: object
    generator: object
    critic: object

    def evidence(self, size=1 << 30):
        return self.generator.evidence(size, optimizers=[("critic", self.critic)])

    def verdict(self, *rules, size=1 << 30, model=None, **options):
        options = {"training_only": model is None, **options}
        policy = self.make.policy(*rules, **options.pop("policy", {}))
        return judge(policy, self.evidence(size), model=model, as_of=self.make.as_of, **options)


@pytest.fixture
def gan(make):
    generator, critic = make.Training(), make.Training(paths=CRITIC)
    generator.replace(
        optimizer_name="generator",
        optimizers=(OptimizerRecord(name="critic", path="optimizers/critic", sha256=RECORD),),
        model=BoundModel(digest=DIGEST, files=FILES),
    )
    critic.replace(optimizer_name="critic", activations=())
    return Gan(make, generator, critic)


def failed(verdict):
    return [(check.code, check.message) for check in verdict.integrity if check.status == "fail"]


@pytest.fixture
def rules(make):
    return [
        make.rule("gradient.nonfinite_applied", id="nan"),
        make.rule("variable.norm", "max", "<", 1, id="norm"),
    ]


# --- Rules -----------------------------------------------------------------------------------
def test_two_sound_optimizers_pass_with_one_finding_a_rule(gan, rules):
    verdict = gan.verdict(*rules)
    assert verdict.headline == "OK: 2 of 2 rules passed"
    assert [finding.id for finding in verdict.findings] == ["nan", "norm"]
    assert failed(verdict) == []


def test_the_one_that_came_off_worst_is_named(gan, rules):
    gan.critic.norms[7, 1] = math.nan
    verdict = gan.verdict(*rules)
    assert verdict.headline == (
        "BLOCK nan: critic: non-finite gradient applied at step 7 in critic/head/kernel"
    )
    finding = verdict.findings[0]
    assert finding.message.startswith("critic: non-finite gradient applied on 1 of 300 steps in")
    offence = finding.first_offence
    assert (offence.optimizer, offence.variable, offence.step) == (
        "critic",
        "critic/head/kernel",
        7,
    )
    assert finding.observed.optimizer == "critic"
    assert {seen.optimizer for seen in finding.worst} == {"critic"}


def test_of_two_that_fail_the_worse_number_is_told(gan, rules):
    gan.generator.norms[5, 0], gan.critic.norms[3, 0] = 3, 2
    verdict = gan.verdict(*rules)
    assert verdict.findings[0].message.startswith("generator: greatest value of variable.norm is 3")
    gan.critic.norms[3, 0] = 4
    assert gan.verdict(*rules).findings[0].first_offence.optimizer == "critic"


def test_what_was_not_measured_of_one_did_not_pass(gan, make):
    gan.critic.replace(loss_measured=False)
    verdict = gan.verdict(make.rule("loss.nonfinite", id="loss"))
    (finding,) = verdict.findings
    assert (finding.status, finding.level) == ("unknown", "block")
    assert finding.message.startswith("critic: not measured: the training loop never showed its")
    assert finding.observed.optimizer is None


def test_a_failure_weighs_more_than_what_is_unknown(gan, make):
    gan.critic.replace(loss_measured=False)
    gan.generator.loss[3] = math.inf
    verdict = gan.verdict(make.rule("loss.nonfinite", id="loss"))
    assert verdict.findings[0].first_offence.optimizer == "generator"


def test_a_warning_of_one_and_a_block_of_the_other_is_a_block(gan, make):
    # The generator improves, so its explosion is a warning; the critic does not.
    for one in (gan.generator, gan.critic):
        one.norms[40:, 0] = 5
    gan.critic.loss[:] = 0.8
    asked = make.rule("variable.norm", "max", "<", 1, when_improving="warn")
    (finding,) = gan.verdict(asked).findings
    assert (finding.level, finding.first_offence.optimizer) == ("block", "critic")


def test_activations_are_of_the_whole_model_and_asked_once(gan, make):
    asked = make.rule("activation.dead_fraction", "max", "<=", 0.05, id="dead", min_samples=1)
    (finding,) = gan.verdict(asked).findings
    assert finding.status == "fail"
    assert finding.first_offence.optimizer is None
    assert not finding.message.startswith("generator")


# --- The records -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"status": "failed"}, "T-TRAINER-FAILED", "critic: the training failed: no"),
        ({"observed_steps": 9}, "T-TRUNCATED", "critic: the manifest speaks of 9 steps"),
        ({"lost_steps": 1}, "T-COVERAGE", "critic: 1 steps in a row are missing"),
        ({"instrumented": False}, "T-NOT-INSTRUMENTED", "critic: the training code never called"),
    ],
)
def test_each_record_is_checked_and_named(gan, rules, change, code, message):
    gan.critic.replace(**change)
    verdict = gan.verdict(*rules)
    assert verdict.decision == "block"
    ((found, said),) = failed(verdict)
    assert found == code
    assert said.startswith(message)


def test_a_record_that_breaks_off_is_named(gan, rules):
    def broken(size):
        yield from list(gan.critic.__class__(paths=CRITIC).batches(50))[:2]
        raise ValueError("bad bytes")

    gan.critic.batches = broken
    verdict = gan.verdict(*rules)
    assert verdict.headline == "BLOCK T-CORRUPT: critic: bad bytes"
    assert {finding.status for finding in verdict.findings} == {"unknown"}


def test_coverage_of_both_is_shown(gan, rules):
    verdict = gan.verdict(*rules)
    assert (verdict.coverage.optimizer, verdict.coverage.variables_measured) == ("generator", 3)
    (critic,) = verdict.further_coverage
    assert (critic.optimizer, critic.variables_measured) == ("critic", 2)
    text = render(verdict, "html")
    assert "generator: Steps observed" in text
    assert "critic: Variables measured" in text


def without(gan):
    gan.evidence = gan.generator.evidence


def unannounced(gan):
    gan.generator.replace(optimizers=())


def exchanged(gan):
    (named,) = gan.generator.manifest.optimizers
    gan.generator.replace(optimizers=(named.model_copy(update={"sha256": "sha256:other"}),))


def called_alike(gan):
    gan.generator.replace(optimizer_name="critic")


def nested(gan):
    gan.critic.replace(optimizers=gan.generator.manifest.optimizers)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without, "names the further optimizers critic, and there are records of none"),
        (unannounced, "names the further optimizers none, and there are records of critic"),
        (exchanged, "the record of optimizer critic is not the one that the manifest names"),
        (called_alike, "two optimizers have the same name, among critic"),
        (nested, "the record of a further optimizer names optimizers of its own"),
    ],
)
def test_records_that_are_not_those_of_the_manifest_block(gan, rules, change, message):
    change(gan)
    verdict = gan.verdict(*rules)
    assert verdict.decision == "block"
    ((code, said),) = failed(verdict)
    assert code == "T-OPTIMIZERS"
    assert message in said


def test_a_first_optimizer_without_a_name_is_called_so(gan, rules):
    gan.generator.replace(optimizer_name="")
    gan.generator.norms[7, 1] = math.nan
    assert gan.verdict(*rules).headline.startswith("BLOCK nan: the first optimizer: non-finite")


# --- The exported weights --------------------------------------------------------------------
GENERATOR = (("first/kernel", (4, 8)), ("first/bias", (8,)), ("head/kernel", (4, 8)))
BOTH = (*GENERATOR, *((path, (4, 8)) for path in CRITIC))


def tensor(path, shape, sha256=None):
    sha256 = sha256 or f"sha256:of {path}"
    return TensorCount(
        name=path, key=path, dtype="float32", shape=shape, nonfinite=0, sha256=sha256
    )


def model(*tensors):
    return ModelCheck(
        tree=BoundModel(digest=DIGEST, files=FILES), training_uid="run-1", weights=tensors
    )


def weights(gan, rules, *tensors, **options):
    verdict = gan.verdict(*rules, model=model(*tensors), **options)
    return next((c.message or "pass" for c in verdict.integrity if c.code == "I-WEIGHTS"), "none")


def test_one_network_or_both_may_be_exported(gan, rules):
    statistics = tensor("batch_norm/moving_mean", (8,))
    for exported in (BOTH, GENERATOR, BOTH[3:]):
        tensors = [tensor(*each) for each in exported]
        assert weights(gan, rules, *tensors, statistics) == "pass"
    assert gan.verdict(*rules, model=model(*[tensor(*each) for each in GENERATOR])).blessed


def test_no_network_at_all_is_not_the_trained_model(gan, rules):
    said = weights(gan, rules, tensor("other", (4, 8)))
    assert said.startswith("the exported model holds the weights of no optimizer's variables")
    assert "(generator, critic)" in said


def test_a_part_of_a_network_is_not_it(gan, rules):
    tensors = [tensor(*each) for each in BOTH[:4]]
    said = weights(gan, rules, *tensors)
    assert said.startswith("critic: the exported model holds a part of its variables")
    assert "(critic/dense/kernel)" in said
    assert "require_trained_weights: false" in said


def test_a_network_that_was_changed_after_the_training_is_not_it(gan, rules):
    changed = [tensor(path, shape, "sha256:changed") for path, shape in BOTH[3:]]
    said = weights(gan, rules, *[tensor(*each) for each in GENERATOR], *changed)
    assert said.startswith("critic: the exported model holds a part of its variables, or others")
    policy = {"require_trained_weights": False}
    assert weights(gan, rules, *changed, policy=policy) == "none"


def test_equal_bytes_in_two_networks_are_no_part_of_the_other(gan, rules):
    # The critic's head never moved from zeros, and nor did a kernel of the generator.
    alike = [
        variable.model_copy(update={"final_weight_sha256": "sha256:of head/kernel"})
        if variable.path == "critic/head/kernel"
        else variable
        for variable in gan.critic.summary.variables
    ]
    gan.critic.summary = gan.critic.summary.model_copy(update={"variables": tuple(alike)})
    assert weights(gan, rules, *[tensor(*each) for each in GENERATOR]) == "pass"


def test_an_optimizer_that_does_not_say_how_its_weights_ended_blocks(gan, rules):
    gan.critic.summary = gan.critic.summary.model_copy(update={"variables": ()})
    said = weights(gan, rules, *[tensor(*each) for each in GENERATOR])
    assert said == "critic: the record does not say how the weights of critic/dense/kernel ended"


def test_an_optimizer_without_variables_is_in_no_model(gan, rules):
    gan.critic.replace(variables=())
    assert weights(gan, rules, tensor("other", (4, 8))).startswith("the exported model holds the w")


# --- The document ----------------------------------------------------------------------------
def test_a_verdict_of_several_reads_back_and_is_shown_in_every_form(gan, rules):
    gan.critic.norms[7, 1] = math.nan
    verdict = gan.verdict(*rules)
    again = Verdict.model_validate_json(json.dumps(verdict.document(), allow_nan=False))
    assert again.document() == verdict.document()
    assert again.computed_id() == verdict.verdict_id
    for form in FORMATS:
        assert "critic: non-finite gradient applied" in render(verdict, form)
    assert "first           critic: step 7 (epoch 0) in critic/head/kernel" in explain(verdict)


def test_a_verdict_on_one_optimizer_says_nothing_of_optimizers(make, training, rules):
    training.norms[7, 1] = math.nan
    text = json.dumps(make.verdict(training, *rules).document())
    assert '"optimizer"' not in text
    assert "loss_scale" not in text
    assert '"further' not in text


def test_batches_of_any_size_give_the_same_verdict(gan, rules):
    gan.critic.norms[7, 1] = math.nan
    documents = {json.dumps(gan.verdict(*rules, size=size).document()) for size in (7, 300)}
    assert len(documents) == 1
