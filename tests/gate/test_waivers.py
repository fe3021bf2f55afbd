"""Waivers: what the loader refuses, in which words, and what one that is in force does."""

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradgate.contracts import Waivers
from gradgate.gate import (
    PolicyError,
    RecordProblem,
    judge,
    load_policy,
    load_waivers,
    read_waivers,
)
from gradgate.gate.load_waivers import waivers_digest
from gradgate.gate.render import FORMATS, explain, render, view

POLICY = load_policy("""\
apiVersion: gradgate/v1
kind: TrainingHealthPolicy
metadata: {id: ranker, revision: 1, owner: tests}
max_waiver_days: 60
rules:
  - {id: skips, signal: step.skipped, aggregate: {fn: mean}, expect: {op: "<=", value: 0.05}}
  - {id: dead.kernels, signal: variable.zero_fraction, aggregate: {fn: mean},
     expect: {op: "<", value: 0.5}}
""")
HEAD = "apiVersion: gradgate/v1\nkind: Waivers\nwaivers:\n"
ONE = """\
  - id: w-2026-014
    policy: ranker
    rule: dead.kernels
    scope: {layers: ["tower_b/**"]}
    reason: Sparse tower after the change of vocabulary, TICKET-381
    owner: alice@example.com
    approved_by: bob@example.com
    created: 2026-11-20T09:00:00Z
    expires: 2026-12-20T09:00:00Z
"""
GOOD = HEAD + ONE


def problems(text):
    with pytest.raises(PolicyError) as caught:
        load_waivers(text, POLICY)
    assert caught.value.code == "P-WAIVER"
    return str(caught.value).splitlines()


# --- Loading --------------------------------------------------------------------------------------
def test_reads_what_people_write():
    waivers = load_waivers(GOOD, POLICY)
    assert isinstance(waivers, Waivers)
    assert waivers.waivers[0].scope.layers == ("tower_b/**",)
    assert waivers.waivers[0].days == 30
    assert load_waivers(HEAD.replace("waivers:\n", "waivers: []\n"), POLICY).waivers == ()


def test_the_digest_is_of_what_is_meant():
    digest = waivers_digest(load_waivers(GOOD, POLICY))
    assert waivers_digest(load_waivers("# why\n" + GOOD, POLICY)) == digest
    longer = GOOD.replace("expires: 2026-12-20", "expires: 2026-12-21")
    assert waivers_digest(load_waivers(longer, POLICY)) != digest


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("bob@example.com", "Alice@Example.com "),
            (
                "waivers.yaml:10:5: waivers[0].approved_by: Alice@Example.com owns this waiver too;"
                " somebody else must approve it"
            ),
        ),
        (
            ("    approved_by: bob@example.com\n", ""),
            "waivers.yaml:4:5: waivers[0]: approved_by is missing",
        ),
        (
            ("    expires: 2026-12-20T09:00:00Z\n", ""),
            "waivers.yaml:4:5: waivers[0]: expires is missing",
        ),
        (
            ("expires: 2026-12-20T09:00:00Z", "expires: 2026-12-20"),
            (
                "waivers.yaml:12:5: waivers[0].expires: must be an RFC 3339 time with a zone, such"
                " as 2026-01-31T12:00:00Z; got '2026-12-20'"
            ),
        ),
        (
            ("expires: 2026-12-20", "expires: 2026-11-20"),
            (
                "waivers.yaml:12:5: waivers[0].expires: must be later than created,"
                " 2026-11-20T09:00:00Z; got 2026-11-20T09:00:00Z"
            ),
        ),
        (
            ("expires: 2026-12-20", "expires: 2027-02-19"),
            (
                "waivers.yaml:12:5: waivers[0].expires: is 91 days after created; a waiver lasts at"
                " most 90 days"
            ),
        ),
        (
            ("expires: 2026-12-20", "expires: 2027-01-20"),
            (
                "waivers.yaml:12:5: waivers[0].expires: is 61 days after created; this policy"
                " allows 60"
            ),
        ),
        (
            ("policy: ranker", "policy: other"),
            (
                "waivers.yaml:5:5: waivers[0].policy: is for policy other, and this is ranker; keep"
                " it with its own"
            ),
        ),
        (
            ("rule: dead.kernels", "rule: dead.kernel"),
            (
                "waivers.yaml:6:5: waivers[0].rule: there is no rule dead.kernel; did you mean"
                " dead.kernels? the rules are skips, dead.kernels"
            ),
        ),
        (
            ("rule: dead.kernels", "rule: T-COVERAGE"),
            (
                "waivers.yaml:6:5: waivers[0].rule: T-COVERAGE says that the evidence is not in"
                " order, and cannot be waived"
            ),
        ),
        (
            ("rule: dead.kernels", "rule: skips"),
            (
                "waivers.yaml:7:13: waivers[0].scope.layers: skips is of the run as a whole and has"
                " no layers; remove them"
            ),
        ),
        (
            ('["tower_b/**"]', "['']"),
            (
                "waivers.yaml:7:22: waivers[0].scope.layers[0]: is empty and matches nothing;"
                " remove it"
            ),
        ),
        (
            ("reason:", "reasons:"),
            (
                "waivers.yaml:8:5: waivers[0].reasons: there is no such field; did you mean reason?"
                " the fields here are id, policy, rule, scope, reason, owner, approved_by, created,"
                " expires"
            ),
        ),
        ((ONE, ONE + ONE), "waivers.yaml:3:1: waivers: id used twice: w-2026-014"),
        (
            (ONE, ONE + ONE.replace("014", "015") + ONE.replace("014", "016")),
            (
                "waivers.yaml:3:1: waivers: w-2026-014, w-2026-015, w-2026-016 expire at the same"
                " instant, and at most 2 may; let each end when its reason does"
            ),
        ),
        (("kind: Waivers", "kind: Waiver"), "waivers.yaml:2:1: kind: got 'Waiver'; use 'Waivers'"),
        ((GOOD, ""), "waivers.yaml: is empty; a file of waivers says at least apiVersion and kind"),
        (("[", "&a ["), "waivers.yaml:7:21: waivers[0].scope.layers: has an anchor (&a)"),
    ],
)
def test_a_problem_is_named_with_its_place_and_what_to_do(change, message):
    text = GOOD.replace(*change)
    assert text != GOOD
    assert any(line.startswith(message) for line in problems(text)), problems(text)


