"""Row 24: layer names that are markup, escapes or endless; ten thousand layers."""

import json
import time

import numpy as np
import pytest

from gradgate.cli.exits import Exit
from gradgate.contracts import ModelCard, VariableCard, Verdict
from gradgate.contracts.verdict import Inputs, Subject
from gradgate.gate.render import FORMATS, explain, render

TRICKS = {
    "markup": "net/<script>alert(1)</script>/kernel",
    "attribute": 'net/" onload="alert(1)/kernel',
    "end of title": "</title><svg/onload=alert(1)>",
    "escapes": "net/\x1b[2J\x1b[31mred/kernel",
    "window title": "net/\x1b]0;owned\x07/kernel",
    "right to left": "net/\u202elenrek",
    "line breaks": "net/\r\nOK: 14 of 14 rules passed\n",
    "table": "net/a|b`c`/kernel",
    "64 KiB": "net/" + "x" * 65_536,
    "a glob": "net/**/[a-z]?*/kernel",
    "template": "{{ 7 * 7 }}{% raw %}",
}


@pytest.fixture
def sick(make_record, make_steps):
    """The record of a training whose one variable bears a name, and went wrong."""

    def sick(name):
        steps = make_steps()
        steps.norms[3:, 0] = steps.global_norm[3:] = np.nan
        card = ModelCard(
            model_name=name,
            variables=(VariableCard(path=name, layer=name, shape=(4, 3), dtype="float32"),),
            optimizer="SGD",
            statistics_every=3,
        )
        return make_record(steps=steps, card=card, final_weight_nonfinite={name: 0})

    return sick


@pytest.mark.parametrize("name", TRICKS)
def test_a_name_can_do_nothing(sick, verdict_on, name):
    verdict = verdict_on(sick(TRICKS[name]))
    assert verdict.decision == "block"
    assert verdict.findings[0].first_offence.variable == TRICKS[name]
    shown = {form: render(verdict, form) for form in FORMATS} | {"explain": explain(verdict)}
    for form, text in shown.items():
        assert not set(text) & set("\x1b\x07\u202e\r"), form
        assert len(text) < (2_000_000 if form == "json" else 100_000), form
    assert "<script>alert" not in shown["html"]
    assert "<svg/onload" not in shown["html"]
    assert 'onload="alert' not in shown["html"]
    assert "\nOK: 14 of 14" not in shown["text"]
    assert "49" not in shown["html"].split("{{")[0] or name != "template"


@pytest.mark.parametrize("name", ["escapes", "window title", "line breaks"])
def test_nor_on_the_screen_of_a_command(sick, call, small_policy_text, tmp_path, name):
    record = sick(TRICKS[name])
    (tmp_path / "policy.yaml").write_text(small_policy_text)
    line = ("check", record, "--training-only", "--policy", "policy.yaml")
    for options in (
        ("--out", tmp_path / "report.html", "--format", "html"),
        ("--format", "text"),
        ("--format", "junit"),
    ):
        done = call(*line, *options)
        assert done.returncode == Exit.BLOCKED
        assert not set(done.stdout + done.stderr) & set("\x1b\x07\r")
    call(*line, "--format", "json", "--out", "verdict.json")
    done = call("explain", "verdict.json")
    assert not set(done.stdout + done.stderr) & set("\x1b\x07\r")


def test_a_verdict_of_an_odd_schema_moves_no_cursor(call, tmp_path):
    verdict = Verdict(
        schema_id="\x1b[2Jgradgate",
        decision="ok",
        blessed=False,
        healthy=False,
        headline="",
        subject=Subject(),
        inputs=Inputs(gate_version="0"),
        as_of="",
    ).sealed()
    (tmp_path / "verdict.json").write_text(json.dumps(verdict.document()))
    for command in (("explain", "verdict.json"), ("explain", "."), ("replay", ".")):
        done = call(*command)
        assert done.returncode == Exit.CANNOT_JUDGE
        assert "\x1b" not in done.stderr
    done = call("verify", "--model", ".", "--verdict", "verdict.json")
    assert "\x1b" not in done.stdout


def test_ten_thousand_layers(make_record, make_steps, verdict_on):
    paths = tuple(f"net/block_{i}/kernel" for i in range(10_000))
    steps = make_steps(6, paths=paths)
    steps.norms[5:, 7_777] = np.nan
    card = ModelCard(
        model_name="net",
        variables=tuple(
            VariableCard(path=path, layer=path, shape=(4, 3), dtype="float32") for path in paths
        ),
        optimizer="SGD",
        statistics_every=3,
    )
    record = make_record(
        steps=steps, card=card, final_weight_nonfinite=dict.fromkeys(paths, 0), planned_steps=6
    )
    begin = time.process_time()
    verdict = verdict_on(record)
    assert time.process_time() - begin < 5
    offence = verdict.findings[0].first_offence
    assert (offence.step, offence.variable) == (5, "net/block_7777/kernel")
    begin = time.process_time()
    sizes = {form: len(render(verdict, form)) for form in FORMATS}
    assert time.process_time() - begin < 1
    assert max(sizes.values()) < 200_000
