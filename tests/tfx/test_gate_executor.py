"""A blocked model is an answer: verdict and blessing are written, and nothing is raised."""

import re
import shutil
from pathlib import Path

import pytest

pytestmark = pytest.mark.tfx


def files(artifact):
    return sorted(path.name for path in Path(artifact.uri).iterdir())


def failed_codes(verdict):
    return [check.code for check in verdict.integrity if check.status == "fail"]


def test_a_sound_model_is_blessed_as_the_evaluator_blesses(sound, gate):
    verdict, blessing, _ = gate(sound.model, sound.health)
    assert verdict.decision == "ok", verdict.headline
    assert files(blessing) == ["BLESSED"]
    assert blessing.get_int_custom_property("blessed") == 1
    assert blessing.get_string_custom_property("current_model") == sound.model.uri
    assert blessing.get_int_custom_property("current_model_id") == sound.model.id
    assert blessing.get_string_custom_property("verdict_id") == verdict.verdict_id


def test_the_verdict_comes_with_its_reports_and_its_policy(sound, gate, policy):
    verdict, _, artifact = gate(sound.model, sound.health)
    assert files(artifact) == ["plots", "policy.yaml", "report.html", "report.md", "verdict.json"]
    assert (Path(artifact.uri) / "policy.yaml").read_text() == policy
    assert verdict.headline in (Path(artifact.uri) / "report.html").read_text()
    assert artifact.get_string_custom_property("decision") == "ok"
    drawn = sorted(path.stem for path in Path(artifact.uri, "plots").iterdir())
    assert drawn == ["global-norm", "gradient-flow", "loss", "update-ratio"]
    assert "Gradient flow" in (Path(artifact.uri) / "report.html").read_text()


def test_a_sick_model_is_not_blessed_and_the_first_step_is_named(train, gate):
    run = train("sick")
    verdict, blessing, _ = gate(run.model, run.health)
    assert verdict.decision == "block"
    offence = verdict.findings[0].first_offence
    assert (offence.step, offence.variable) == (0, "tiny/first/kernel")
    assert files(blessing) == ["NOT_BLESSED"]
    assert blessing.get_int_custom_property("blessed") == 0


@pytest.mark.parametrize(
    ("name", "code"),
    [("never_instruments", "T-NOT-INSTRUMENTED"), ("trains_no_step", "T-ZERO-STEPS")],
)
def test_a_training_nobody_watched_is_blocked_with_the_reason(train, gate, name, code):
    run = train(name)
    verdict, blessing, _ = gate(run.model, run.health)
    assert verdict.decision == "block"
    assert code in failed_codes(verdict)
    assert blessing.get_int_custom_property("blessed") == 0


@pytest.fixture
def damaged(sound, artifact, tmp_path):
    """A copy of the sound training's model and record, to damage."""
    model = artifact(type(sound.model), tmp_path / "model")
    health = artifact(type(sound.health), tmp_path / "health")
    shutil.copytree(sound.model.uri, model.uri, dirs_exist_ok=True)
    shutil.copytree(sound.health.uri, health.uri, dirs_exist_ok=True)
    return model, health


def _remove(folder):
    shutil.rmtree(folder)


def _empty(folder):
    shutil.rmtree(folder)
    folder.mkdir()


def _unfinished(folder):
    (folder / "manifest.json").unlink()


def _cut_off(folder):
    (part,) = (folder / "parts").iterdir()
    part.write_bytes(part.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (_remove, "T-MISSING"),
        (_empty, "T-MISSING"),
        (_unfinished, "T-UNFINALIZED"),
        (_cut_off, "T-TRUNCATED"),
    ],
)
def test_a_damaged_record_is_a_blocked_verdict_with_its_code(damaged, gate, damage, code):
    model, health = damaged
    damage(Path(health.uri))
    verdict, blessing, _ = gate(model, health)
    assert verdict.decision == "block"
    assert code in failed_codes(verdict)
    assert blessing.get_int_custom_property("blessed") == 0


def test_no_record_at_all_is_blocked(sound, gate):
    verdict, _, _ = gate(sound.model, None)
    assert failed_codes(verdict)[0] == "T-MISSING"


def test_a_model_that_is_gone_is_blocked(damaged, gate):
    model, health = damaged
    shutil.rmtree(model.uri)
    assert "I-MODEL-TREE" in failed_codes(gate(model, health)[0])


