"""What holds for every command: help with examples, JSON, documented exit statuses, completion."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from gradgate.cli import app
from gradgate.cli.exits import Exit
from gradgate.cli.fixtures import golden_runs

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
WARNING = """\
apiVersion: gradgate/v1
kind: TrainingHealthPolicy
metadata: {id: warns, revision: 1, owner: me}
rules:
  - {id: a, signal: loss, aggregate: {fn: max}, expect: {op: "<", value: 0}, severity: warn}
  - {id: b, signal: loss.nonfinite, aggregate: {fn: sum}, expect: {op: "==", value: 0}}
"""


def commands():
    """Every command by its words, such as `policy lint`."""

    def walk(command, words):
        if hasattr(command, "commands"):
            for name, inner in command.commands.items():
                yield from walk(inner, (*words, name))
        else:
            yield " ".join(words), command

    return dict(walk(typer.main.get_command(app), ()))


every_command = pytest.mark.parametrize("name", commands())


@every_command
def test_its_help_has_an_example_that_begins_with_its_name(call, name):
    done = call(*name.split(), "--help")
    assert done.returncode == 0
    text = " ".join(done.stdout.split())
    assert re.search(r"Examples? ", text)
    assert f"gradgate {name} " in text[text.index("Example") :]


@every_command
def test_the_docs_name_it(name):
    assert f"`gradgate {name}" in DOCS


@every_command
def test_it_writes_json(call, name):
    if name == "policy schema":
        return  # a schema is JSON, and nothing else
    shown = call(*name.split(), "--help").stdout
    assert re.search(r"--format .*\bjson\b", " ".join(shown.split()))


def test_the_docs_and_the_help_name_every_exit_status(call):
    documented = {
        int(status)
        for row in re.findall(r"^\| ([\d, ]+) \|", DOCS, flags=re.MULTILINE)
        for status in row.split(",")
    }
    assert documented == {1, *map(int, Exit)}
    shown = call("--help").stdout
    for status in {1, *map(int, Exit)}:
        assert re.search(rf"(^|\s){status}[: ]", shown), status


@pytest.fixture
def place(tmp_path):
    shutil.copytree(golden_runs(), tmp_path / "runs")
    (tmp_path / "warns.yaml").write_text(WARNING)
    (tmp_path / "wrong.yaml").write_text("rules: [")
    (tmp_path / "making.py").write_text("pipeline = 1\n")
    (tmp_path / "serving" / ".gradgate").mkdir(parents=True)
    (tmp_path / "serving" / ".gradgate" / "pushes.jsonl").write_text(
        '{"pushed": true, "version": 7, "model_digest": "sha256:0"}\n'
    )
    return tmp_path


PRODUCED = {
    Exit.OK: ["check runs/healthy/record --training-only", "policy test", "policy schema"],
    Exit.USAGE: ["check", "explain nothing --rule a --format html", "lint-pipeline nothing"],
    Exit.BLOCKED: ["check runs/silent-nan/record --training-only"],
    Exit.WARNED: [
        "check runs/healthy/record --training-only --policy warns.yaml --fail-on-warn",
        "policy diff runs/../warns.yaml runs/../warns2.yaml --fail-on-milder",
    ],
    Exit.CANNOT_JUDGE: [
        "check runs/truncated/record --training-only",
        "check runs/healthy/record",
        "explain nothing",
        "policy test nothing",
        "replay nothing",
        "drift --serving nothing",
        "ui nothing",
    ],
    Exit.BAD_POLICY: [
        "check runs/healthy/record --policy wrong.yaml",
        "policy lint wrong.yaml",
        "policy diff wrong.yaml warns.yaml",
        "policy test --policy warns.yaml",
        "replay runs --policy wrong.yaml",
    ],
    Exit.NOT_VERIFIED: ["verify --model runs --verdict nothing"],
    Exit.DRIFTED: ["drift --serving serving"],
}


@pytest.mark.parametrize(
    ("status", "line"), [(s, line) for s, lines in PRODUCED.items() for line in lines]
)
def test_every_exit_status_is_produced(call, place, status, line):
    (place / "warns2.yaml").write_text(WARNING.replace("max", "min"))
    assert call(*line.split()).returncode == status


def test_every_status_has_a_command_that_produces_it():
    assert set(PRODUCED) == set(Exit)


def test_a_fault_of_our_own_is_1_and_never_looks_like_a_judgement():
    program = (
        "import sys, gradgate.cli as cli\n"
        "def broken(*_, **__): raise RuntimeError('broken')\n"
        "sys.modules['gradgate.cli.check'].judge = broken\n"
        "cli.main()\n"
    )
    done = run(program, "check", golden_runs() / "healthy" / "record", "--training-only")
    assert done.returncode == 1
    assert "RuntimeError: broken" in done.stderr
    assert done.stdout == ""


def run(program, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT / "components")} | environment,
        check=False,
    )


AS_INSTALLED = "from gradgate.cli import main; import sys; sys.argv[0] = 'gradgate'; main()"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_can_learn_it(shell):
    done = run(AS_INSTALLED, _GRADGATE_COMPLETE=f"source_{shell}")
    assert done.returncode == 0, done.stderr
    assert "gradgate" in done.stdout


def test_a_command_and_its_formats_are_completed():
    def complete(words):
        place = str(len(words.split(" ")) - 1)
        known = {"COMP_WORDS": words, "COMP_CWORD": place, "_GRADGATE_COMPLETE": "complete_bash"}
        return run(AS_INSTALLED, **known).stdout.split()

    assert complete("gradgate pol") == ["policy"]
    assert complete("gradgate policy ") == ["lint", "schema", "diff", "test"]
    assert "junit" in complete("gradgate explain --format ju")


def test_as_json_nothing_but_json_is_on_standard_output(call, place):
    for line in (
        "check runs/silent-nan/record --training-only --format json",
        "check runs/truncated/record --format sarif",
        "policy test --format json",
        "policy lint warns.yaml wrong.yaml --format json",
        "policy diff warns.yaml warns.yaml --format json",
        "replay runs --format json",
        "verify --model runs --verdict nothing --format json",
        "policy schema",
    ):
        json.loads(call(*line.split()).stdout)
