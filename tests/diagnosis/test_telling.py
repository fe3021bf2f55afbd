"""Which causes are shown first: few, root before symptom, and never none where one is known."""

import pytest

from gradgate.contracts import Cause, Verdict
from gradgate.contracts.verdict import Inputs, Subject
from gradgate.diagnosis import telling
from gradgate.diagnosis.causes import ALL
from gradgate.diagnosis.rank import ranked


def cause(name, confidence="likely", *rules):
    return Cause(
        id=name,
        title=name,
        meaning="m",
        numbers=("1",),
        change="c",
        confidence=confidence,
        because="b",
        source="s",
        rules=rules or ("a",),
    )


def verdict(*causes):
    return Verdict(
        decision="block", blessed=False, healthy=False, headline="BLOCK", subject=Subject(),
        inputs=Inputs(gate_version="0"), as_of="2026-11-23T05:40:00Z", causes=causes,
    )  # fmt: skip


def shown(*causes, blocking=("a", "b")):
    return [c.id for c in telling.shown_first(verdict(*ranked(causes, set(blocking))))]


def test_root_comes_before_symptom_however_sure_that_is():
    order = ranked([cause("dead-units", "sure"), cause("input-scale")], {"a"})
    assert [c.id for c in order] == ["input-scale", "dead-units"]


def test_what_blocks_is_explained_before_what_warns():
    order = ranked([cause("disconnected", "sure", "w"), cause("overfitting", "likely", "a")], {"a"})
    assert [c.id for c in order] == ["overfitting", "disconnected"]


def test_what_is_only_possible_comes_last():
    order = ranked([cause("missing-values", "possible"), cause("precision")], {"a"})
    assert [c.id for c in order] == ["precision", "missing-values"]


def test_what_follows_from_another_is_not_shown_first():
    assert shown(cause("learning-rate-too-high"), cause("dead-units", "sure")) == [
        "learning-rate-too-high"
    ]
    assert shown(cause("input-scale", "sure"), cause("initialiser")) == ["input-scale"]
    assert shown(cause("input-scale"), cause("initialiser")) == ["input-scale", "initialiser"]
    assert shown(cause("input-scale", "sure"), cause("initialiser", "likely", "b")) == [
        "input-scale",
        "initialiser",
    ]


def test_at_most_three_are_shown_first_and_the_others_are_kept():
    causes = [cause(known.id) for known in ALL if known.stage == "structure"]
    assert len(shown(*causes)) == 3
    found = verdict(*causes)
    assert len(telling.also_possible(found)) == len(causes) - 3


def test_what_is_settled_is_not_told_again():
    found = verdict(
        cause("precision", "sure"),
        cause("dead-units", "sure"),
        cause("vanishing-gradient", "possible"),
    )
    assert [c.id for c in telling.also_possible(found)] == ["dead-units"]


def test_one_is_shown_even_if_none_is_likely():
    assert shown(cause("precision", "possible"), cause("dead-units", "possible")) == ["precision"]
    assert shown() == []


def test_a_cause_of_a_newer_gradgate_is_shown_too():
    assert [c.id for c in telling.shown_first(verdict(cause("of-the-future")))] == ["of-the-future"]


@pytest.mark.parametrize(("rule", "title"), [("b", "initialiser"), ("c", "")])
def test_a_finding_names_its_likeliest_cause(rule, title):
    found = verdict(cause("input-scale"), cause("initialiser", "likely", "b"))
    assert telling.named(found, rule) == title