def test_another_trainings_record_is_blocked_by_both_ties(sound, train, gate):
    other = train("sound", guard={"seed": 2})
    verdict, _, _ = gate(other.model, sound.health)
    assert {"I-MODEL-DIGEST", "I-RUN-MISMATCH"} <= set(failed_codes(verdict))


def test_a_policy_that_cannot_be_used_is_blocked(sound, gate):
    verdict, blessing, _ = gate(sound.model, sound.health, text="rules: []")
    assert failed_codes(verdict) == ["P-INVALID"]
    assert blessing.get_int_custom_property("blessed") == 0


WAIVERS = """
apiVersion: gradgate/v1
kind: Waivers
waivers:
  - id: w-1
    policy: tests
    rule: RULE
    reason: known
    owner: alice
    approved_by: bob
    created: 2020-01-01T00:00:00Z
    expires: 2020-02-01T00:00:00Z
"""


def test_waivers_come_as_text_and_lie_beside_the_verdict(sound, gate, policy):
    rule = re.search(r"id: ([a-z.-]+)", policy[policy.index("rules:") :])[1]
    name = re.search(r"id: ([a-z.-]+)", policy)[1]
    text = WAIVERS.replace("RULE", rule).replace("policy: tests", f"policy: {name}")
    verdict, blessing, artifact = gate(sound.model, sound.health, properties={"waivers": text})
    assert [(waiver.id, waiver.status) for waiver in verdict.waivers] == [("w-1", "expired")]
    assert (Path(artifact.uri) / "waivers.yaml").read_text() == text
    assert blessing.get_int_custom_property("blessed") == 1


@pytest.mark.parametrize("text", ["", WAIVERS, "waivers.yaml"])
def test_waivers_that_cannot_be_used_are_blocked(sound, gate, text):
    verdict, blessing, _ = gate(sound.model, sound.health, properties={"waivers": text})
    assert failed_codes(verdict) == ["P-WAIVER"]
    assert blessing.get_int_custom_property("blessed") == 0


def test_a_policy_that_was_changed_since_it_was_pinned_is_blocked(sound, gate):
    properties = {"policy_sha256": "sha256:0"}
    verdict, blessing, _ = gate(sound.model, sound.health, properties=properties)
    assert failed_codes(verdict) == ["P-PIN"]
    assert blessing.get_int_custom_property("blessed") == 0


def test_a_policy_in_shadow_blesses_and_calls_nothing_healthy(train, gate, policy):
    run = train("sick")
    verdict, blessing, _ = gate(run.model, run.health, text=f"{policy}\nmode: shadow\n")
    assert (verdict.decision, verdict.would_decide, verdict.healthy) == ("warn", "block", False)
    assert blessing.get_int_custom_property("blessed") == 1


class TestEvaluator:
    """Both must bless, and the same model."""

    def bless(self, artifact, tmp_path, **properties):
        from tfx.types.standard_artifacts import ModelBlessing

        made = artifact(ModelBlessing, tmp_path / "other", **properties)
        return {"evaluator": None, "evaluator_blessing": [made]}

    def test_its_no_is_a_no_though_the_training_is_healthy(self, sound, gate, artifact, tmp_path):
        said = self.bless(artifact, tmp_path, blessed=0, current_model=sound.model.uri)
        verdict, blessing, _ = gate(sound.model, sound.health, **said)
        assert verdict.healthy
        assert not verdict.blessed
        assert "Evaluator did not bless this model: its thresholds were not met" in verdict.headline
        assert blessing.get_int_custom_property("blessed") == 0

    def test_its_yes_to_another_model_is_a_no(self, sound, gate, artifact, tmp_path):
        said = self.bless(artifact, tmp_path, blessed=1, current_model="/elsewhere/model/3")
        verdict, _, _ = gate(sound.model, sound.health, **said)
        assert not verdict.blessed
        assert "it blessed the model at /elsewhere/model/3" in verdict.others[0].message

    def test_its_yes_to_another_id_is_a_no(self, sound, gate, artifact, tmp_path):
        said = self.bless(
            artifact,
            tmp_path,
            blessed=1,
            current_model=sound.model.uri,
            current_model_id=sound.model.id + 1,
        )
        assert not gate(sound.model, sound.health, **said)[0].blessed

    def test_its_silence_is_a_no(self, sound, gate, artifact, tmp_path):
        verdict, _, _ = gate(sound.model, sound.health, **self.bless(artifact, tmp_path))
        assert verdict.others[0].message == "it gave no blessing, since it has no thresholds"

    def test_its_absence_is_a_no(self, sound, gate):
        verdict, _, _ = gate(sound.model, sound.health, evaluator=None)
        assert not verdict.blessed
        assert "require_evaluator: false" in verdict.others[0].message

    @pytest.mark.parametrize("required", ["true", "false"])
    @pytest.mark.parametrize(
        ("key", "source"),
        [("evaluator_blessing", "Evaluator"), ("infra_blessing", "InfraValidator")],
    )
    def test_wired_and_empty_it_is_a_no_under_every_policy(
        self, sound, gate, policy, required, key, source
    ):
        evaluator = None if key == "evaluator_blessing" else "same"
        verdict, blessing, _ = gate(
            sound.model,
            sound.health,
            text=f"{policy}\nrequire_evaluator: {required}\n",
            evaluator=evaluator,
            **{key: []},
        )
        assert verdict.healthy
        (no,) = [other for other in verdict.others if not other.blessed]
        assert (no.source, no.same_model) == (source, False)
        assert no.message == (
            f"{key} is wired, but no blessing came; the component was skipped, or it failed."
        )
        assert blessing.get_int_custom_property("blessed") == 0

    def test_a_policy_may_do_without(self, sound, gate, policy):
        text = f"{policy}\nrequire_evaluator: false\n"
        verdict, blessing, _ = gate(sound.model, sound.health, text=text, evaluator=None)
        assert verdict.others == ()
        assert blessing.get_int_custom_property("blessed") == 1

    def test_an_infra_validators_no_is_a_no(self, sound, gate, artifact, tmp_path):
        from tfx.types.standard_artifacts import InfraBlessing

        refused = artifact(InfraBlessing, tmp_path / "infra", blessed=0)
        verdict, _, _ = gate(sound.model, sound.health, infra_blessing=[refused])
        assert not verdict.blessed
        assert "InfraValidator did not bless this model" in verdict.headline


