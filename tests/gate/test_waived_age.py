"""Waiving the age of a training: the one thing about the evidence that somebody may let go by."""

import pytest

from gradgate.contracts import IntegrityCheck, Waiver
from gradgate.contracts.waivers import WAIVABLE_CHECKS
from gradgate.gate import PolicyError, load_waivers
from gradgate.gate.waiving import Waiving

PLAIN = {"signal": "step.skipped", "aggregate": {"fn": "mean"}, "expect": {"op": "<=", "value": 1}}
WAIVER = """\
apiVersion: gradgate/v1
kind: Waivers
waivers:
  - id: w-1
    policy: {policy}
    rule: T-STALE
    reason: the queue of the cluster, TICKET-7
    owner: alice@example.com
    approved_by: bob@example.com
    created: {created}
    expires: 2026-12-20T09:00:00Z
"""
OLD = "2026-11-25T05:40:00Z"  # two days after the training


@pytest.fixture
def asking(make):
    """Makes a policy that asks for an age of a day."""
    return make.policy(PLAIN, staleness={"max_age_after_export": "24h"})


@pytest.fixture
def judged(make, training, asking):
    def judged(as_of=OLD, created="2026-11-20T09:00:00Z"):
        text = WAIVER.format(policy=asking.metadata.id, created=created)
        waivers = load_waivers(text, asking)
        return make.verdict(training, policy=asking, waivers=waivers, as_of=as_of)

    return judged


def age_of(verdict):
    return next(check for check in verdict.integrity if check.code == "T-STALE")


def test_it_warns_and_says_by_whom(judged):
    verdict = judged()
    assert verdict.decision == "warn"
    assert verdict.headline == (
        "WARN T-STALE: the training ended at 2026-11-23T05:30:00Z, more than 24h before this"
        " judgement; train again, or judge it by a policy that allows more; waived by w-1 until"
        " 2026-12-20T09:00:00Z: the queue of the cluster, TICKET-7"
    )
    assert [(waiver.id, waiver.status) for waiver in verdict.waivers] == [("w-1", "used")]


def test_the_model_may_be_pushed_and_is_no_baseline(judged):
    verdict = judged()
    assert not verdict.healthy
    assert judged("2026-11-23T05:40:00Z").healthy  # young: nothing was waived


def test_one_that_ended_or_has_not_begun_lets_nothing_by(judged):
    ended = judged("2026-12-20T09:00:00Z")
    assert ended.decision == "block"
    assert age_of(ended).message.endswith("; waiver w-1 expired on 2026-12-20T09:00:00Z")
    assert judged(created="2026-11-26T09:00:00Z").decision == "block"


def test_an_age_that_a_wrong_clock_hides_is_not_let_by(judged, training):
    training.replace(finished_at="2026-11-30T05:30:00Z")
    verdict = judged()
    assert age_of(verdict).status == "fail"
    assert "waiver w-1 does not count, see T-CLOCK" in age_of(verdict).message


def test_no_other_check_is_ever_let_by():
    assert frozenset({"T-STALE"}) == WAIVABLE_CHECKS
    failed = IntegrityCheck(code="T-COVERAGE", status="fail", message="a gap")
    fields = {"id": "w", "policy": "p", "reason": "r", "owner": "a", "approved_by": "b"}
    times = {"created": "2026-11-20T09:00:00Z", "expires": "2026-12-20T09:00:00Z"}
    waiver = Waiver(rule="T-COVERAGE", **fields, **times)  # no loader would take it
    assert Waiving(in_force=(waiver,)).let_by((failed,)) == ((failed,), frozenset())


def test_a_policy_without_an_age_has_none_to_waive(make):
    policy = make.policy(PLAIN)
    text = WAIVER.format(policy=policy.metadata.id, created="2026-11-20T09:00:00Z")
    with pytest.raises(PolicyError, match="this policy asks for none"):
        load_waivers(text, policy)


def test_it_has_no_layers(asking):
    text = WAIVER.format(policy=asking.metadata.id, created="2026-11-20T09:00:00Z")
    with_layers = text.replace("    reason:", '    scope: {layers: ["a/**"]}\n    reason:')
    with pytest.raises(PolicyError, match="of the run as a whole and has no layers"):
        load_waivers(with_layers, asking)
