"""The table of signals in the docs is the catalogue, and its rules do what it says of them."""

import re
from pathlib import Path

import pytest

from gradgate.gate import load_policy
from gradgate.gate.signals import ALL

PAGE = Path(__file__).parents[2] / "docs" / "policy.md"
BEGIN, END = "<!-- signals -->\n", "<!-- /signals -->"


def table():
    rows = ["| signal | of | what it is |", "|---|---|---|"]
    for signal in ALL:
        text = signal.what.replace("|", "\\|")
        rows.append(f"| `{signal.name}` | {signal.level} | {text} |")
    return "\n".join(rows) + "\n"


def test_the_table_of_signals_is_the_catalogue(request):
    page = PAGE.read_text(encoding="utf-8")
    head, rest = page.split(BEGIN)
    shown, tail = rest.split(END)
    if request.config.getoption("--golden"):
        PAGE.write_text(head + BEGIN + table() + END + tail, encoding="utf-8")
        return
    assert shown == table(), "docs/policy.md is stale; run this test with --golden"


# As was measured on MNIST: of SGD at a mean scale of 0.008 little is left, Adam lost nothing at
# 0.001 though every step was clipped, and SGD lost nothing at a saturation of 0.68.
@pytest.mark.parametrize(
    ("optimizer", "clipped", "scale", "decision"),
    [
        ("Adam", 1.0, 0.001, "warn"),
        ("SGD", 1.0, 0.008, "block"),
        ("SGD", 0.68, 0.6, "warn"),
        ("SGD", 0.1, 0.95, "ok"),
    ],
)
def test_who_asks_how_hard_a_clip_acts_blocks_what_it_starves(
    make, training, optimizer, clipped, scale, decision
):
    shown = PAGE.read_text(encoding="utf-8").split("writes these two in its place:")[1]
    rules = re.search(r"```yaml\n(.*?)```", shown, re.DOTALL)[1]
    policy = load_policy(
        "apiVersion: gradgate/v1\nkind: TrainingHealthPolicy\n"
        f"metadata: {{id: docs, revision: 1, owner: docs}}\nrules:\n{rules}"
    )
    training.replace(optimizer=optimizer)
    training.clipped[:] = training.step % 100 < 100 * clipped
    training.clip_scale[:] = scale
    assert make.verdict(training, policy=policy).decision == decision