def test_on_beam_the_verdict_is_the_same(sound, gate, monkeypatch):
    """The pipeline of the executor reads the steps, in as many passes as it takes."""
    from gradgate.tfx.gate.executor import Executor

    made = []
    make_pipeline = Executor._make_beam_pipeline
    monkeypatch.setattr(
        Executor, "_make_beam_pipeline", lambda self: made.append(self) or make_pipeline(self)
    )
    one, _, _ = gate(sound.model, sound.health)
    other, _, _ = gate(sound.model, sound.health, properties={"engine": "beam"})
    assert made
    assert one.decision == "ok"
    assert other.verdict_id == one.verdict_id


ASKED = """
  - {id: answers, signal: answers.nonfinite, aggregate: {fn: sum}, expect: {op: "==", value: 0}}
  - {id: constant, signal: answers.constant, aggregate: {fn: max}, expect: {op: "==", value: 0}}
"""


@pytest.fixture
def examples(artifact, tmp_path):
    """Examples of the model's feature x, of a train split that is empty and an eval split."""
    import tensorflow as tf
    from tfx.types import standard_artifacts

    made = artifact(standard_artifacts.Examples, tmp_path / "examples")
    made.split_names = '["train", "eval"]'
    for split, count in (("train", 0), ("eval", 8)):
        folder = tmp_path / "examples" / f"Split-{split}"
        folder.mkdir()
        options = tf.io.TFRecordOptions(compression_type="GZIP")
        with tf.io.TFRecordWriter(str(folder / "data-00000-of-00001.gz"), options) as writer:
            for i in range(count):
                x = tf.train.Feature(float_list=tf.train.FloatList(value=[i, 1, -i, 2]))
                features = tf.train.Features(feature={"x": x})
                writer.write(tf.train.Example(features=features).SerializeToString())
    return made


def test_the_gate_asks_the_model_itself_where_a_rule_wants_its_answers(
    sound, gate, policy, examples
):
    verdict, _, _ = gate(sound.model, sound.health, text=policy + ASKED, examples=[examples])
    asked = {finding.id: finding for finding in verdict.findings}
    assert asked["answers"].status == asked["constant"].status == "pass"
    assert asked["answers"].evidence == "recomputed"
    assert verdict.decision == "ok"


def test_a_rule_on_answers_without_examples_blocks_and_says_what_to_wire(sound, gate, policy):
    verdict, _, _ = gate(sound.model, sound.health, text=policy + ASKED)
    finding = next(finding for finding in verdict.findings if finding.id == "answers")
    assert (finding.status, finding.level) == ("unknown", "block")
    assert "or by `examples` of the GradientGate" in finding.message
