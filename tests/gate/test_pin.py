"""A pinned policy: a changed one judges nothing, whatever it says."""

import pytest

from gradgate.gate import RecordProblem, judge, policy_digest

PLAIN = {"signal": "step.skipped", "aggregate": {"fn": "mean"}, "expect": {"op": "<=", "value": 1}}


def test_the_pinned_policy_judges(make, training):
    policy = make.policy(PLAIN)
    verdict = make.verdict(training, policy=policy, pinned_policy=policy_digest(policy))
    assert verdict.decision == "ok"
    assert ("P-PIN", "pass") in [(check.code, check.status) for check in verdict.integrity]


@pytest.mark.parametrize("pinned", ["sha256:" + "0" * 64, ""])
@pytest.mark.parametrize("mode", ["enforce", "shadow"])
def test_any_other_is_refused(make, training, pinned, mode):
    policy = make.policy(PLAIN, mode=mode)
    verdict = make.verdict(training, policy=policy, pinned_policy=pinned)
    assert verdict.decision == "block"
    assert verdict.headline == (
        f"BLOCK P-PIN: the policy has digest {policy_digest(policy)}, and"
        f" {pinned or 'an empty one'} is pinned; review what changed, then pin the new digest"
    )


def test_it_is_said_also_where_the_record_cannot_be_read(make):
    problem = RecordProblem(code="T-MISSING", message="none")
    verdict = judge(
        make.policy(PLAIN), problem, model=None, as_of=make.as_of, pinned_policy="sha256:0"
    )
    assert "P-PIN" in [check.code for check in verdict.integrity if check.status == "fail"]


def test_nothing_pinned_is_not_mentioned(make, training):
    verdict = make.verdict(training, PLAIN)
    assert "P-PIN" not in [check.code for check in verdict.integrity]
