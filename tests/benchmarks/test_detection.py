"""The benchmark of detection still runs: a training that vanishes, one of NaN, and a sound one."""

import pytest
from _outcomes import JUDGES
from _table import by_kind, details, summary
from detection import outcomes as train_and_judge
from programs.cases import OWN

pytestmark = pytest.mark.half("first")


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    names = "small-tanh-stack", "missing-measurement", "table"
    found = train_and_judge(names, [1], tmp_path_factory.mktemp("detection"))
    return dict(zip(names, found, strict=True))


def test_the_faulty_are_blocked_at_the_layer_that_is_at_fault(outcomes):
    for name in ("small-tanh-stack", "missing-measurement"):
        assert outcomes[name].blocking
        assert outcomes[name].is_layer_right()
        assert outcomes[name].is_cause_right() in {True, False}


def test_the_sound_one_passes_and_has_learned(outcomes):
    sound = outcomes["table"]
    assert sound.blocking == ()
    assert sound.training.held > 0.9


def test_every_judge_has_an_answer_for_a_classifier(outcomes):
    for each in outcomes.values():
        assert set(each.alarms) == set(JUDGES)
        assert all(alarms is not None for alarms in each.alarms.values())


def test_the_tables_have_a_row_for_each(outcomes):
    found = list(outcomes.values())
    assert "| gradgate | all | 2 of 2 (100%) | 0 of 1 (0%) |" in summary(found)
    assert "| vanishing | 1 | 1 of 1 (100%) |" in by_kind(found)
    assert len(details(found).splitlines()) == 2 + len(found)


def test_twenty_faulty_of_eight_kinds_and_twenty_sound():
    faulty = [case for case in OWN if case.fault]
    assert len(faulty) >= 20
    assert len({case.fault.kind for case in faulty}) >= 8
    assert len(OWN) - len(faulty) >= 20
    assert len({case.name for case in OWN}) == len(OWN)
