"""`gradgate policy`: lint, schema, diff, test."""

import json
import os
import shutil
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from ruamel.yaml import YAML

from gradgate.cli.exits import Exit
from gradgate.gate.expectation import load_expectation

LOSS = '{id: loss, signal: loss.nonfinite, aggregate: {fn: sum}, expect: {op: "==", value: 0}}'
MINE = f"""\
apiVersion: gradgate/v1
kind: TrainingHealthPolicy
metadata: {{id: mine, revision: 3, owner: me}}
rules:
  - {LOSS}
  - id: norm
    signal: gradient.global_norm
    aggregate: {{fn: max}}
    expect: {{op: "<=", value: 10}}
"""


@pytest.fixture
def policies(tmp_path):
    """Writes policies, each the text above with some of it replaced."""

    def write(**changes):
        for name, (old, new) in changes.items():
            assert old in MINE
            (tmp_path / f"{name}.yaml").write_text(MINE.replace(old, new))

    write(mine=("", ""))
    return write


# --- lint --------------------------------------------------------------------------------------
def test_policies_that_can_be_used_are_ok(call, policies):
    done = call("policy", "lint", "mine.yaml", "mine.yaml")
    assert done.returncode == Exit.OK
    assert done.stdout == "mine.yaml: ok: mine, revision 3, 2 rules\n" * 2


def test_a_typing_error_is_named_with_its_place_and_what_was_meant(run_cli, policies):
    policies(wrong=("gradient.global_norm", "gradient.globl_norm"))
    done = run_cli("policy", "lint", "mine.yaml", "wrong.yaml")
    assert done.returncode == Exit.BAD_POLICY == 13
    good, bad = done.stdout.splitlines()
    assert good == "mine.yaml: ok: mine, revision 3, 2 rules"
    assert bad.startswith(
        "wrong.yaml:7:5: rules[1].signal: there is no signal gradient.globl_norm; did you mean"
        " gradient.global_norm?"
    )
    assert done.stderr == ""


def test_every_problem_of_a_policy_is_named(call, tmp_path):
    (tmp_path / "p.yaml").write_text(MINE.replace('op: "<="', 'op: "=<"').replace("max}", "mx}"))
    done = call("policy", "lint", "p.yaml", "--format", "json")
    assert done.returncode == 13
    (answer,) = json.loads(done.stdout)
    assert not answer["ok"]
    assert answer["code"] == "P-INVALID"
    assert [(p["line"], p["column"], p["field"]) for p in answer["problems"]] == [
        (8, 17, "rules[1].aggregate.fn"),
        (9, 14, "rules[1].expect.op"),
    ]


def test_lint_as_json_names_the_digest(call, policies):
    done = call("policy", "lint", "mine.yaml", "--format", "json")
    (answer,) = json.loads(done.stdout)
    assert (answer["id"], answer["revision"], answer["rules"]) == ("mine", 3, 2)
    assert answer["sha256"].startswith("sha256:")


@pytest.mark.parametrize(
    ("name", "reason"), [("nowhere.yaml", "cannot be read"), (".", "Is a directory")]
)
def test_a_policy_that_is_not_there_is_13(call, policies, name, reason):
    done = call("policy", "lint", name)
    assert done.returncode == 13
    assert reason in done.stdout


def test_waivers_are_linted_with_the_policy_that_they_are_of(call, policies, write_waivers):
    write_waivers("good.yaml", policy="mine", rule="norm")
    done = call("policy", "lint", "mine.yaml", "--waivers", "good.yaml")
    assert done.returncode == Exit.OK
    assert done.stdout.splitlines()[1] == "good.yaml: ok: 1 waiver"
    write_waivers("wrong.yaml", policy="mine", rule="nrom")
    done = call("policy", "lint", "mine.yaml", "--waivers", "wrong.yaml", "--format", "json")
    assert done.returncode == Exit.BAD_POLICY
    answer = json.loads(done.stdout)[1]
    assert (answer["ok"], answer["code"]) == (False, "P-WAIVER")
    (problem,) = answer["problems"]
    assert problem["message"].startswith("there is no rule nrom; did you mean norm?")
    assert (problem["line"], problem["field"]) == (4, "waivers[0].rule")