@pytest.mark.parametrize(
    "name", ["ALICE@example.com", "alice @example.com", '"alice\\u200b@example.com"']
)
def test_an_owner_who_writes_the_name_another_way_is_still_the_owner(name):
    assert "somebody else must approve it" in problems(GOOD.replace("bob@example.com", name))[0]


@pytest.mark.parametrize("field", ["owner: alice@example.com", "approved_by: bob@example.com"])
def test_nobody_is_no_owner_and_no_approver(field):
    name = field.split(":")[0]
    (problem,) = problems(GOOD.replace(field, f"{name}: ' '"))
    assert problem.endswith(f"waivers[0].{name}: got ' ', which names nobody")


def test_the_same_instant_is_found_whatever_its_zone():
    end = "2026-12-20T09:00:00Z"
    text = GOOD + "".join(
        ONE.replace("014", number).replace(end, same)
        for number, same in (("015", "2026-12-20T10:00:00+01:00"), ("016", end))
    )
    assert "expire at the same instant" in problems(text)[0]


def test_a_missing_file_is_an_error_and_no_empty_list(tmp_path):
    with pytest.raises(PolicyError, match="cannot be read: No such file") as caught:
        read_waivers(tmp_path / "nowhere.yaml")
    assert caught.value.code == "P-WAIVER"


@given(st.one_of(st.binary(max_size=400), st.text(max_size=200)))
def test_whatever_the_bytes_it_is_a_policy_error(data):
    with pytest.raises(PolicyError):
        load_waivers(data, POLICY)


@given(st.integers(0, len(GOOD)), st.sampled_from(list("{}[]:,-&*!%#'\"\n\t \\\0é<9")))
def test_one_character_more_is_waivers_or_a_policy_error(at, char):
    with contextlib.suppress(PolicyError):
        assert isinstance(load_waivers(GOOD[:at] + char + GOOD[at:], POLICY), Waivers)


# --- Judging --------------------------------------------------------------------------------------
@pytest.fixture
def sick(training):
    """The gradient of one kernel is 9 from step 100 on, that of the other always."""
    training.norms[100:, 0] = 9
    training.norms[:, 2] = 9
    return training


def large(make, **fields):
    return make.rule("variable.norm", "max", "<", 5, id="large", **fields)


def judged(make, training, *waivers, as_of=None, **fields):
    """Judges by two rules, of which the first may be waived."""
    plain = make.rule("step.skipped", "mean", "<=", 1, id="plain")
    given = make.waivers(*({"rule": "large", **waiver} for waiver in waivers))
    policy = make.policy(large(make), plain, **fields)
    return make.verdict(training, policy=policy, waivers=given, as_of=as_of or make.as_of)


def test_a_waived_rule_warns_and_is_shown_with_its_value(make, sick):
    verdict = judged(make, sick, {})
    assert verdict.decision == "warn"
    finding = verdict.findings[0]
    assert (finding.id, finding.status, finding.level) == ("large", "waived", "warn")
    assert finding.observed.value == 9
    assert finding.first_offence.step == 0
    assert finding.waived_by == ("w-0",)
    assert finding.message.endswith("; waived by w-0 until 2026-12-20T00:00:00Z: a known one")
    assert verdict.headline.endswith("at step 0 in head/kernel, waived by w-0")
    assert [(waiver.id, waiver.status) for waiver in verdict.waivers] == [("w-0", "used")]
    assert verdict.inputs.waivers_sha256.startswith("sha256:")


