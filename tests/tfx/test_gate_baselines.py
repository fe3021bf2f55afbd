"""The gate keeps each healthy verdict in the pipeline's folder, and compares the next with it."""

import pytest

from gradgate.contracts import Verdict
from gradgate.gate.baseline.folder import keep_baseline, list_baselines

pytestmark = pytest.mark.tfx
DRIFT = """
  - id: drift
    signal: gradient.global_norm
    aggregate: {fn: mean}
    compare: {to: baseline, as: ratio}
    expect: {op: between, low: 0.2, high: 5}
    min_samples: 1
    severity: warn
"""


@pytest.fixture
def compares(policy):
    return policy.rstrip() + DRIFT


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "baselines" / "taxi"


def test_a_healthy_verdict_is_kept_and_a_rerun_is_not_compared_with_itself(
    sound, gate, compares, folder
):
    for _ in range(2):
        verdict, blessing, _ = gate(
            sound.model, sound.health, text=compares, properties={"baselines": str(folder)}
        )
        assert (verdict.decision, verdict.bootstrap) == ("warn", True)
        assert blessing.get_int_custom_property("blessed") == 1
    entries, strangers = list_baselines(folder)
    assert strangers == []
    assert {entry.training for entry in entries} == {entries[0].training}
    file = folder / entries[-1].name
    assert Verdict.model_validate_json(file.read_bytes()) == verdict


def test_the_next_training_is_compared_with_it(sound, train, gate, compares, folder):
    known = {"text": compares, "properties": {"baselines": str(folder)}}
    first, _, _ = gate(sound.model, sound.health, **known)
    # The clock of the gate has seconds; the first verdict is of the one before.
    (file,) = folder.iterdir()
    file.unlink()
    keep_baseline(folder, first.model_copy(update={"as_of": "2020-01-01T00:00:00Z"}))
    other = train("sound", guard={"seed": 2})
    verdict, _, _ = gate(other.model, other.health, **known)
    assert (verdict.decision, verdict.bootstrap) == ("ok", False)
    assert [one.verdict_id for one in verdict.inputs.baselines] == [first.verdict_id]
    assert len(list(folder.iterdir())) == 2


def test_a_damaged_baseline_blocks_and_is_no_crash(sound, train, gate, compares, folder):
    known = {"text": compares, "properties": {"baselines": str(folder)}}
    first, _, _ = gate(sound.model, sound.health, **known)
    (file,) = folder.iterdir()
    file.unlink()
    path = keep_baseline(folder, first.model_copy(update={"as_of": "2020-01-01T00:00:00Z"}))
    path.write_bytes(path.read_bytes()[:-1])
    other = train("sound", guard={"seed": 2})
    verdict, blessing, _ = gate(other.model, other.health, **known)
    assert verdict.headline.startswith(f"BLOCK B-INVALID: {path}: is no verdict")
    assert blessing.get_int_custom_property("blessed") == 0
    assert [p.name for p in folder.iterdir()] == [path.name]


def test_a_sick_training_is_not_kept(train, gate, compares, folder):
    run = train("sick")
    gate(run.model, run.health, text=compares, properties={"baselines": str(folder)})
    assert not folder.exists()


def test_a_folder_that_cannot_be_written_changes_no_decision(sound, gate, compares, caplog):
    properties = {"baselines": "/proc/nobody/can/write/here"}
    verdict, blessing, _ = gate(sound.model, sound.health, text=compares, properties=properties)
    assert "could not be kept as a baseline in /proc/nobody/can/write/here" in caplog.text
    assert verdict.decision == "warn"
    assert blessing.get_int_custom_property("blessed") == 1


def test_without_a_folder_nothing_is_compared(sound, gate, compares):
    verdict, _, _ = gate(sound.model, sound.health, text=compares)
    assert (verdict.decision, verdict.bootstrap) == ("warn", True)