def test_waivers_of_a_policy_that_cannot_be_used_are_not_said_to_be_good(
    call, policies, write_waivers
):
    policies(wrong=("fn: max", "fn: most"))
    write_waivers("good.yaml", policy="mine", rule="norm")
    done = call("policy", "lint", "wrong.yaml", "--waivers", "good.yaml")
    assert done.returncode == Exit.BAD_POLICY
    assert "good.yaml: not looked at: wrong.yaml cannot be used" in done.stdout
    done = call("policy", "lint", "mine.yaml", "mine.yaml", "--waivers", "good.yaml")
    assert done.returncode == 2
    assert "waivers are of one policy; name that one" in done.stderr


# --- schema ------------------------------------------------------------------------------------
def test_the_schema_takes_a_policy_and_refuses_a_signal_that_is_none(call):
    done = call("policy", "schema")
    assert done.returncode == Exit.OK
    schema = json.loads(done.stdout)
    document = YAML(typ="safe", pure=True).load(MINE)
    jsonschema.validate(document, schema)
    document["rules"][0]["signal"] = "no.signal"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema)


def test_the_schema_of_waivers_too(call, write_waivers, tmp_path):
    schema = json.loads(call("policy", "schema", "waivers").stdout)
    write_waivers("waivers.yaml", policy="mine", rule="norm")
    document = YAML(typ="safe", pure=True).load(tmp_path / "waivers.yaml")
    document["waivers"][0] |= {"created": "2026-11-20T09:00:00Z", "expires": "2026-12-20T09:00:00Z"}
    jsonschema.validate(document, schema)
    del document["waivers"][0]["approved_by"]
    with pytest.raises(jsonschema.ValidationError, match="approved_by"):
        jsonschema.validate(document, schema)


# --- diff --------------------------------------------------------------------------------------
def test_a_stricter_policy_says_so(call, policies):
    policies(new=("value: 10", "value: 5"))
    done = call("policy", "diff", "mine.yaml", "new.yaml", "--fail-on-milder")
    assert done.returncode == Exit.OK
    assert done.stdout.splitlines() == [
        "mine, revision 3 -> mine, revision 3",
        "",
        "stricter  norm  expect: at most 10 -> at most 5",
        "",
        "1 stricter",
        "the revision did not rise: make it 4",
    ]


def test_a_milder_policy_is_11_when_asked(call, policies):
    policies(new=("id: norm", "id: other"))
    assert call("policy", "diff", "mine.yaml", "new.yaml").returncode == Exit.OK
    done = call("policy", "diff", "mine.yaml", "new.yaml", "--fail-on-milder")
    assert done.returncode == Exit.WARNED == 11
    assert done.stdout.splitlines()[2:4] == [
        "removed  norm   max of gradient.global_norm at most 10, blocks",
        "added    other  max of gradient.global_norm at most 10, blocks",
    ]


def test_diff_as_json(call, policies):
    policies(
        new=(
            "metadata: {id: mine, revision: 3",
            "coverage: {min_steps: 9}\nmetadata: {id: mine, revision: 4",
        )
    )
    done = call("policy", "diff", "mine.yaml", "new.yaml", "--format", "json")
    document = json.loads(done.stdout)
    assert document["new"] == {"id": "mine", "revision": 4}
    assert document["may_be_milder"] is False
    assert document["changes"] == [
        {
            "subject": "policy",
            "is_rule": False,
            "direction": "stricter",
            "field": "coverage.min_steps",
            "old": "1",
            "new": "9",
        }
    ]


def test_the_same_rules_are_said_to_be_the_same(call, policies):
    done = call("policy", "diff", "mine.yaml", "mine.yaml")
    assert done.stdout == "mine, revision 3 -> mine, revision 3: the same rules\n"


def test_a_policy_that_cannot_be_used_cannot_be_compared(call, policies):
    policies(wrong=("fn: max", "fn: mx"))
    done = call("policy", "diff", "mine.yaml", "wrong.yaml")
    assert done.returncode == 13
    assert done.stderr.startswith("cannot use the policy: wrong.yaml:8:17")