def test_a_waiver_of_one_layer_does_not_cover_another(make, sick):
    verdict = judged(make, sick, {"scope": {"layers": ["head/*"]}})
    finding = verdict.findings[0]
    assert (verdict.decision, finding.status) == ("block", "fail")
    assert (finding.first_offence.variable, finding.first_offence.step) == ("first/kernel", 100)
    assert finding.observed.variable == "first/kernel"
    assert finding.waived_by == ()
    assert [waiver.status for waiver in verdict.waivers] == ["unused"]


def test_several_waivers_cover_a_rule_together(make, sick):
    parts = [{"scope": {"layers": [name]}} for name in ("head/*", "first/kernel", "first/bias")]
    verdict = judged(make, sick, *parts)
    assert verdict.findings[0].waived_by == ("w-0", "w-1")
    assert [waiver.status for waiver in verdict.waivers] == ["used", "used", "unused"]


def test_a_waiver_of_a_rule_that_passes_is_unused_and_changes_nothing(make, training):
    verdict = judged(make, training, {})
    assert (verdict.decision, verdict.waivers[0].status) == ("ok", "unused")


@pytest.mark.parametrize(
    ("as_of", "status"),
    [
        ("2026-12-19T23:59:59.999999Z", "used"),
        ("2026-12-20T00:00:00Z", "expired"),
        ("2026-12-20T00:30:00+01:00", "used"),
        ("2027-12-20T00:00:00Z", "expired"),
    ],
)
def test_it_is_in_force_until_just_before_its_end(make, sick, as_of, status):
    verdict = judged(make, sick, {}, as_of=as_of)
    assert verdict.waivers[0].status == status
    assert verdict.decision == ("warn" if status == "used" else "block")
    expired = "; waiver w-0 expired on 2026-12-20T00:00:00Z" in verdict.findings[0].message
    assert expired == (status == "expired")


def test_it_is_not_in_force_before_it_was_created(make, sick):
    verdict = judged(make, sick, {"created": "2026-11-24T00:00:00Z"})
    assert verdict.decision == "block"
    assert verdict.waivers[0].message == "begins on 2026-11-24T00:00:00Z"


def test_it_may_be_for_one_training_alone(make, sick):
    mine, other = ({"scope": {"training_uid": uid}} for uid in ("run-1", "run-2"))
    assert judged(make, sick, mine).decision == "warn"
    verdict = judged(make, sick, other)
    assert verdict.decision == "block"
    assert verdict.waivers[0].message == "is for training run-2"


@pytest.mark.parametrize("finished", ["2026-11-23T05:46:00Z", "no time"])
def test_a_clock_set_back_revives_no_waiver(make, sick, finished):
    # Judged at 05:40, and the clocks may differ by 5 minutes.
    sick.replace(finished_at=finished)
    verdict = judged(make, sick, {})
    assert verdict.decision == "block"
    assert verdict.waivers[0].status == "expired"
    assert "waiver w-0 does not count, see T-CLOCK" in verdict.findings[0].message
    (clock,) = [check for check in verdict.integrity if check.code == "T-CLOCK"]
    assert clock.status == "warn"


def test_clocks_may_differ_a_little(make, sick):
    sick.replace(finished_at="2026-11-23T05:45:00Z")
    assert judged(make, sick, {}).decision == "warn"


def test_what_was_not_measured_is_waived_by_a_waiver_of_the_whole_rule_alone(make, sick):
    sick.replace(statistics_every=0)
    rule = make.rule("variable.norm", "max", "<", 5, id="large", min_samples=1000)
    plain = make.rule("step.skipped", "mean", "<=", 1, id="plain")
    whole, part = ({"rule": "large", "scope": {"layers": names}} for names in (None, ["**"]))
    verdict = make.verdict(sick, rule, plain, waivers=make.waivers(whole))
    assert verdict.findings[0].status == "waived"
    assert view.observed(verdict.findings[0]) == "not measured"
    assert verdict.findings[0].message.startswith("not measured: 300 samples of variable.norm")
    verdict = make.verdict(sick, rule, plain, waivers=make.waivers(part))
    assert verdict.findings[0].status == "unknown"
    assert verdict.decision == "block"


def test_a_rule_that_broke_is_never_waived(make, training):
    broken = make.rule("no.signal", "max", "<", 1, id="large")
    verdict = make.verdict(training, broken, waivers=make.waivers({"rule": "large"}))
    assert (verdict.findings[0].status, verdict.decision) == ("error", "block")


