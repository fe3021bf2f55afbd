"""Row 16: clocks that jump, by a year, by the hour of a summer, backwards during the run."""

import json

import numpy as np
import pytest

from gradgate.gate import load_policy, load_waivers

TRUE = "2026-11-23T05:40:00Z"  # ten minutes after the training ended
WAIVERS = """\
apiVersion: gradgate/v1
kind: Waivers
waivers:
  - {id: w-1, policy: small, rule: loss, reason: known, owner: alice, approved_by: bob,
     created: "2026-11-01T00:00:00Z", expires: "2026-11-23T05:35:00Z"}
"""
JUMPS = [
    "2025-11-23T05:40:00Z",  # a year back
    "2027-11-23T05:40:00Z",  # a year ahead
    "2026-11-23T04:40:00Z",  # as if the zone had changed by an hour
    "2026-11-23T06:40:00Z",
    "2026-11-23T05:24:59Z",  # just beyond the skew that is allowed
    "1970-01-01T00:00:00Z",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
    "2026-11-22T18:40:00-11:00",  # the true time, said in other zones
    "2026-11-23T19:40:00+14:00",
]


@pytest.fixture
def judged(make_record, make_steps, verdict_on, small_policy_text):
    policy = load_policy(small_policy_text + "staleness: {max_age_after_export: 24h}\n")
    waivers = load_waivers(WAIVERS, policy)

    def judged(as_of, *, bad_loss=False, given=True):
        steps = make_steps()
        if bad_loss:
            steps.loss[3] = np.nan
        record = make_record(
            f"record-{as_of[:4]}-{bad_loss}-{given}-{abs(hash(as_of))}", steps=steps
        )
        return verdict_on(record, policy=policy, as_of=as_of, waivers=waivers if given else None)

    return judged


@pytest.mark.parametrize("as_of", JUMPS)
@pytest.mark.parametrize("bad_loss", [False, True])
def test_a_clock_that_jumps_makes_nothing_milder(judged, not_milder, as_of, bad_loss):
    clean = judged(TRUE, bad_loss=bad_loss)
    assert clean.decision == ("block" if bad_loss else "ok")  # the waiver ended five minutes ago
    faulted = judged(as_of, bad_loss=bad_loss)
    not_milder(clean, faulted)
    if as_of < "2026-11-23" or as_of.startswith("2026-11-23T0525"):
        assert {waiver.status for waiver in faulted.waivers} <= {"expired", "unused"}


@pytest.mark.parametrize("as_of", ["2025-11-23T05:40:00Z", "1970-01-01T00:00:00Z"])
def test_by_a_clock_that_was_set_back_no_training_is_young(judged, as_of):
    """Else the oldest record would be the freshest."""
    verdict = judged(as_of, given=False)
    stale = next(check for check in verdict.integrity if check.code == "T-STALE")
    assert stale.status == "fail"
    assert stale.message.startswith(
        "the age of the training is not known: the training ended at 2026-11-23T05:30:00Z, more"
        " than 5m after the time of this judgement"
    )
    assert verdict.decision == "block"


def test_steps_are_ordered_by_number_whatever_the_clock_did(make_record, make_steps, verdict_on):
    clean = verdict_on(make_record("clean"))
    steps = make_steps()
    for number, seconds in enumerate([-3.6e3, -1.0, 0.0, 3.2e7, -3.2e7, 1e300]):
        steps.seconds[:] = np.where(steps.step % 2, seconds, steps.seconds)
        faulted = verdict_on(make_record(f"jump-{number}", steps=steps))
        assert [f.model_dump() for f in faulted.findings] == [
            f.model_dump() for f in clean.findings
        ]
        assert faulted.decision == clean.decision


def test_the_same_instant_in_any_zone_is_the_same_verdict(judged):
    ids = {judged(as_of).verdict_id for as_of in (TRUE, *JUMPS[-2:])}
    assert len(ids) == 1


def test_a_review_that_is_due_warns_in_any_zone(make_record, verdict_on, small_policy_text):
    text = small_policy_text.replace(
        "owner: tests", 'owner: tests, review_by: "2026-11-23T14:40:00+09:00"'
    )
    policy = load_policy(text)
    record = make_record()
    found = {
        as_of: verdict_on(record, policy=policy, as_of=as_of).decision
        for as_of in ("2026-11-23T05:39:59Z", TRUE)
    }
    assert json.dumps(list(found.values())) == '["ok", "warn"]'