# --- test --------------------------------------------------------------------------------------
def nan_loss(steps):
    steps.loss[60] = np.nan


@pytest.fixture
def fixtures(tmp_path, make_record):
    """Two fixtures in a folder: a sound training, and one whose loss was NaN at step 60."""
    for name, spoil, text in (
        ("a-sound", lambda steps: None, "decision: ok\n"),
        ("b-nan", nan_loss, "decision: block\nfailed: [loss]\nfirst_offence: {step: 60}\n"),
    ):
        folder = tmp_path / "fixtures" / name
        folder.mkdir(parents=True)
        shutil.move(make_record(name, spoil), folder / "record")
        (folder / "expect.yaml").write_text(text)
    return tmp_path / "fixtures"


def test_a_policy_that_decides_as_expected_passes(call, policies, fixtures):
    done = call("policy", "test", "fixtures", "--policy", "mine.yaml")
    assert done.returncode == Exit.OK, done.stdout + done.stderr
    assert done.stdout.splitlines() == [
        "    fixture  expected  decided",
        "ok  a-sound  ok        ok       OK: 2 of 2 rules passed",
        "ok  b-nan    block     block    BLOCK loss: non-finite loss at step 60",
        "",
        "2 of 2 as expected",
    ]


@pytest.mark.parametrize("shadow", ["mode: shadow", "shadow_rules: [loss]"])
def test_what_is_in_shadow_is_tested_as_if_it_were_enforced(call, policies, fixtures, shadow):
    policies(shadow=("rules:", f"{shadow}\nrules:"))
    done = call("policy", "test", "fixtures", "--policy", "shadow.yaml")
    assert done.returncode == Exit.OK, done.stdout


def test_a_policy_that_lets_a_fault_through_fails_its_test(run_cli, policies, fixtures):
    policies(blind=(f"  - {LOSS}\n", ""))
    done = run_cli("policy", "test", "fixtures/b-nan", "fixtures", "--policy", "blind.yaml")
    assert done.returncode == Exit.BAD_POLICY
    lines = done.stdout.splitlines()
    assert sum(line.startswith("FAIL  b-nan") for line in lines) == 2
    assert lines[-6:] == [
        "b-nan:",
        "  decision: expected block, got ok",
        "  failed: without loss",
        "  first offence: expected one of the worst rule, got none",
        "",
        "1 of 3 as expected",
    ]


def test_results_as_json(call, policies, fixtures):
    (fixtures / "b-nan" / "expect.yaml").write_text(
        "decision: block\nfailed: [loss, norm]\nchecks: [T-STOPPED]\n"
        "first_offence: {rule: loss, step: 61, variable: m/x}\n"
    )
    done = call("policy", "test", "fixtures", "--policy", "mine.yaml", "--format", "json")
    assert done.returncode == 13
    document = json.loads(done.stdout)
    assert (document["passed"], document["failed"]) == (1, 1)
    assert document["fixtures"][1]["differences"] == [
        "failed: without norm",
        "checks: without T-STOPPED",
        "first offence of loss: expected step 61, got 60",
        "first offence of loss: expected variable m/x, got None",
    ]


def test_a_model_beside_the_record_is_judged_too(call, policies, fixtures):
    (fixtures / "a-sound" / "model").mkdir()
    (fixtures / "a-sound" / "model" / "saved_model.pb").write_bytes(b"another")
    done = call("policy", "test", "fixtures/a-sound", "--policy", "mine.yaml")
    assert done.returncode == 13
    assert "checks: also I-MODEL-UNBOUND" in done.stdout


def test_a_record_that_is_missing_blocks_and_can_be_expected(call, policies, fixtures):
    shutil.rmtree(fixtures / "b-nan" / "record")
    (fixtures / "b-nan" / "expect.yaml").write_text("decision: block\nchecks: [T-MISSING]\n")
    assert call("policy", "test", "fixtures", "--policy", "mine.yaml").returncode == Exit.OK