def test_evidence_that_is_not_in_order_blocks_whatever_is_waived(make, sick):
    sick.replace(observed_steps=7)
    verdict = judged(make, sick, {})
    assert verdict.decision == "block"
    assert verdict.headline.startswith("BLOCK T-TRUNCATED: ")


def test_a_waiver_of_a_layer_that_is_not_there_is_refused(make, sick):
    verdict = judged(make, sick, {}, {"scope": {"layers": ["head/*", "tower_b/**"]}})
    assert verdict.decision == "block"
    assert verdict.headline == (
        "BLOCK P-WAIVER: w-1: no variable or layer matches tower_b/**; correct the waiver, or"
        " remove it"
    )


def test_a_layer_of_activations_can_be_named(make, training):
    training.dead_fraction[:, 0] = 0.9
    rule = make.rule("activation.dead_fraction", "mean", "<", 0.5, id="large", min_samples=1)
    given = make.waivers({"rule": "large", "scope": {"layers": ["first"]}})
    verdict = make.verdict(training, rule, waivers=given)
    assert (verdict.decision, verdict.findings[0].status) == ("warn", "waived")


def test_a_near_end_is_said_beforehand(make, sick):
    codes = [
        [check.code for check in judged(make, sick, {}, as_of=as_of).integrity]
        for as_of in ("2026-12-05T23:59:59Z", "2026-12-06T00:00:00Z")
    ]
    assert ["W-WAIVER-ENDS" in found for found in codes] == [False, True]


def test_a_fact_can_be_waived_by_variable(make, training):
    training.without_gradient(1)
    rule = make.rule("variable.unused", "sum", id="large")
    given = make.waivers({"rule": "large", "scope": {"layers": ["first/bias"]}})
    verdict = make.verdict(training, rule, waivers=given)
    assert verdict.findings[0].status == "waived"
    assert verdict.findings[0].first_offence.variable == "first/bias"


def test_a_rule_in_shadow_is_not_waived(make, sick):
    verdict = judged(make, sick, {}, shadow_rules=["large"])
    assert verdict.shadow_findings[0].status == "fail"
    assert (verdict.decision, verdict.waivers[0].status) == ("ok", "unused")


def test_without_a_record_waivers_are_named_and_do_nothing(make):
    problem = RecordProblem(code="T-MISSING", message="there is none")
    policy = make.policy(large(make))
    given = make.waivers({"rule": "large"})
    verdict = judge(policy, problem, model=None, as_of=make.as_of, waivers=given)
    assert verdict.findings[0].status == "unknown"
    assert verdict.waivers[0].message == "the record cannot be read"


def test_one_optimizers_failure_may_be_waived_and_the_others_not(make, training):
    other = make.Training(paths=("critic/kernel",))
    for one in (training, other):
        one.norms[:, 0] = 9
    evidence = training.evidence(optimizers=[("critic", other)])
    policy = make.policy(large(make), coverage={"min_step_fraction": 0.1})
    options = {"model": None, "as_of": make.as_of, "training_only": True}
    given = make.waivers({"rule": "large", "scope": {"layers": ["first/*"]}})
    verdict = judge(policy, evidence, waivers=given, **options)
    assert verdict.findings[0].status == "fail"
    assert verdict.findings[0].first_offence.optimizer == "critic"
    assert verdict.waivers[0].status == "used"


def test_no_waivers_leave_no_trace_in_the_verdict(make, training):
    document = make.verdict(training, large(make)).document()
    assert "waivers" not in document
    assert "waivers_sha256" not in document["inputs"]
    assert "waived_by" not in document["findings"][0]


# --- Reports --------------------------------------------------------------------------------------
@pytest.mark.parametrize("form", [*(form for form in FORMATS if form != "json"), "explain"])
def test_every_report_lists_the_waivers_with_who_until_when_and_why(make, sick, form):
    ended = {"expires": "2026-11-22T00:00:00Z"}
    verdict = judged(make, sick, {}, ended, {"created": "2026-11-24T00:00:00Z"})
    shown = explain(verdict) if form == "explain" else render(verdict, form)
    words = " ".join(shown.replace("\\", "").split())
    for text in (
        (
            "used: rule large, owner alice, approved by bob, ends 2026-12-20T00:00:00Z (26 days"
            " left): a known one"
        ),
        "expired: rule large, owner alice, approved by bob, ended 2026-11-22T00:00:00Z: a known",
        "unused (begins on 2026-11-24T00:00:00Z): rule large",
    ):
        assert text in words
    assert "--policy POLICY --waivers WAIVERS --as-of" in view.reproduce(verdict)


def test_a_bad_number_can_be_waived_like_any_other(make, training):
    training.norms[5, 0] = math.nan
    verdict = judged(make, training, {})
    assert (verdict.findings[0].status, verdict.decision) == ("waived", "warn")
