"""Times: how old a training may be, what a wrong clock does, when a policy is to be reviewed."""

import pytest

from gradgate.gate import RecordProblem, judge

PLAIN = {"signal": "step.skipped", "aggregate": {"fn": "mean"}, "expect": {"op": "<=", "value": 1}}


def check_of(verdict, code):
    return next((check for check in verdict.integrity if check.code == code), None)


def judged(make, training, as_of="2026-11-23T05:40:00Z", **fields):
    """The training began at 5:00 and ended at 5:30."""
    return make.verdict(training, policy=make.policy(PLAIN, **fields), as_of=as_of)


# --- Age ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("as_of", "is_old"),
    [("2026-11-24T05:30:00Z", False), ("2026-11-24T05:30:01Z", True)],
)
def test_a_training_that_is_too_old_blocks(make, training, as_of, is_old):
    verdict = judged(make, training, as_of, staleness={"max_age_after_export": "24h"})
    assert check_of(verdict, "T-STALE").status == ("fail" if is_old else "pass")
    assert verdict.decision == ("block" if is_old else "ok")
    if is_old:
        assert verdict.headline == (
            "BLOCK T-STALE: the training ended at 2026-11-23T05:30:00Z, more than 24h before this"
            " judgement; train again, or judge it by a policy that allows more"
        )


def test_an_age_that_is_not_known_blocks(make, training):
    training.replace(finished_at="yesterday")
    verdict = judged(make, training, staleness={"max_age_after_export": "24h"})
    assert check_of(verdict, "T-STALE").message.startswith("the age of the training is not known")
    assert verdict.decision == "block"


def test_a_policy_that_asks_for_no_age_gets_none(make, training):
    verdict = judged(make, training, "2099-01-01T00:00:00Z")
    assert check_of(verdict, "T-STALE") is None
    assert verdict.decision == "ok"


# --- Clocks ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"finished_at": "2026-11-23T05:45:01Z"},
            (
                "the training ended at 2026-11-23T05:45:01Z, more than 5m after the time of this"
                " judgement"
            ),
        ),
        (
            {"started_at": "2026-11-23T05:35:01Z"},
            "the training began at 2026-11-23T05:35:01Z and ended at 2026-11-23T05:30:00Z",
        ),
        ({"started_at": ""}, "a time cannot be read: it must be an RFC 3339 time with a zone"),
    ],
)
def test_a_clock_that_is_wrong_warns(make, training, fields, message):
    training.replace(**fields)
    verdict = judged(make, training)
    assert check_of(verdict, "T-CLOCK").message.startswith(message)
    assert verdict.decision == "warn"
    assert verdict.headline.startswith(f"WARN T-CLOCK: {message}")


def test_clocks_may_differ_as_far_as_the_policy_says(make, training):
    training.replace(finished_at="2026-11-23T05:45:00Z")
    assert check_of(judged(make, training), "T-CLOCK") is None
    skew = {"max_clock_skew": "10s"}
    assert check_of(judged(make, training, staleness=skew), "T-CLOCK").status == "warn"


def test_a_time_of_judgement_that_is_none_warns(make, training):
    assert check_of(judged(make, training, "now"), "T-CLOCK").status == "warn"


def test_a_warning_about_evidence_comes_after_a_rule_that_warns(make, training):
    training.replace(finished_at="2026-11-23T06:00:00Z")
    training.applied[0] = False
    warns = make.rule("step.skipped", "mean", "==", 0, id="skips", severity="warn")
    verdict = make.verdict(training, PLAIN, warns)
    assert verdict.headline.startswith("WARN skips: ")


# --- Review ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("as_of", "is_due"), [("2026-11-30T23:59:59Z", False), ("2026-12-01T00:00:00Z", True)]
)
def test_a_policy_that_is_due_for_review_warns(make, training, as_of, is_due):
    metadata = {"id": "test", "revision": 1, "owner": "tests", "review_by": "2026-12-01T00:00:00Z"}
    verdict = judged(make, training, as_of, metadata=metadata)
    assert verdict.decision == ("warn" if is_due else "ok")
    if is_due:
        assert verdict.headline == (
            "WARN W-POLICY-REVIEW: policy test was to be reviewed by 2026-12-01T00:00:00Z; look at"
            " its limits again, then raise revision and review_by"
        )
    problem = RecordProblem(code="T-MISSING", message="none")
    policy = make.policy(PLAIN, metadata=metadata)
    without = judge(policy, problem, model=None, as_of=as_of)
    assert (check_of(without, "W-POLICY-REVIEW") is not None) == is_due


# --- Versions -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("version", "code", "decision"),
    [
        ("1.0", None, "ok"),
        ("1.1", None, "ok"),
        ("1.99", "T-SCHEMA-MINOR", "warn"),
        ("2.0", "T-SCHEMA-NEW", "block"),
        ("0.9", "T-SCHEMA-OLD", "block"),
        ("", "T-SCHEMA-OLD", "block"),
        ("1", "T-SCHEMA-OLD", "block"),
        ("1.x", "T-SCHEMA-OLD", "block"),
    ],
)
def test_the_version_of_the_record(make, training, version, code, decision):
    training.replace(schema_version=version)
    verdict = judged(make, training)
    found = [check.code for check in verdict.integrity if check.code.startswith("T-SCHEMA")]
    assert found == ([code] if code else [])
    assert verdict.decision == decision