def test_waivers_are_given_for_all_fixtures_or_lie_beside_what_is_expected(
    call, policies, fixtures, write_waivers
):
    arguments = ("policy", "test", "fixtures", "--policy", "mine.yaml")
    (fixtures / "b-nan" / "expect.yaml").write_text("decision: warn\n")
    assert call(*arguments).returncode == Exit.BAD_POLICY
    write_waivers("waivers.yaml", policy="mine", rule="loss")
    done = call(*arguments, "--waivers", "waivers.yaml")
    assert done.returncode == Exit.OK, done.stdout + done.stderr
    write_waivers("fixtures/b-nan/waivers.yaml", policy="mine", rule="loss")
    assert call(*arguments).returncode == Exit.OK
    # Its own come first, also where they waive less.
    write_waivers("fixtures/b-nan/waivers.yaml", policy="mine", rule="norm")
    done = call(*arguments, "--waivers", "waivers.yaml")
    assert done.returncode == Exit.BAD_POLICY
    assert "decision: expected warn, got block" in done.stdout


def test_a_waiver_that_has_ended_when_the_training_did_waives_nothing(
    call, policies, fixtures, write_waivers
):
    write_waivers("old.yaml", policy="mine", rule="loss", first_day=-9, last_day=-1)
    done = call("policy", "test", "fixtures", "--policy", "mine.yaml", "--waivers", "old.yaml")
    assert done.returncode == Exit.OK, done.stdout


def test_waivers_that_cannot_be_used_test_nothing(call, policies, fixtures, write_waivers):
    arguments = ("policy", "test", "fixtures", "--policy", "mine.yaml")
    write_waivers("other.yaml", policy="other", rule="loss")
    (fixtures / "a-sound" / "waivers.yaml").symlink_to("nowhere")
    for more, reason in (
        (("--waivers", "other.yaml"), "other.yaml:4:15: waivers[0].policy: is for policy other"),
        (("--waivers", "none.yaml"), "none.yaml: cannot be read"),
        ((), "fixtures/a-sound/waivers.yaml: is a link; name the file itself"),
    ):
        done = call(*arguments, *more)
        assert done.returncode == Exit.BAD_POLICY == 13
        assert done.stderr.startswith("cannot use the waivers: ")
        assert reason in done.stderr
        assert done.stdout == ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("decision: blocked\n", "expect.yaml:1:1: decision: got 'blocked'; use 'ok', 'warn'"),
        (
            "decision: ok\nfail: [loss]\n",
            "expect.yaml:2:1: fail: there is no such field; did you mean failed?",
        ),
        ("failed: []\n", "expect.yaml:1:1: decision is missing"),
        ("decision: [\n", "expect.yaml:2:1: is no YAML"),
        (None, "expect.yaml: cannot be read: No such file or directory. Say there what is"),
    ],
)
def test_an_expectation_that_is_none_is_said_to_be_wrong(call, fixtures, text, reason):
    path = fixtures / "a-sound" / "expect.yaml"
    path.unlink() if text is None else path.write_text(text)
    done = call("policy", "test", "fixtures")
    assert done.returncode == Exit.CANNOT_JUDGE == 12
    assert done.stderr.startswith("cannot test: fixtures/a-sound/expect.yaml")
    assert reason in done.stderr


def test_the_expectation_in_the_docs_is_one():
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
    text = page[page.index("```yaml\n") + 8 :]
    wanted = load_expectation(text[: text.index("```")])
    assert wanted.decision == "block"
    assert wanted.first_offence.step == 1842


def test_a_pipe_is_no_expectation_and_is_not_waited_for(call, fixtures):
    path = fixtures / "a-sound" / "expect.yaml"
    path.unlink()
    os.mkfifo(path)
    done = call("policy", "test", "fixtures")
    assert done.returncode == Exit.CANNOT_JUDGE
    assert "expect.yaml: is not a plain file" in done.stderr


@pytest.mark.parametrize(
    ("name", "reason"), [("nowhere", "is no directory"), ("empty", "holds no fixture")]
)
def test_no_fixture_is_no_test_that_passed(call, tmp_path, name, reason):
    (tmp_path / "empty").mkdir()
    done = call("policy", "test", name)
    assert done.returncode == Exit.CANNOT_JUDGE
    assert reason in done.stderr
